"""Step 3: the many-step causal model, by flow matching with clean history ("teacher forcing").

Writes teacher.pt and log_teacher.jsonl. First on single pictures (words for colours, shapes and places),
then on opening chunks, then on whole clips, where every noisy chunk sees the clean chunks before it. In a
part of the batches the later chunks are moved on in time and see only the first frame and the chunk before:
a first idea of a rolling window. What scenes look like at late times only the student learns, from long clips.
"""
import torch
import torch.nn.functional as F

from .latents import TOKEN_ROWS, Latents
from .networks import Average, NetworksWithHeads
from .schedule import add_noise, draw_levels
from .text import PAD, write_vocabulary
from .training import Optimiser, learning_rate, set_up, train
from .transformer import compile_blocks, flow, flow_and_states

OWN_LEVELS = (0.5, 0.9)     # of noise, that a guessed history starts from; the last of the few steps starts at 0.625


def train_teacher(config, out):
    """Trains, or goes on from the last checkpoint in `out`."""
    device = set_up(config["seed"])
    if not (out / "teacher.pt").exists():    # a vocabulary of other sentences would not do
        write_vocabulary(config["text"], out / "spiece.model")
    networks = NetworksWithHeads(config, out / "spiece.model").to(device)
    start_weights(networks)
    if config["compile"]:
        compile_blocks()
    average = Average(networks, config["teacher"]["average"])
    optimiser = Optimiser(networks.named_parameters(), weight_decay=0.01)

    def step_of_phase(number, phase):
        trainer = Trainer(config, phase, networks, average, optimiser, Latents(out, phase["from"]), device)
        return lambda step: trainer.step(step, number)

    train(out, "teacher", networks, average, optimiser, config["teacher"]["phases"], step_of_phase)


def start_weights(networks):
    """Residual branches and the output start at zero, as usual for diffusion transformers."""
    with torch.no_grad():
        for block in networks.transformer.blocks:
            block.scale_shift_table.zero_()
            block.scale_shift_table[:, 2] = 0.1      # gates of self-attention and of the feed-forward part
            block.scale_shift_table[:, 5] = 0.1
            block.attn2.to_out[0].weight *= 0.3
        networks.transformer.condition_embedder.time_proj.weight.zero_()
        networks.transformer.proj_out.weight.zero_()
        networks.transformer.proj_out.bias.zero_()


class Trainer:
    """One phase: `step` does one update and returns its figures."""

    def __init__(self, config, phase, networks, average, optimiser, latents, device):
        self.config, self.phase, self.networks, self.average = config, phase, networks, average
        self.optimiser, self.latents, self.device = optimiser, latents, device
        self.chunk_frames = phase.get("frames", config["transformer"]["chunk_frames"])

    def step(self, step, number):
        settings, phase = self.config["teacher"], self.phase
        rate = learning_rate(step, phase["steps"], phase["rate"], settings["warm_up"], settings["final_rate"])
        generator = torch.Generator().manual_seed(self.config["seed"] * 10**9 + number * 10**7 + step)
        indices = torch.randint(len(self.latents), (phase["batch"],), generator=generator).tolist()
        clean, sentences, attributes = self.latents.batch(indices, self.chunk_frames, range(phase["chunks"]))
        drop = torch.rand(len(sentences), generator=generator) < settings["drop_text"]
        sentences = ["" if dropped else text for text, dropped in zip(sentences, drop)]
        error, naming = self.losses(clean, sentences, attributes, generator)
        loss = error + settings["naming_weight"] * naming
        self.optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.networks.parameters(), 1.0)
        self.optimiser.step(rate)
        self.average.update(self.networks)
        return {"loss": error.detach(), "naming": naming.detach(), "norm": norm}

    def losses(self, clean, sentences, attributes, generator):
        """(mean squared error of the flow, with more weight on objects; cross-entropy of the naming)."""
        phase = self.phase
        batch, chunks = clean.shape[:2]
        copies = phase["copies"]
        levels = draw_levels((batch, copies, chunks), phase.get("shift", self.config["schedule"]["shift"]), generator)
        noise = torch.randn(batch, copies, *clean.shape[1:], generator=generator)
        frames, visible, counted = timeline(chunks, self.chunk_frames, clean.shape[-1] // 2,
                                            phase.get("moved", 0.0), generator)
        clean, noise, levels = clean.to(self.device), noise.to(self.device), levels.to(self.device)
        level = levels[..., None, None, None, None]
        noisy = add_noise(clean[:, None], noise, level)
        x, times = noisy, 1000.0 * levels
        frames = [f.to(self.device) for f in frames]
        with torch.autocast(self.device.type, torch.bfloat16):
            text, words, ids = self.networks.context_and_states(sentences)
            if chunks > 1:
                history = history_of(clean, phase, self.networks.transformer, text, frames, visible, generator)
                x = torch.cat([history[:, None], noisy], dim=1)
                times = torch.cat([torch.zeros_like(times[:, :1]), times], dim=1)
            predicted, states = flow_and_states(self.networks.transformer, x, times, text, frames, visible,
                                                has_clean=chunks > 1)
        attributes = attributes.to(self.device)
        objects = (attributes[..., 0] >= 0).float()
        weight = object_weight(objects[:, None], level, self.config["teacher"]["object_weight"])
        error = (weight * (predicted.float() - (noise - clean[:, None])).square()).mean(dim=(0, 1, 3, 4, 5, 6))
        naming = (naming_loss(self.networks.naming(states.float()), attributes, self.networks.names)
                  + order_loss(self.networks.order(words.float()), ids, self.networks.vocabulary.id_of("and")))
        return error[counted].mean(), naming


@torch.no_grad()
def history_of(clean, phase, transformer, text, frames, visible, generator):
    """The chunks before, [B, K, F, 16, H, W], as generation will give them: never quite clean.

    In a share `own_history` of the batches they are the network's own guesses from noisy chunks, as the last of
    few steps makes them, so that it learns to go on from its mistakes and not to add to them (compare Guo et al.,
    "Resampling Forcing", 2025). `history_noise` adds normal noise, at most of this deviation.
    """
    history, lead = clean, (len(clean), 1, clean.shape[1])
    if torch.rand((), generator=generator) < phase.get("own_history", 0.0):
        levels = (OWN_LEVELS[0] + (OWN_LEVELS[1] - OWN_LEVELS[0]) * torch.rand(lead, generator=generator)).to(clean)
        noise = torch.randn(clean[:, None].shape, generator=generator).to(clean)
        level = levels[..., None, None, None, None]
        noisy = add_noise(clean[:, None], noise, level)
        guessed = flow(transformer, torch.cat([clean[:, None], noisy], dim=1),
                       torch.cat([torch.zeros_like(levels), 1000.0 * levels], dim=1), text, frames, visible)
        history = (noisy - level * guessed.float())[:, 0]
    if phase.get("history_noise"):
        spread = phase["history_noise"] * torch.rand(lead[0], 1, 1, 1, 1, 1, generator=generator)
        history = history + (spread * torch.randn(clean.shape, generator=generator)).to(clean)
    return history


def naming_loss(scores, attributes, names):
    """Cross-entropy of naming what is at a token (where objects are) and its row, column and frame.

    scores [B, C, K, tokens, sum(names)], attributes [B, K, F, 8, 8, 4]. To bind the words to the right tokens is what
    the squared error alone teaches last. And nothing tells a token its place: rotary positions are relative, so that
    in pure noise the network must learn to feel the picture's edges. A say in its middle speeds up both (compare
    Yu et al., "Representation alignment for generation", 2024).
    """
    sides = (attributes.shape[2], TOKEN_ROWS, TOKEN_ROWS)
    frame, row, column = torch.meshgrid(*(torch.arange(side, device=attributes.device) for side in sides),
                                        indexing="ij")
    place = torch.stack([row, column, frame], dim=-1).expand(*attributes.shape[:-1], -1)
    wanted = torch.cat([attributes, place], dim=-1).flatten(2, 4)[:, None].expand(*scores.shape[:-1], -1)
    parts = scores.split(names, dim=-1)
    return sum(F.cross_entropy(part.flatten(0, -2), wanted[..., number].flatten(), ignore_index=-1)
               for number, part in enumerate(parts))


def order_loss(scores, ids, conjunction):
    """Cross-entropy of saying whether a word stands before (0) or after (1) the conjunction; scores [B, rows, 2]."""
    wanted = ((ids == conjunction).cumsum(dim=1) > 0).long().masked_fill(ids == PAD, -1)
    return F.cross_entropy(scores.flatten(0, 1), wanted.flatten(), ignore_index=-1)


def object_weight(objects, level, extra):
    """Weights [B, C, K, F, 1, 16, 16] of the squared error: 1, and up to 1 + extra where objects are.

    An object covers a twentieth of the picture. The weight fades out towards pure noise: there the place of
    the object is open, and a weight that depends on it would teach to paint an object everywhere.
    """
    cells = objects.repeat_interleave(2, dim=-1).repeat_interleave(2, dim=-2)[..., None, :, :]
    return 1.0 + extra * (1.0 - level) * cells


def timeline(chunks, chunk_frames, side, moved, generator):
    """(frame numbers of each chunk, visible clean tokens of each chunk, chunks whose loss counts)."""
    frames = [torch.arange(chunk_frames) + chunk_frames * chunk for chunk in range(chunks)]
    if chunks < 3 or torch.rand((), generator=generator) >= moved:
        return frames, None, list(range(chunks))
    jump = int(torch.randint(chunk_frames, 9 * chunk_frames, (), generator=generator))
    frames = [frames[0]] + [f + jump for f in frames[1:]]
    visible = _window(chunks, chunk_frames, side)
    visible[1] = torch.arange(chunk_frames * side * side)
    return frames, visible, [2]


def window_timeline(numbers, chunk_frames, side):
    """As `timeline`, of chunk 0 and some later ones in a row, as a window of two chunks with a sink frame sees them.

    The first of the later ones lacks the chunk before it (but for chunk 1), so its loss does not count.
    """
    frames = [torch.arange(chunk_frames) + chunk_frames * number for number in numbers]
    visible = _window(len(numbers), chunk_frames, side)
    follows = numbers[1] == 1
    if follows:
        visible[1] = torch.arange(chunk_frames * side * side)    # the window is not full yet
    return frames, visible, [place for place in range(len(numbers)) if follows or place != 1]


def _window(chunks, chunk_frames, side):
    """The clean tokens that chunk 1 (the first frame) and all later ones (it and the chunk before) see."""
    first, chunk = torch.arange(side * side), torch.arange(chunk_frames * side * side)
    return [None, first] + [torch.cat([first, chunk + len(chunk) * before]) for before in range(1, chunks - 1)]
