"""Step 1: the VAE, on pictures, then short clips, then whole ones. Writes vae.pt and log_vae.jsonl."""
import time

import numpy as np
import torch
import torch.nn.functional as F

from . import training
from . import vae as network
from .prompts import training_example
from .training import Log, learning_rate, load_checkpoint, save_checkpoint, set_rate, set_up
from .world import SIZE, render

CLIP_FRAMES = 33


def train_vae(config, out):
    """Trains, or goes on from the last checkpoint in `out`."""
    device = set_up(config["seed"])
    settings = config["vae"]
    model = network.make_vae(settings)
    network.start_as_pyramid(model)
    model.to(device)
    done = load_checkpoint(out / "vae.pt")
    first_phase, first_step = 0, 0
    if done:
        model.load_state_dict(done["model"])
        first_phase, first_step = done["phase"], done["step"]
    log = Log(out / "log_vae.jsonl", every=25)
    for number, phase in enumerate(settings["phases"]):
        if number < first_phase:
            continue
        # Latents stay as they are once the transformer has learnt them: the last phases leave the encoder.
        for part in (model.encoder, model.quant_conv):
            part.requires_grad_(not phase.get("decoder_only", False))
        trained = [p for p in model.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(trained, betas=(0.9, 0.98), weight_decay=0.0)
        start = first_step if number == first_phase else 0
        if start and done["optimiser"]:
            optimiser.load_state_dict(done["optimiser"])
        _train_phase(model, optimiser, settings, phase, number, start, config["seed"], log, out, device)
    save_checkpoint(out / "vae.pt", model=model.state_dict(), phase=len(settings["phases"]), step=0,
                    optimiser=None)


def _train_phase(model, optimiser, settings, phase, number, start, seed, log, out, device):
    saved = time.monotonic()
    for step in range(start, phase["steps"]):
        set_rate(optimiser, learning_rate(step, phase["steps"], phase["rate"], settings["warm_up"],
                                          settings["final_rate"]))
        clips = batch(seed, number, step, phase).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            mean, log_variance = network.encode(model, clips)
        mean, log_variance = mean.float(), log_variance.float().clamp(-20.0, 10.0)
        latents = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        with torch.autocast(device.type, torch.bfloat16):
            decoded = network.decode(model, latents)
        error = decoded.float() - clips
        weight = 1.0 + phase.get("edge_weight", 0.0) * edges(clips)
        absolute, square = (weight * error.abs()).mean(), (weight * error.square()).mean()
        divergence = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).mean()
        loss = (absolute + settings["square_weight"] * square + settings["kl_weight"] * divergence)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        # The range is 2, so its square over the mean squared error is the PSNR.
        log.add(step, {"loss": loss.detach(), "psnr": 10.0 * torch.log10(4.0 / error.detach().square().mean()),
                       "kl": divergence.detach()}, phase=phase["name"])
        if time.monotonic() - saved > training.SAVE_SECONDS:
            saved = time.monotonic()
            save_checkpoint(out / "vae.pt", model=model.state_dict(), phase=number, step=step + 1,
                            optimiser=optimiser.state_dict())


def edges(clips):
    """1 within 3 pixels of an outline, else 0: [B, 1, F, H, W]. Corners and notches are few pixels, but they
    are what tells a diamond from a circle."""
    low = F.max_pool3d(-clips, (1, 7, 7), stride=1, padding=(0, 3, 3))
    high = F.max_pool3d(clips, (1, 7, 7), stride=1, padding=(0, 3, 3))
    return ((high + low).amax(dim=1, keepdim=True) > 0.2).float()


def batch(seed, phase_number, step, phase):
    """float32 [B, 3, frames, crop, crop] in [-1, 1]; crops hold at least a part of an object."""
    clips = []
    for index in range(phase["batch"]):
        generator = np.random.Generator(np.random.Philox(key=[seed * 16 + phase_number,
                                                              step * phase["batch"] + index]))
        _, scene = training_example(int(generator.integers(2**62)))
        first = int(generator.integers(0, CLIP_FRAMES - phase["frames"] + 1))
        clip = render(scene, phase["frames"], first)
        left, top = _corner(generator, scene, first, phase["crop"])
        clips.append(clip[:, top:top + phase["crop"], left:left + phase["crop"]])
    return torch.from_numpy(np.stack(clips)).permute(0, 4, 1, 2, 3).float() / 127.5 - 1.0


def _corner(generator, scene, frame, crop):
    if crop == SIZE:
        return 0, 0
    thing = scene.things[generator.integers(len(scene.things))]
    x, y, _ = thing.at(frame / 16.0)
    corner = np.array([x, y]) - crop / 2 + generator.uniform(-0.4, 0.4, 2) * crop
    return (int(v) for v in np.clip(corner, 0, SIZE - crop))
