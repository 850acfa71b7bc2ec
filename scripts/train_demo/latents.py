"""Step 2: the training set as latents. Writes clips.npy [N, 9, 16, 16, 16], long.npy [L, 27, 16, 16, 16],
pictures.npy [M, 1, 16, 16, 16] (f16, raw) and latents.json. Pictures are first frames alone and cost next to
nothing; long clips show what scenes look like when a rolling window has left their beginning behind."""
import json

import numpy as np
import torch

from . import vae as network
from .prompts import training_example
from .training import Log, load_checkpoint, set_up
from .world import attribute_map, render

SIDE = 16                # of a latent frame
TOKEN_ROWS = SIDE // 2   # and columns
PIXEL_FRAMES = 33        # of a clip: 9 latent frames
LONG_FRAMES = 105        # of a long one: 27 latent frames, three times as many
FIRST_SEEDS = {"clips": 0, "pictures": 2**32, "long": 2**33}    # each kind shows scenes of its own
PIECE = 512              # examples between two checkpoints


def load_vae(config, out):
    """The trained VAE, or a clear end."""
    done = load_checkpoint(out / "vae.pt")
    phases = config["vae"]["phases"]
    encoder_phases = sum(not phase.get("decoder_only", False) for phase in phases)
    if not done or done["phase"] < encoder_phases:
        raise SystemExit(f"{out / 'vae.pt'}: no finished VAE; run the step 'vae' first")
    model = network.make_vae(config["vae"])
    model.load_state_dict(done["model"])
    return model.eval()


def clip_tensor(clips):
    """uint8 [B, F, H, W, 3] → float32 [B, 3, F, H, W] in [-1, 1]."""
    return torch.from_numpy(clips).permute(0, 4, 1, 2, 3).float() / 127.5 - 1.0


def write_latents(config, out):
    """Encodes N clips of the world, the first frames of M others and L long ones; goes on where it was stopped."""
    device = set_up(config["seed"])
    model = load_vae(config, out).to(device)
    log = Log(out / "log_latents.jsonl", every=32)
    settings = config["latents"]
    batch = settings["batch"]

    def encode(kind, frames, batch):
        return _encode_all(model, out / f"{kind}.npy", settings[kind], FIRST_SEEDS[kind], frames, batch, log, device)

    encode("pictures", 1, 64)
    table = encode("clips", PIXEL_FRAMES, batch)
    encode("long", LONG_FRAMES, max(1, batch // 4))
    sample = np.asarray(table[:2048], np.float64)
    # A channel that the VAE left unused would be blown up to noise by its own tiny deviation.
    deviation = np.maximum(sample.std(axis=(0, 1, 3, 4)), 0.2)
    notes = {"mean": sample.mean(axis=(0, 1, 3, 4)).tolist(), "std": deviation.tolist()}
    (out / "latents.json").write_text(json.dumps(notes))


def _encode_all(model, path, count, first_seed, frames, batch, log, device):
    """The latents of `count` examples, [count, latent frames, 16, 16, 16], in a file that grows in steps."""
    parts, done = [], 0
    if path.exists():
        parts.append(np.load(path))
        done = len(parts[0])
    for old in sorted(path.parent.glob(f"{path.stem}.*.npy")):
        parts.append(np.load(old))
        done += len(parts[-1])
    while done < count:
        piece, end = [], min(done + PIECE, count)
        for number, start in enumerate(range(done, end, batch)):
            stop = min(start + batch, end)
            clips = np.stack([render(training_example(first_seed + i)[1], frames) for i in range(start, stop)])
            with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
                mean, _ = network.encode(model, clip_tensor(clips).to(device))
            piece.append(mean.transpose(1, 2).float().cpu().numpy().astype(np.float16))
            log.add(number, {"examples": stop - start}, file=path.name)
        np.save(path.with_name(f"{path.stem}.{done:06d}.npy"), np.concatenate(piece))
        parts.append(np.concatenate(piece))
        done += len(parts[-1])
    np.save(path, np.concatenate(parts)[:count])
    for old in path.parent.glob(f"{path.stem}.*.npy"):
        old.unlink()
    return np.load(path, mmap_mode="r")


class Latents:
    """The normalised training set; `batch(indices, …)` → (float32 [B, K chunks, F frames, 16, 16, 16],
    sentences, the attribute map at the tokens, int64 [B, K, F, 8, 8, 4]); `chunks` are the K chunks' numbers."""

    def __init__(self, out, kind="clips"):
        try:
            notes = json.loads((out / "latents.json").read_text())
            self.table = np.load(out / f"{kind}.npy", mmap_mode="r")
        except FileNotFoundError as error:
            raise SystemExit(f"{error.filename}: not there; run the step 'latents' first") from error
        self.first_seed = FIRST_SEEDS[kind]
        self.mean = torch.tensor(notes["mean"]).view(16, 1, 1)
        self.std = torch.tensor(notes["std"]).view(16, 1, 1)

    def __len__(self):
        return len(self.table)

    def batch(self, indices, chunk_frames, chunks):
        frames = [chunk * chunk_frames + frame for chunk in chunks for frame in range(chunk_frames)]
        raw = torch.from_numpy(np.stack([self.table[i][frames] for i in indices]).astype(np.float32))
        examples = [training_example(self.first_seed + i) for i in indices]
        maps = np.stack([attribute_map(scene, [4 * f for f in frames], TOKEN_ROWS) for _, scene in examples])
        return (((raw - self.mean) / self.std).unflatten(1, (-1, chunk_frames)),
                [sentence for sentence, _ in examples],
                torch.from_numpy(maps).unflatten(1, (-1, chunk_frames)))
