"""Generation in PyTorch, chunk by chunk with kept keys and values: the twin of the program's rollout.

Latents are normalised, [B, frames, 16, H, W]. `noise(purpose, chunk, step)` gives the standard normal
numbers of one chunk, [B, F, 16, H, W]; purposes are "initial" and "renoise".
"""
import torch

from .schedule import add_noise, few_steps, shifted
from .transformer import (_modulation, _projected, attention, block_end, block_start, head, patches,
                          rotation)


class History:
    """Keys and values of the clean chunks before, per layer, within a window of latent frames.

    window counts the frames a chunk sees, its own included (-1: all); the first `sink` frames stay.
    """

    def __init__(self, layers, tokens_per_frame, window=-1, sink=0):
        self.keys, self.values = [None] * layers, [None] * layers
        self.tokens, self.window, self.sink = tokens_per_frame, window, sink

    def roll(self, incoming):
        """Forgets what a chunk of `incoming` frames will not see."""
        if self.window < 0 or self.keys[0] is None:
            return
        held = self.keys[0].shape[2] // self.tokens
        surplus = held + incoming - self.window
        if surplus <= 0:
            return
        first, last = self.sink * self.tokens, (self.sink + surplus) * self.tokens
        for kept in (self.keys, self.values):
            for layer, x in enumerate(kept):
                kept[layer] = torch.cat([x[:, :, :first], x[:, :, last:]], dim=2)

    def with_own(self, layer, k, v):
        if self.keys[layer] is None:
            return k, v
        return torch.cat([self.keys[layer], k], dim=2), torch.cat([self.values[layer], v], dim=2)

    def keep(self, layer, k, v):
        self.keys[layer], self.values[layer] = self.with_own(layer, k, v)


def chunk_flow(model, x, timestep, text, history, first_frame, keep=False):
    """Flow of one chunk [B, F, 16, H, W] at one timestep (0..1000); `keep` adds it to the history."""
    batch, frames, _, height, width = x.shape
    rows, columns = height // 2, width // 2
    table = rotation(model, torch.arange(first_frame, first_frame + frames, device=x.device), rows, columns)
    times = torch.full((batch,), float(timestep), device=x.device)
    embedding, projected = _modulation(model, times)
    x = patches(model, x).float()
    for layer, block in enumerate(model.blocks):
        six = _projected(block, projected)
        q, k, v = block_start(block, x, six, table)
        keys, values = history.with_own(layer, k, v)
        if keep:
            history.keep(layer, k, v)
        x = block_end(block, x, attention(q, keys, values), six, text.keys[layer],
                      text.values[layer], text.bias)
    return head(model, x, embedding, frames, rows, columns)


def generate(networks, config, sentences, chunks, noise, sampler, window=-1, sink=0):
    """Latents of one video for each sentence. `sampler(flow, chunk, noise) → clean chunk`."""
    model, chunk_frames = networks.transformer, config["transformer"]["chunk_frames"]
    context = networks.context(sentences)
    empty = networks.context([""] * len(sentences)) if sampler.guided else None
    first = noise("initial", 0, 0)
    tokens = first.shape[-2] * first.shape[-1] // 4
    histories = [History(len(model.blocks), tokens, window, sink) for _ in range(2 if sampler.guided else 1)]
    video = []
    for chunk in range(chunks):
        start = chunk * chunk_frames
        for history in histories:
            history.roll(chunk_frames)

        def flow(x, level):
            told = chunk_flow(model, x, 1000.0 * level, context, histories[0], start).float()
            if not sampler.guided:
                return told
            free = chunk_flow(model, x, 1000.0 * level, empty, histories[1], start).float()
            return free + sampler.guidance * (told - free)

        clean = sampler(flow, chunk, noise)
        for history, text in zip(histories, (context, empty)):
            chunk_flow(model, clean, 0.0, text, history, start, keep=True)
        video.append(clean)
    return torch.cat(video, dim=1)


class FewSteps:
    """The program's sampler: after every step but the last, fresh noise at the next level."""
    guided = False

    def __init__(self, schedule):
        self.levels = few_steps(schedule["steps"], schedule["shift"])

    def __call__(self, flow, chunk, noise):
        x = noise("initial", chunk, 0)
        for step, level in enumerate(self.levels):
            clean = x - level * flow(x, level)
            if step + 1 < len(self.levels):
                x = add_noise(clean, noise("renoise", chunk, step + 1), self.levels[step + 1])
        return clean


class ManySteps:
    """Euler steps along the flow, with classifier-free guidance (1: none)."""

    def __init__(self, schedule, steps, guidance):
        self.levels = [shifted(1.0 - step / steps, schedule["shift"]) for step in range(steps + 1)]
        self.guidance, self.guided = guidance, guidance != 1.0

    def __call__(self, flow, chunk, noise):
        x = noise("initial", chunk, 0)
        for level, following in zip(self.levels, self.levels[1:]):
            x = x + (following - level) * flow(x, level)
        return x


def random_noise(seed, shape, device):
    """A noise source of PyTorch's generator; the program's own is in program_noise.py."""
    def noise(purpose, chunk, step):
        key = (seed * 2 + (purpose == "renoise")) * 10**6 + chunk * 100 + step
        return torch.randn(shape, generator=torch.Generator().manual_seed(key)).to(device)
    return noise
