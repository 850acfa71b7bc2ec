"""Generates videos with the PyTorch pipeline, judges them as judge_demo.py does, and prints the table.

The noise is the program's own, so that its videos of the same prompts and seed can be laid beside these.
`--vae` measures the VAE's reconstruction instead.
"""
import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from . import vae as network
from .export import load_exported
from .generate import FewSteps, ManySteps, generate
from .latents import PIXEL_FRAMES, SIDE, clip_tensor, load_vae
from .networks import load_networks
from .program_noise import program_noise, sample_ids, sample_numbers
from .prompts import draw_words
from .training import set_up
from .world import fill_scene, render

PROMPTS = Path(__file__).resolve().parents[2] / "configs/prompts/held_out.txt"
LIST = "videos.jsonl"
HELD_OUT_SCENES = 2027   # seed of the clips on which the VAE is measured


def main(config, out, arguments):
    """The step `evaluate` of the command line."""
    options = read_options(config, out, arguments)
    device = set_up(config["seed"])
    networks, vae, mean, deviation = load(config, out, options)
    if options.vae:
        return _tell(reconstruction_psnr(vae.to(device), options.count or 32, device), options)
    prompts = read_prompts(options.prompts)
    sampler = (FewSteps(config["schedule"]) if options.sampler == "few"
               else ManySteps(config["schedule"], options.steps, options.guidance))
    if options.keep:
        (options.keep / LIST).unlink(missing_ok=True)
    results, start = [], time.monotonic()
    videos = make_videos(networks.to(device), config, prompts, sampler, options, device)
    for number, (prompt, name, latents) in enumerate(videos):
        clip = decode_clip(vae.to(device), latents * deviation.to(device) + mean.to(device))
        if options.keep:
            _keep(options.keep, name, prompt, latents, clip)
        results.append(_judged(clip, prompt, name, options.beyond))
        print(f"{'right' if results[-1]['all'] else 'WRONG'}  {prompt!r} "
              f"({(time.monotonic() - start) / (number + 1):.2f} s each)", flush=True)
    return _report(results, options)


def read_options(config, out, arguments):
    parser = argparse.ArgumentParser(prog="train_demo evaluate", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model", choices=("student", "teacher"), default="student", help="sets the next two (%(default)s)")
    add("--checkpoint", metavar="NAME", help="NAME.pt in --out (the model's name)")
    add("--sampler", choices=("few", "many"), help="the schedule's steps, or --steps with guidance")
    add("--folder", type=Path, help="an exported checkpoint, in place of what lies in --out")
    add("--steps", type=int, default=32, metavar="N", help="of the sampler 'many' (%(default)s)")
    add("--guidance", type=float, default=config.get("student", {}).get("guidance", 1.0), metavar="W",
        help="of the sampler 'many'; 1: none (%(default)s)")
    add("--prompts", type=Path, default=PROMPTS, metavar="FILE", help="one a line (the held-out ones)")
    add("--count", type=int, metavar="N", help="the first N prompts (all); with --vae: clips (32)")
    add("--seed", type=int, default=0, metavar="N", help="of the noise (%(default)s)")
    add("--chunks", type=int, default=3, metavar="N", help="length of a video (%(default)s)")
    add("--window", type=int, default=-1, metavar="N", help="latent frames that attention sees; -1: all")
    add("--sink", type=int, default=0, metavar="N", help="first latent frames that a window keeps")
    add("--beyond", type=int, metavar="FRAME", help="judge only what comes after this frame")
    add("--batch", type=int, default=8, metavar="N", help="videos made together (%(default)s)")
    add("--bf16", action="store_true", help="networks in bf16: faster, further from the program's fp32")
    add("--keep", type=Path, metavar="FOLDER", help="keeps latents (.npz) and clips (.npy) and their list")
    add("--json", type=Path, metavar="FILE", help="verdicts (evaluation_*.json in --out)")
    add("--vae", action="store_true", help="the VAE's reconstruction of held-out clips")
    options = parser.parse_args(arguments)
    for name in ("steps", "count", "chunks", "batch"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            parser.error(f"--{name} is {getattr(options, name)}; at least 1")
    options.sampler = options.sampler or {"student": "few", "teacher": "many"}[options.model]
    options.checkpoint = options.checkpoint or options.model
    if not options.json:
        what = "vae" if options.vae else f"{options.checkpoint}_{options.sampler}_{options.chunks}_{options.seed}"
        options.json = out / f"evaluation_{what}.json"
    return options


def load(config, out, options):
    """(networks, VAE, mean, deviation): of an exported folder, or of the training's own files."""
    if options.folder:
        return load_exported(options.folder)
    if options.vae:
        return None, load_vae(config, out), None, None
    notes = json.loads((out / "latents.json").read_text(encoding="utf-8"))
    mean, deviation = (torch.tensor(notes[key]).view(-1, 1, 1) for key in ("mean", "std"))
    return load_networks(config, out, options.checkpoint), load_vae(config, out), mean, deviation


def read_prompts(path):
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise SystemExit(f"{path}: {error.strerror}; give a text file with a prompt a line") from error
    prompts = [line.strip() for line in lines if line.strip()]
    if not prompts:
        raise SystemExit(f"{path}: no prompts in it; write one a line")
    return prompts


@torch.inference_mode()
def make_videos(networks, config, prompts, sampler, options, device):
    """Yields (prompt, the program's id, normalised latents [frames, 16, H, W]), batch by batch."""
    names, numbers = sample_ids(prompts), sample_numbers(prompts)
    frames = config["transformer"]["chunk_frames"]
    count = min(options.count or len(prompts), len(prompts))
    for start in range(0, count, options.batch):
        chosen = slice(start, min(start + options.batch, count))
        shape = (len(prompts[chosen]), frames, 16, SIDE, SIDE)
        noise = program_noise(options.seed, numbers[chosen], shape, device)
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=options.bf16):
            videos = generate(networks, config, prompts[chosen], options.chunks, noise, sampler, options.window,
                              options.sink)
        yield from zip(prompts[chosen], names[chosen], videos.float())


@torch.inference_mode()
def decode_clip(vae, latents):
    """uint8 [F, H, W, 3] of one video's raw latents [frames, 16, H, W]."""
    with torch.autocast(latents.device.type, torch.bfloat16):
        video = network.decode(vae, latents.transpose(0, 1)[None])[0]
    return to_bytes(video)


def to_bytes(video, rounded=False):
    """[3, F, H, W] in [-1, 1] → uint8 [F, H, W, 3]; cut off as the published pipeline and the program do."""
    levels = (video.float().clamp(-1.0, 1.0) * 0.5 + 0.5) * 255.0
    levels = levels.round() if rounded else levels
    return levels.to(torch.uint8).permute(1, 2, 3, 0).cpu().numpy()


@torch.inference_mode()
def reconstruction_psnr(vae, count, device="cpu", frames=PIXEL_FRAMES):
    """{"clips", "mean", "worst"} in dB: whole clips through encoder and decoder, against the 8-bit original."""
    figures = []
    for number in range(count):
        generator = np.random.Generator(np.random.Philox(key=[HELD_OUT_SCENES, number]))
        clip = render(fill_scene(generator, *draw_words(generator, held_out=True)), frames)
        mean, _ = network.encode(vae, clip_tensor(clip[None]).to(device))
        decoded = to_bytes(network.decode(vae, mean)[0], rounded=True)
        square = np.mean((decoded.astype(np.float64) - clip) ** 2)
        figures.append(10.0 * np.log10(255.0**2 / max(square, 1e-9)))
    return {"clips": count, "mean": float(np.mean(figures)), "worst": float(np.min(figures))}


def _judged(clip, prompt, name, beyond):
    from judge_demo import judge_clip   # needs scipy; `--vae` and the import of this module do not
    return {"id": name, "prompt": prompt, **judge_clip(clip, prompt, beyond), "problem": ""}


def _report(results, options):
    from judging import tally
    print("\n" + tally.table(results, options.beyond))
    shown = {key: str(value) if isinstance(value, Path) else value for key, value in vars(options).items()}
    _write_json(options.json, {"options": shown, "summary": tally.summary(results), "videos": results})


def _tell(figures, options):
    print(f"reconstruction of {figures['clips']} held-out clips: PSNR {figures['mean']:.2f} dB on average, "
          f"{figures['worst']:.2f} dB at worst")
    _write_json(options.json, figures)


def _write_json(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path}")


def _keep(folder, name, prompt, latents, clip):
    """The list is one that judge_demo.py --videos reads."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / f"{name}.npz", latents=latents.cpu().numpy(), prompt=prompt)
    np.save(folder / f"{name}.npy", clip)
    with open(folder / LIST, "a", encoding="utf-8") as file:
        file.write(json.dumps({"id": name, "video": f"{name}.npy", "prompt": prompt}) + "\n")
