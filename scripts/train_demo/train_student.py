"""Step 4: the few-step student, by consistency distillation of the teacher's guided flow.

Writes student.pt and log_student.jsonl. The student starts as the teacher. One step of the teacher's
probability-flow ODE leads from a noisy chunk to a slightly cleaner one; the student must name the same
clean chunk from both (Song et al., "Consistency Models", 2023). Guidance, if any, is part of the teacher's step,
so the student needs none. The true clean chunk is a target too, the more so the less noise there is: then little is
left open. The history is the teacher's training's: clean, or the target network's own guess. A last phase has the
truth alone for a target and trains nothing but the levels that generation uses: four are fewer to learn than all.
"""
import copy

import torch

from .latents import Latents
from .networks import Average, load_networks
from .schedule import add_noise, shifted
from .training import Optimiser, learning_rate, set_up, train
from .train_teacher import history_of, object_weight, timeline
from .transformer import compile_blocks, flow


def train_student(config, out):
    """Trains, or goes on from the last checkpoint in `out`."""
    device = set_up(config["seed"] + 1)
    settings = config["student"]
    teacher = load_networks(config, out, "teacher").requires_grad_(False).to(device)
    student = copy.deepcopy(teacher).requires_grad_(True)
    student.text_encoder.requires_grad_(False)     # it has no say in noise levels
    if config["compile"]:
        compile_blocks()
    average = Average(student, settings["average"])
    trained = [p for p in student.parameters() if p.requires_grad]
    optimiser = Optimiser(student.named_parameters(), weight_decay=0.0)

    def step_of_phase(number, phase):
        latents = Latents(out, phase["from"])

        def update(step):
            rate = learning_rate(step, phase["steps"], phase["rate"], settings["warm_up"],
                                 settings["final_rate"])
            loss = _loss(config, phase, teacher, student, average.networks, latents,
                         number * 10**7 + step, device)
            optimiser.zero_grad()
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimiser.step(rate)
            average.update(student)
            return {"loss": loss.detach(), "norm": norm}

        return update

    train(out, "student", student, average, optimiser, settings["phases"], step_of_phase)


def _loss(config, phase, teacher, student, target, latents, number, device):
    """Squared distance of the student's clean chunk from the target's, one ODE step further on, and from the truth."""
    settings = config["student"]
    frames_per_chunk = phase.get("frames", config["transformer"]["chunk_frames"])
    generator = torch.Generator().manual_seed(config["seed"] * 10**9 + 9 * 10**8 + number)
    indices = torch.randint(len(latents), (phase["batch"],), generator=generator).tolist()
    clean, sentences, attributes = latents.batch(indices, frames_per_chunk, phase["chunks"])
    batch, chunks = clean.shape[:2]
    copies, consistency = phase.get("copies", 1), phase.get("consistency", True)
    grid = shifted(torch.arange(settings["grid"], -1, -1) / settings["grid"], config["schedule"]["shift"])
    places = _places(config, phase.get("used_share", settings["used_share"]), (batch, copies, chunks), generator)
    level, following = (grid[p][..., None, None, None, None].to(device) for p in (places, places + 1))
    noise = torch.randn(batch, copies, *clean.shape[1:], generator=generator).to(device)
    frames, visible, counted = timeline(chunks, frames_per_chunk, clean.shape[-1] // 2,
                                        phase.get("moved", 0.0), generator)
    frames = [f.to(device) for f in frames]
    clean = clean.to(device)
    noisy = add_noise(clean[:, None], noise, level)

    def run(networks, x, levels, text):
        times = 1000.0 * levels.flatten(3)[..., 0]
        if chunks > 1:
            x, times = torch.cat([history, x], dim=1), torch.cat([torch.zeros_like(times[:, :1]), times], dim=1)
        return flow(networks.transformer, x, times, text, frames, visible, has_clean=chunks > 1).float()

    with torch.autocast(device.type, torch.bfloat16):
        with torch.no_grad():
            if chunks > 1:
                history = history_of(clean, phase, target.transformer, target.context(sentences), frames, visible,
                                     generator)[:, None]
            if consistency:
                slope = run(teacher, noisy, level, teacher.context(sentences))
                if settings["guidance"] != 1.0:
                    free = run(teacher, noisy, level, teacher.context([""] * batch))
                    slope = free + settings["guidance"] * (slope - free)
                cleaner = noisy + (following - level) * slope
                wanted = cleaner - following * run(target, cleaner, following, target.context(sentences))
        given = noisy - level * run(student, noisy, level, student.context(sentences))
    error = (given - clean[:, None]).square()
    if consistency:
        error = settings["truth_weight"] * (1.0 - level) * error + (given - wanted).square()
    else:
        error = error / level.square()     # that of the flow
    objects = (attributes[..., 0] >= 0).float().to(device)
    error = error * object_weight(objects[:, None], level, phase.get("object_weight", 0.0))
    return error.mean(dim=(0, 1, 3, 4, 5, 6))[counted].mean()


def _places(config, used_share, shape, generator):
    """Indices into the grid; those that generation uses are drawn more often."""
    grid = config["student"]["grid"]
    places = torch.randint(grid, shape, generator=generator)
    used = torch.tensor([round((1.0 - step / 1000.0) * grid) for step in config["schedule"]["steps"]])
    picked = used[torch.randint(len(used), shape, generator=generator)]
    often = torch.rand(shape, generator=generator) < used_share
    return torch.where(often, picked, places)
