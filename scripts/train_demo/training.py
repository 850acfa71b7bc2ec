"""What the training steps share: the configuration, the log, checkpoints that a stopped run goes on from."""
import ctypes
import json
import math
import os
import random
import time
from pathlib import Path

import numpy as np
import torch
import yaml

SAVE_SECONDS = 180      # of training between two checkpoints


def load_config(path, overrides=()):
    """The YAML file with `section.key=value` overrides, values read as YAML. Unknown keys are errors."""
    config = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    for override in overrides:
        name, separator, value = override.partition("=")
        *sections, key = name.split(".")
        target = config
        for section in sections:
            target = target.get(section) if isinstance(target, dict) else None
        if not separator or not isinstance(target, dict) or key not in target:
            raise SystemExit(f"--set {override}: {path} has no key {name!r}; write section.key=value")
        target[key] = yaml.safe_load(value)
    return config


def set_up(seed):
    """Seeds all generators, uses every core, and says which device and type to compute in."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(os.cpu_count() or 1)
    _keep_freed_memory()
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _keep_freed_memory():
    """Tells glibc to keep freed memory: fetching its pages anew from the system, step after step, makes
    training on processors up to four times slower. Nothing happens on systems without glibc."""
    mmap_max, trim_threshold, top_pad = -4, -1, -2     # names of malloc.h: M_MMAP_MAX, …
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    for name, value in ((mmap_max, 0), (trim_threshold, -1), (top_pad, 2**28)):
        mallopt(name, value)


def learning_rate(step, steps, peak, warm_up, final_share):
    """Linear warm-up, then half a cosine down to `final_share` of the peak."""
    if step < warm_up:
        return peak * (step + 1) / warm_up
    way = (step - warm_up) / max(1, steps - warm_up)
    return peak * (final_share + (1.0 - final_share) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, way))))


def set_rate(optimiser, rate):
    for group in optimiser.param_groups:
        group["lr"] = rate


class Optimiser:
    """Muon for the matrices of the transformer's blocks, AdamW for all else, behind one interface.

    Orthogonalised momentum (Jordan et al., "Muon", 2024) needs fewer samples; its updates are scaled to
    the root mean square of AdamW's, so that one learning rate serves both.
    """

    def __init__(self, parameters, weight_decay):
        named = [(name, p) for name, p in parameters if p.requires_grad]
        matrices = [p for name, p in named if "blocks." in name and p.dim() == 2]
        others = [p for name, p in named if not ("blocks." in name and p.dim() == 2)]
        self.parts = [torch.optim.Muon(matrices, weight_decay=weight_decay, momentum=0.95,
                                       adjust_lr_fn="match_rms_adamw"),
                      torch.optim.AdamW(others, betas=(0.9, 0.98), weight_decay=weight_decay)]

    def step(self, rate):
        for part in self.parts:
            set_rate(part, rate)
            part.step()

    def zero_grad(self):
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def state_dict(self):
        return [part.state_dict() for part in self.parts]

    def load_state_dict(self, states):
        for part, state in zip(self.parts, states):
            part.load_state_dict(state)


class Log:
    """One JSON object a line, in a file and on the screen; figures between two lines are averaged."""

    def __init__(self, path, every):
        self.path, self.every = Path(path), every
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.sums, self.count, self.since = {}, 0, time.monotonic()

    def add(self, step, figures, **facts):
        if not all(math.isfinite(value) for value in figures.values()):
            raise SystemExit(f"{self.path}: step {step + 1}: {figures}: the training diverged; "
                             "lower the rate of this phase and go on from the last checkpoint")
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + float(value)
        self.count += 1
        if (step + 1) % self.every:
            return
        now = time.monotonic()
        line = {"step": step + 1, **facts}
        line.update({name: float(f"{value / self.count:.5g}") for name, value in self.sums.items()})
        line["seconds_per_step"] = float(f"{(now - self.since) / self.count:.4g}")
        self.write(line)
        self.sums, self.count, self.since = {}, 0, now

    def write(self, line):
        text = json.dumps(line)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(text + "\n")
        print(text, flush=True)


def save_checkpoint(path, **content):
    """Written beside and renamed, so that a stopped run never leaves half a file."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".part")
    torch.save(content, temporary)
    temporary.replace(path)


def train(out, name, networks, average, optimiser, phases, step_of_phase):
    """Trains phase after phase from where `name`.pt stopped; writes it and log_`name`.jsonl.

    `step_of_phase(number, phase)` gives what does one update of that phase: step → figures for the log.
    """
    place, first_phase, first_step = out / f"{name}.pt", 0, 0
    done = load_checkpoint(place)
    if done:
        networks.load_state_dict(done["model"])
        average.networks.load_state_dict(done["ema"])
        average.count, first_phase, first_step = done["count"], done["phase"], done["step"]
        if done["optimiser"]:
            optimiser.load_state_dict(done["optimiser"])

    def save(phase, step):
        save_checkpoint(place, model=networks.state_dict(), ema=average.networks.state_dict(),
                        count=average.count, optimiser=optimiser.state_dict(), phase=phase, step=step)

    log = Log(out / f"log_{name}.jsonl", every=20)
    for number in range(first_phase, len(phases)):
        update, saved = step_of_phase(number, phases[number]), time.monotonic()
        for step in range(first_step if number == first_phase else 0, phases[number]["steps"]):
            log.add(step, update(step), phase=phases[number]["name"])
            if time.monotonic() - saved > SAVE_SECONDS:
                saved = time.monotonic()
                save(number, step + 1)
        save(number + 1, 0)


def load_checkpoint(path):
    """The content of a checkpoint, or None where there is none."""
    path = Path(path)
    return torch.load(path, map_location="cpu", weights_only=True) if path.exists() else None
