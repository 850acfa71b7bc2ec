"""Step 3: the many-step causal model, by flow matching with clean history ("teacher forcing").

Writes teacher.pt and log_teacher.jsonl. First on single pictures (words for colours, shapes and places),
then on opening chunks, then on whole clips, where every noisy chunk sees the clean chunks before it. In a
part of the batches the later chunks are moved on in time and see only the first frame and the chunk before:
so the model learns what a rolling window looks like, though no clip is longer than three chunks.
"""
import torch

from .latents import Latents
from .networks import Average, Networks
from .schedule import add_noise, draw_levels
from .text import write_vocabulary
from .training import Optimiser, learning_rate, set_up, train
from .transformer import compile_blocks, flow


def train_teacher(config, out):
    """Trains, or goes on from the last checkpoint in `out`."""
    device = set_up(config["seed"])
    if not (out / "spiece.model").exists():
        write_vocabulary(config["text"], out / "spiece.model")
    networks = Networks(config, out / "spiece.model").to(device)
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
        clean, sentences, objects = self.latents.batch(indices, self.chunk_frames, phase["chunks"])
        drop = torch.rand(len(sentences), generator=generator) < settings["drop_text"]
        sentences = ["" if dropped else text for text, dropped in zip(sentences, drop)]
        loss = self.loss(clean, sentences, objects, generator)
        self.optimiser.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.networks.parameters(), 1.0)
        self.optimiser.step(rate)
        self.average.update(self.networks)
        return {"loss": loss.detach(), "norm": norm}

    def loss(self, clean, sentences, objects, generator):
        """Mean squared error of the flow, with more weight on objects."""
        phase = self.phase
        batch, chunks = clean.shape[:2]
        copies = phase["copies"]
        levels = draw_levels((batch, copies, chunks), self.config["schedule"]["shift"], generator)
        noise = torch.randn(batch, copies, *clean.shape[1:], generator=generator)
        frames, visible, counted = timeline(chunks, self.chunk_frames, clean.shape[-1] // 2,
                                            phase.get("moved", 0.0), generator)
        clean, noise, levels = clean.to(self.device), noise.to(self.device), levels.to(self.device)
        level = levels[..., None, None, None, None]
        noisy = add_noise(clean[:, None], noise, level)
        x, times = noisy, 1000.0 * levels
        if chunks > 1:
            x = torch.cat([clean[:, None], noisy], dim=1)
            times = torch.cat([torch.zeros_like(times[:, :1]), times], dim=1)
        with torch.autocast(self.device.type, torch.bfloat16):
            text = self.networks.context(sentences)
            predicted = flow(self.networks.transformer, x, times, text,
                             [f.to(self.device) for f in frames], visible, has_clean=chunks > 1)
        weight = object_weight(objects.to(self.device)[:, None], level, self.config["teacher"]["object_weight"])
        error = (weight * (predicted.float() - (noise - clean[:, None])).square()).mean(dim=(0, 1, 3, 4, 5, 6))
        return error[counted].mean()


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
    tokens = side * side
    first, chunk = torch.arange(tokens), torch.arange(chunk_frames * tokens)
    visible = [None, chunk, torch.cat([first, chunk + chunk_frames * tokens])]
    return frames, visible, [2]
