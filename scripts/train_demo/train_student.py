"""Step 4: the few-step student, by consistency distillation of the teacher's guided flow.

Writes student.pt and log_student.jsonl. The student starts as the teacher. One step of the teacher's
probability-flow ODE leads from a noisy chunk to a slightly cleaner one; the student must name the same
clean chunk from both (Song et al., "Consistency Models", 2023). Guidance, if any, is part of the teacher's step,
so the student needs none. The true clean chunk is a target too, the more so the less noise there is: then little is
left open. The history is the teacher's training's: clean, or the target network's own guess. The last phases have the
truth alone for a target and train nothing but the levels that generation uses: four are fewer to learn than all.
What they start from is in part the network's own guess of the step before, and clips of three times the length show
what a rolling window sees.
"""
import copy

import torch

from .latents import Latents
from .networks import Average, load_networks
from .schedule import add_noise, shifted
from .training import Optimiser, learning_rate, set_up, train
from .train_teacher import history_of, object_weight, timeline, window_timeline
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
        latents = {kind: Latents(out, kind) for kind in {phase["from"], *(["long"] if "long" in phase else [])}}

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
    generator = torch.Generator().manual_seed(config["seed"] * 10**9 + 9 * 10**8 + number)
    (clean, sentences, attributes), numbers, long = _draw(config, phase, latents, generator)
    batch, chunks = clean.shape[:2]
    copies, consistency = phase.get("copies", 1), phase.get("consistency", True)
    grid = shifted(torch.arange(settings["grid"], -1, -1) / settings["grid"], config["schedule"]["shift"])
    places = draw_places(config, phase, (batch, copies, chunks), generator)

    def levels_at(places):
        return grid[places][..., None, None, None, None].to(device)

    level, following = levels_at(places), levels_at(places + 1)
    noise = torch.randn(batch, copies, *clean.shape[1:], generator=generator).to(device)
    frames_per_chunk, side = clean.shape[2], clean.shape[-1] // 2
    if long:
        frames, visible, counted = window_timeline(numbers, frames_per_chunk, side)
    else:
        frames, visible, counted = timeline(chunks, frames_per_chunk, side, phase.get("moved", 0.0), generator)
    frames = [f.to(device) for f in frames]
    clean = clean.to(device)

    def run(networks, x, levels, text):
        times = 1000.0 * levels.flatten(3)[..., 0]
        if chunks > 1:
            x, times = torch.cat([history, x], dim=1), torch.cat([torch.zeros_like(times[:, :1]), times], dim=1)
        return flow(networks.transformer, x, times, text, frames, visible, has_clean=chunks > 1).float()

    with torch.autocast(device.type, torch.bfloat16):
        with torch.no_grad():
            told = target.context(sentences)
            if chunks > 1:
                history = history_of(clean, phase, target.transformer, told, frames, visible, generator)[:, None]
            start = clean[:, None]
            if "own_input" in phase:
                earlier, chosen = steps_before(config, phase, places, generator)
                level_then = levels_at(earlier)
                then = add_noise(start, torch.randn(noise.shape, generator=generator).to(device), level_then)
                guessed = then - level_then * run(target, then, level_then, told)
                start = torch.where(chosen[..., None, None, None, None].to(device), guessed, start)
            noisy = add_noise(start, noise, level)
            if consistency:
                slope = run(teacher, noisy, level, teacher.context(sentences))
                if settings["guidance"] != 1.0:
                    free = run(teacher, noisy, level, teacher.context([""] * batch))
                    slope = free + settings["guidance"] * (slope - free)
                cleaner = noisy + (following - level) * slope
                wanted = cleaner - following * run(target, cleaner, following, told)
        given = noisy - level * run(student, noisy, level, student.context(sentences))
    error = (given - clean[:, None]).square()
    if consistency:
        error = settings["truth_weight"] * (1.0 - level) * error + (given - wanted).square()
    else:
        error = error / level.square()     # that of the flow
    objects = (attributes[..., 0] >= 0).float().to(device)
    error = error * object_weight(objects[:, None], level, phase.get("object_weight", 0.0))
    return error.mean(dim=(0, 1, 3, 4, 5, 6))[counted].mean()


def _draw(config, phase, latents, generator):
    """(a batch of the latents, the numbers of its chunks, whether it is of long clips).

    A share `long` of the batches has the first chunk of long clips and some later ones in a row.
    """
    chunk_frames = phase.get("frames", config["transformer"]["chunk_frames"])
    source, numbers = latents[phase["from"]], list(range(phase["chunks"]))
    long = "long" in phase and torch.rand((), generator=generator).item() < phase["long"]
    if long:
        source = latents["long"]
        last = source.table.shape[1] // chunk_frames - phase["chunks"]
        start = int(torch.randint(1, last + 1, (), generator=generator))
        numbers = [0] + list(range(start, start + phase["chunks"]))
    indices = torch.randint(len(source), (phase["batch"],), generator=generator).tolist()
    return source.batch(indices, chunk_frames, numbers), numbers, long


def draw_places(config, phase, shape, generator):
    """Indices into the grid; those that generation uses are drawn more often, with the phase's `odds`."""
    places = torch.randint(config["student"]["grid"], shape, generator=generator)
    used = _used(config)
    odds = torch.tensor(phase.get("odds", [1] * len(used)), dtype=torch.float)
    picked = used[torch.multinomial(odds, places.numel(), replacement=True, generator=generator).view(shape)]
    often = torch.rand(shape, generator=generator) < phase.get("used_share", config["student"]["used_share"])
    return torch.where(often, picked, places)


def _used(config):
    """The places of generation's steps in the grid."""
    grid = config["student"]["grid"]
    return torch.tensor([round((1.0 - step / 1000.0) * grid) for step in config["schedule"]["steps"]])


def steps_before(config, phase, places, generator):
    """(the place of the step of generation before each place, whether the network's own guess there is the start).

    In a share `own_input` of the draws the noise is added to that guess in place of the truth, as in generation, so
    that the network learns to make good its own mistakes. Not after the first step: pure noise knows nothing of the
    truth, and all that could be learnt from it is to paint the average.
    """
    used = _used(config)
    before = (used < places[..., None]).sum(dim=-1) - 1
    chosen = (before > 0) & (torch.rand(places.shape, generator=generator) < phase["own_input"])
    return used[before.clamp(min=0)], chosen
