#!/usr/bin/env python3
# Writes tests/golden/oracle: tiny checkpoints, and what diffusers computes from them.
"""Run:  python3 -m venv oracle && oracle/bin/pip install torch==2.15.0 diffusers==0.42.1 \\
              transformers==5.23.0 safetensors==0.8.0
      oracle/bin/python scripts/make_oracle_fixtures.py [FOLDER]

The committed files came from these versions (Python 3.11, CPU). Seeds are fixed; another version or
CPU may change the last bits of the outputs, far below the tolerance of the tests. What the files hold
is told by tests/golden/README.md.
"""
import collections
import json
import math
import shutil
import sys
from pathlib import Path

import diffusers
import numpy as np
import torch
import transformers
from diffusers import FlowMatchEulerDiscreteScheduler
from safetensors.torch import save_file

import oracle_models as oracle
from checkpoint_names import text_encoder_tensors, transformer_tensors, vae_tensors
from make_demo_tokenizer import write_demo_tokenizer

VERSIONS = {"torch": torch.__version__, "diffusers": diffusers.__version__,
            "transformers": transformers.__version__}


def normal(seed, *shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)


def relative(measured, expected):
    """Relative L2 distance."""
    return (torch.linalg.vector_norm(measured.double() - expected.double())
            / torch.linalg.vector_norm(expected.double())).item()


def save(path, tensors, **notes):
    """float64 results are rounded to float32 once, here."""
    narrow = {name: (t.float() if t.dtype == torch.float64 else t).contiguous()
              for name, t in tensors.items()}
    assert all(torch.isfinite(t).all() for t in narrow.values())
    # One entry: the library writes several in an order that changes from run to run.
    save_file(narrow, path, metadata={"made_by": json.dumps({**VERSIONS, **notes})})
    print(f"{path.name}: " + ", ".join(f"{n} {list(t.shape)}" for n, t in narrow.items()), notes)


def original_names(model, rows):
    """The state dictionary under the release's names; checks that the tables name every tensor."""
    state = dict(model.state_dict())
    state.pop("encoder.embed_tokens.weight", None)  # an alias of shared.weight
    table = {stored: (wan, shape) for wan, stored, shape in rows}
    assert set(table) == set(state), set(table) ^ set(state)
    for stored, (_, shape) in table.items():
        assert tuple(state[stored].shape) == tuple(shape), stored
    return collections.OrderedDict((table[stored][0], state[stored].clone()) for stored in table)


def rounded(model, make, rows):
    """The model with weights rounded to bfloat16, and those weights under original names."""
    copy = make()
    copy.load_state_dict({k: v.bfloat16().float() for k, v in model.state_dict().items()})
    copy.eval()
    names = original_names(copy, rows)
    return copy, collections.OrderedDict((k, v.bfloat16()) for k, v in names.items())


def write_sharded(folder, tensors):
    """Two shards with an index, as the 14B release is stored."""
    names, weight_map = sorted(tensors), {}
    for number, part in enumerate((names[:len(names) // 2], names[len(names) // 2:]), 1):
        file = f"diffusion_pytorch_model-{number:05d}-of-00002.safetensors"
        save_file({n: tensors[n].contiguous() for n in part}, folder / file)
        weight_map.update({n: file for n in part})
    total = sum(t.numel() * t.element_size() for t in tensors.values())
    (folder / "diffusion_pytorch_model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": total}, "weight_map": weight_map}, indent=1) + "\n")


def transformer_oracles(out, model, forced):
    """One chunk of three frames without history; the same for the Self-Forcing file's weights."""
    x, text = normal(11, 16, 3, 8, 12), normal(12, 9, 32)
    t = torch.tensor([937.5])
    padded = torch.cat([text, torch.zeros(oracle.TEXT_LENGTH - len(text), 32)])
    for file, network in (("transformer", model), ("self_forcing", forced)):
        double = oracle.doubled_transformer(network)
        with torch.no_grad():
            single = network(x[None], t, padded[None]).sample[0]
            with oracle.double_precision():
                flow = double(x.double()[None], t.double(), padded.double()[None]).sample[0]
        save(out / f"oracle_{file}.safetensors", {"x": x, "t": t, "text": text, "flow": flow},
             float32_run_differs_by=relative(single, flow))


def causal_oracles(out, model):
    """Six frames, teacher-forced: chunks of two, no window; chunks of one, window 4, sink 1."""
    clean, noisy, text = normal(21, 16, 6, 8, 12), normal(22, 16, 6, 8, 12), normal(23, 7, 32)
    padded = torch.cat([text, torch.zeros(oracle.TEXT_LENGTH - len(text), 32)])
    tensors = {"clean": clean, "noisy": noisy, "text": text}
    double = oracle.doubled_transformer(model)
    grids = {"unlimited": (2, -1, 0, [1000.0, 833.33331298828125, 625.0]),
             "windowed": (1, 4, 1, [1000.0, 937.5, 833.33331298828125, 625.0, 250.0, 937.5])}
    for case, (chunk_frames, window, sink, steps) in grids.items():
        t = torch.tensor(steps, dtype=torch.float32)
        per_frame = t.double().repeat_interleave(chunk_frames)
        tensors[f"{case}.t"] = t
        tensors[f"{case}.flow"] = oracle.causal_flow(
            double, clean.double(), noisy.double(), per_frame, padded.double(),
            chunk_frames, window, sink)
    # The first chunk has no history: the bidirectional model must say the same.
    with torch.no_grad(), oracle.double_precision():
        alone = double(noisy[None, :, :2].double(), torch.tensor([1000.0]).double(),
                       padded[None].double()).sample[0]
    assert relative(tensors["unlimited.flow"][:, :2], alone) < 1e-12
    # The masks differ, so must the results; else a test of the window could not fail.
    assert relative(tensors["windowed.flow"][:, 5], tensors["unlimited.flow"][:, 5]) > 1e-3
    save(out / "oracle_causal.safetensors", tensors)


def denormalised(vae, latents):
    """As the pipelines do before `decode`: latents · std + mean, channel by channel."""
    mean = torch.tensor(vae.config.latents_mean, dtype=latents.dtype)[:, None, None, None]
    std = torch.tensor(vae.config.latents_std, dtype=latents.dtype)[:, None, None, None]
    return latents * std + mean, lambda mu: (mu - mean) / std


def vae_oracles(out, file, vae, latents, video=None):
    single, _ = denormalised(vae, latents)
    with torch.no_grad():
        clamped = vae.decode(single[None]).sample[0]
        vae.double()
        z, normalise = denormalised(vae, latents.double())
        with oracle.double_precision(), oracle.without_clamp():
            frames = vae.decode(z[None]).sample[0]
        assert relative(clamped, frames.clamp(-1, 1)) < 1e-5 and frames.abs().max() > 1
        tensors = {"latents": latents, "frames": frames}
        notes = {"float32_run_differs_by": relative(clamped, frames.clamp(-1, 1)),
                 "share_clamped": (frames.abs() > 1).double().mean().item()}
        if video is not None:
            with oracle.double_precision():
                mu = normalise(vae.encode(video.double()[None]).latent_dist.mode()[0])
            tensors.update({"video": video, "encoded": mu})
        vae.float()
    save(out / f"oracle_{file}.safetensors", tensors, **notes)


def text_oracles(out, file, encoder, vocab):
    """Sequences of 1, 7, 30 and 200 tokens; the last reaches the farthest distance buckets."""
    generator = torch.Generator().manual_seed(41)
    tensors, notes = {}, {}
    for length in (1, 7, 30, 200):
        ids = torch.randint(3, vocab, (length,), generator=generator)
        ids[-1] = 1  # end of text
        with torch.no_grad():
            single = encoder(input_ids=ids[None]).last_hidden_state[0]
            encoder.double()
            with oracle.double_precision():
                hidden = encoder(input_ids=ids[None]).last_hidden_state[0]
            encoder.float()
        assert hidden.dtype == torch.float64
        # Float numbers hold these ids exactly, and every reader of weights reads them.
        tensors.update({f"ids_{length}": ids.float(), f"hidden_{length}": hidden})
        notes[f"float32_run_differs_by_{length}"] = relative(single, hidden)
    save(out / f"oracle_{file}.safetensors", tensors, **notes)


def schedule_oracles(out):
    """Shifted sigmas, float32: s_k = 1 - k/1000, sigma_k = shift s / (1 + (shift - 1) s)."""
    tensors = {}
    grid = np.linspace(1, 0, 1001, dtype=np.float32)[:-1]
    for shift in (5, 8):
        sigma = np.float32(shift) * grid / (np.float32(1) + np.float32(shift - 1) * grid)
        scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=float(shift))
        assert np.abs(scheduler.sigmas.numpy()[:1000] - sigma).max() < 2e-7
        tensors[f"sigma_shift{shift}"] = torch.from_numpy(sigma.copy())
    save(out / "oracle_schedule.safetensors", tensors)


def write_folders(out, transformer, vae, encoder, vocab):
    """tiny_diffusers as `save_pretrained` writes it; tiny_wan as the release is laid out."""
    ours = out / "tiny_diffusers"
    transformer.save_pretrained(ours / "transformer")
    vae.half().save_pretrained(ours / "vae")
    vae.float()
    encoder.save_pretrained(ours / "text_encoder")
    index = {"_class_name": "WanPipeline", "_diffusers_version": diffusers.__version__,
             "scheduler": ["diffusers", "UniPCMultistepScheduler"],
             "text_encoder": ["transformers", "UMT5EncoderModel"],
             "tokenizer": ["transformers", "T5TokenizerFast"],
             "transformer": ["diffusers", "WanTransformer3DModel"],
             "vae": ["diffusers", "AutoencoderKLWan"]}
    (ours / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")

    wan = out / "tiny_wan"
    (wan / "google/umt5-xxl").mkdir(parents=True)
    write_demo_tokenizer(wan / "google/umt5-xxl")
    config = {"_class_name": "WanModel", "_diffusers_version": "0.30.0", "dim": 48, "eps": 1e-06,
              "ffn_dim": 96, "freq_dim": 32, "in_dim": 16, "model_type": "t2v", "num_heads": 2,
              "num_layers": 2, "out_dim": 16, "text_len": 512}
    (wan / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    rows = transformer_tensors(48, 96, 2, 32, freq_dim=32)
    write_sharded(wan, original_names(transformer, rows))
    forced = oracle.randomize(oracle.tiny_transformer(), seed=4, dtype=torch.bfloat16)
    torch.save({"generator_ema": collections.OrderedDict(
        ("model." + name, t.bfloat16()) for name, t in original_names(forced, rows).items())},
        wan / "self_forcing.pt")
    vae16, names = rounded(vae, oracle.tiny_vae, vae_tensors(4))
    torch.save(names, wan / "Wan2.1_VAE.pth")
    encoder16, names = rounded(encoder, lambda: oracle.tiny_text_encoder(vocab),
                               text_encoder_tensors(vocab, 32, 4, 8, 64, 2))
    torch.save(names, wan / "models_t5_umt5-xxl-enc-bf16.pth")
    return forced, vae16, encoder16


def main():
    default = Path(__file__).resolve().parents[1] / "tests/golden/oracle"
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    if out.exists():
        shutil.rmtree(out)
    (out / "tiny_diffusers/tokenizer").mkdir(parents=True)
    torch.manual_seed(0)
    torch.set_num_threads(1)
    vocab = write_demo_tokenizer(out / "tiny_diffusers/tokenizer")
    transformer = oracle.randomize(oracle.tiny_transformer(), seed=1)
    # The VAE is stored as float16: half the size.
    vae = oracle.randomize(oracle.tiny_vae(), seed=2, dtype=torch.float16)
    encoder = oracle.randomize(oracle.tiny_text_encoder(vocab), seed=3)
    forced, vae16, encoder16 = write_folders(out, transformer, vae, encoder, vocab)
    transformer_oracles(out, transformer, forced)
    causal_oracles(out, transformer)
    latents, video = normal(31, 16, 5, 3, 2), normal(32, 3, 9, 24, 16).clamp(-2, 2) / 2
    vae_oracles(out, "vae", vae, latents, video)
    vae_oracles(out, "vae_wan", vae16, normal(33, 16, 2, 3, 2))
    text_oracles(out, "text", encoder, vocab)
    text_oracles(out, "text_wan", encoder16, vocab)
    schedule_oracles(out)
    files = [path for path in out.rglob("*") if path.is_file()]
    for path in files:
        path.chmod(0o644)
    print(f"{sum(path.stat().st_size for path in files) / 1e6:.2f} MB in {out}")


if __name__ == "__main__":
    main()
