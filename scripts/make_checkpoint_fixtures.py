# Writes tests/checkpoint/fixtures with the libraries that publish checkpoints.
"""Small checkpoint files made by safetensors, torch.save, diffusers and transformers.

Run: python3 scripts/make_checkpoint_fixtures.py [FOLDER]
Needs: pip install torch safetensors diffusers transformers
Every element of a tensor follows from its index i and a number k of the tensor (`numbers`), so that
the C++ tests know the values without recording any. All values are exact in f32, f16 and bf16.
The files come out the same each time, save old_format.pt, which holds memory addresses.
"""
import os
import sys
from collections import OrderedDict
from pathlib import Path

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from diffusers.loaders.single_file_utils import (
    convert_wan_transformer_to_diffusers,
    convert_wan_vae_to_diffusers,
)
from huggingface_hub import save_torch_state_dict
from safetensors.torch import save_file
from transformers import UMT5Config, UMT5EncoderModel


def numbers(shape, k, dtype=torch.float32):
    """Element i (row-major) is ((7 i + k) mod 23 - 11) / 8."""
    count = torch.Size(shape).numel()
    index = torch.arange(count, dtype=torch.float64)
    return (((7 * index + k) % 23 - 11) / 8).to(dtype).reshape(shape)


def write_safetensors(folder):
    save_file(
        {
            "f32": numbers([2, 3], 0),
            "f16": numbers([5], 1, torch.float16),
            "bf16": numbers([3, 1, 2], 2, torch.bfloat16),
            "scalar": numbers([], 3),
            "empty": torch.zeros(0, 4),
            "i64": torch.tensor([1, -2, 3]),
            "i32": torch.tensor([7], dtype=torch.int32),
            "f64": torch.tensor([0.5], dtype=torch.float64),
            "u8": torch.tensor([255, 0], dtype=torch.uint8),
            "bool": torch.tensor([True, False]),
        },
        folder / "types.safetensors",
        metadata={"format": "pt"},
    )
    # Prefixes as repackaged single files carry them.
    save_file(
        {f"model.diffusion_model.part{k}.weight": numbers([2, 2], k) for k in range(3)},
        folder / "repackaged.safetensors",
    )
    sharded = folder / "sharded"
    sharded.mkdir(exist_ok=True)
    state = {f"layer{k}.weight": numbers([4, 4], k) for k in range(6)}
    save_torch_state_dict(
        state, sharded, filename_pattern="model{suffix}.safetensors", max_shard_size=150)


def write_torch_files(folder):
    weights = OrderedDict((f"model.blocks.{k}.weight", numbers([2, 3], k)) for k in range(3))
    averaged = OrderedDict((name, value + 1) for name, value in weights.items())
    torch.save(
        {
            "generator": weights,
            "generator_ema": averaged,
            "critic": {"model.head.weight": numbers([2], 9)},
            "step": 70000,
            "seed": 2**70,
            "negative": -(2**40),
            "learning_rate": 1.5e-6,
            "note": "weights of a student: größer",
            "flags": [True, False, None, (), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4), [], {}],
        },
        folder / "self_forcing.pt",
    )
    torch.save({"generator_ema": {}, "generator": weights, "step": 1}, folder / "student_only.pt")
    torch.save({"critic": weights, "step": 1}, folder / "critic_only.pt")

    module = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2)).to(torch.bfloat16)
    with torch.no_grad():
        for k, parameter in enumerate(module.parameters()):
            parameter.copy_(numbers(parameter.shape, k))
    torch.save(module.state_dict(), folder / "module.pth")

    tagged = numbers([2, 2], 1)
    tagged.note = "an attribute makes torch write _rebuild_from_type_v2"
    torch.save(
        {
            "model": {
                "model._fsdp_wrapped_module.parameter": torch.nn.Parameter(numbers([2, 2], 0)),
                "model._fsdp_wrapped_module.tagged": tagged,
                "model._fsdp_wrapped_module.step": 3,
            }
        },
        folder / "parameters.pt",
    )

    base = numbers([4, 5], 0)
    half = numbers([4, 5], 1, torch.float16)
    torch.save(
        {
            "whole": base,
            "transposed": base.T,
            "rows": base[1:],
            "columns": base[:, 1:3],
            "every_second": base[::2, ::2],
            "element": base[2, 3],
            "nothing": base[:0],
            "half_transposed": half.T,
            "cube": base.reshape(2, 2, 5).permute(2, 0, 1),
            "long_axis_of_one": base[:, :1].T,
        },
        folder / "views.pt",
    )
    torch.save({"expanded": numbers([1, 5], 0).expand(6, 5)}, folder / "expanded.pt")
    torch.save({"weight": numbers([2], 0)}, folder / "old_format.pt",
               _use_new_zipfile_serialization=False)
    torch.save(numbers([2], 0), folder / "bare_tensor.pt")


def original_transformer_names(layers):
    names = []
    for part in ["patch_embedding", "text_embedding.0", "text_embedding.2", "time_embedding.0",
                 "time_embedding.2", "time_projection.1", "head.head"]:
        names += [f"{part}.weight", f"{part}.bias"]
    names.append("head.modulation")
    for i in range(layers):
        names.append(f"blocks.{i}.modulation")
        for attention in ["self_attn", "cross_attn"]:
            for part in "qkvo":
                prefix = f"blocks.{i}.{attention}.{part}"
                names += [f"{prefix}.weight", f"{prefix}.bias"]
            names += [f"blocks.{i}.{attention}.norm_{part}.weight" for part in "qk"]
        for part in ["norm3", "ffn.0", "ffn.2"]:
            names += [f"blocks.{i}.{part}.weight", f"blocks.{i}.{part}.bias"]
    return names


def original_vae_names():
    names = []

    def residual(prefix, shortcut):
        names.extend(f"{prefix}.residual.{i}.gamma" for i in (0, 3))
        names.extend(f"{prefix}.residual.{i}.{part}" for i in (2, 6) for part in ("weight", "bias"))
        if shortcut:
            names.extend(f"{prefix}.shortcut.{part}" for part in ("weight", "bias"))

    def pair(prefix):
        names.extend([f"{prefix}.weight", f"{prefix}.bias"])

    pair("conv1")
    pair("conv2")
    for side, blocks in (("encoder", "downsamples"), ("decoder", "upsamples")):
        pair(f"{side}.conv1")
        for i in (0, 2):
            residual(f"{side}.middle.{i}", False)
        names.append(f"{side}.middle.1.norm.gamma")
        pair(f"{side}.middle.1.to_qkv")
        pair(f"{side}.middle.1.proj")
        names.append(f"{side}.head.0.gamma")
        pair(f"{side}.head.2")
        samplers, timed, shortcuts = {
            "encoder": ((2, 5, 8), (5, 8), (3, 6)),
            "decoder": ((3, 7, 11), (3, 7), (4,)),
        }[side]
        for i in range(11 if side == "encoder" else 15):
            if i in samplers:
                pair(f"{side}.{blocks}.{i}.resample.1")
                if i in timed:
                    pair(f"{side}.{blocks}.{i}.time_conv")
            else:
                residual(f"{side}.{blocks}.{i}", i in shortcuts)
    return names


def convert_one_by_one(convert, names):
    """Pairs (original, published), by the conversion of diffusers for original checkpoints."""
    pairs = []
    for name in names:
        (published,) = convert({name: torch.zeros(2)}).keys()
        pairs.append((name, published))
    return pairs


def write_names(folder, pairs, filename, model_keys):
    published = {name for _, name in pairs}
    assert len(published) == len(pairs) and published == set(model_keys), (
        f"{filename}: {published ^ set(model_keys)}")
    text = "".join(f"{original}\t{name}\n" for original, name in pairs)
    (folder / filename).write_text(text)


def write_diffusers_folder(folder):
    torch.manual_seed(1)
    root = folder / "diffusers"
    transformer = WanTransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=1, attention_head_dim=12, in_channels=2,
        out_channels=2, text_dim=6, freq_dim=8, ffn_dim=10, num_layers=2, rope_max_seq_len=32,
    ).to(torch.bfloat16)
    transformer.save_pretrained(root / "transformer", max_shard_size="10KB")
    names = convert_one_by_one(convert_wan_transformer_to_diffusers, original_transformer_names(2))
    write_names(folder, names, "transformer_names.tsv", transformer.state_dict().keys())

    vae = AutoencoderKLWan(base_dim=2, z_dim=2, latents_mean=[0.0] * 2, latents_std=[1.0] * 2)
    names = convert_one_by_one(convert_wan_vae_to_diffusers, original_vae_names())
    write_names(folder, names, "vae_names.tsv", vae.state_dict().keys())
    # This folder is about names: one output channel of each convolution is enough.
    (root / "vae").mkdir(parents=True, exist_ok=True)
    vae.save_config(root / "vae")
    state = {name: value[:1].to(torch.float16).contiguous()
             for name, value in vae.state_dict().items()}
    save_file(state, root / "vae" / "diffusion_pytorch_model.safetensors")

    config = UMT5Config(vocab_size=20, d_model=8, d_kv=4, d_ff=6, num_layers=2, num_heads=2,
                        relative_attention_num_buckets=4)
    text_encoder = UMT5EncoderModel(config).to(torch.bfloat16)
    text_encoder.save_pretrained(root / "text_encoder", max_shard_size="1KB")
    names = "".join(f"{name}\n" for name in text_encoder.state_dict())
    (folder / "umt5_names.txt").write_text(names)
    (root / "tokenizer").mkdir(exist_ok=True)
    (root / "tokenizer" / "tokenizer.json").write_text("{}\n")
    (root / "model_index.json").write_text('{"_class_name": "WanPipeline"}\n')


def main():
    default = Path(__file__).resolve().parent.parent / "tests" / "checkpoint" / "fixtures"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    folder.mkdir(parents=True, exist_ok=True)
    write_safetensors(folder)
    write_torch_files(folder)
    write_diffusers_folder(folder)
    total = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{total} bytes in {folder}{os.sep}")


if __name__ == "__main__":
    main()
