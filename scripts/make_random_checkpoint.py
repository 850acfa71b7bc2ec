#!/usr/bin/env python3
# Writes a random checkpoint of any size in a published layout, the same bytes on every machine.
"""usage: make_random_checkpoint.py OUT [--preset tiny|wan1.3b] [--dtype bf16|f16|f32]
                                [--layout diffusers|wan] [--seed N] [--shard-bytes N]
                                [--list-tensors]

A stand-in for trained weights: right names, right shapes, activations of order one, a decoded video
inside [-1, 1]. Needs Python 3.9 and numpy (Debian: python3-numpy). Memory holds a part of one tensor
at a time. The values come from the Philox generator keyed by (seed, network, tensor name) and from
exactly rounded arithmetic alone: neither order, layout, numpy's version nor the machine matters.
Nothing is written when OUT already holds the checkpoint that is asked for.
"""
import argparse
import hashlib
import json
import math
import os
import shutil
import struct
import sys
from pathlib import Path

import numpy as np

from checkpoint_names import text_encoder_tensors, transformer_tensors, vae_tensors
from make_demo_tokenizer import write_demo_tokenizer

RECIPE = 1  # raise it when other bytes come out for the same parameters
RECORD = "random_checkpoint.json"
CHUNK = 1 << 22  # elements generated at a time
DTYPES = {"f32": ("F32", 4), "f16": ("F16", 2), "bf16": ("BF16", 2)}
TORCH_DTYPES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}

# Latent statistics of the published VAE, 16 channels (Wan2.1).
LATENTS_MEAN = [-0.7571, -0.7089, -0.9113, 0.1075, -0.1745, 0.9653, -0.1517, 1.5508,
                0.4134, -0.0715, 0.5517, -0.3632, -0.1922, -0.9497, 0.2503, -0.2921]
LATENTS_STD = [2.8184, 1.4541, 2.3275, 2.6558, 1.2196, 1.7708, 2.6052, 2.0743,
               3.2687, 2.1526, 2.8652, 1.5579, 1.6382, 1.1253, 2.8251, 1.9160]

PRESETS = {
    # For tests; 12 heads, so that job groups of any size meet the published head count.
    "tiny": dict(heads=12, head_dim=16, ffn_dim=256, layers=2, vae_base=8,
                 text=dict(width=32, heads=4, head_dim=8, ffn_dim=64, layers=2)),
    # The transformer and the VAE of Wan2.1-T2V-1.3B; the text encoder with one small layer only.
    "wan1.3b": dict(heads=12, head_dim=128, ffn_dim=8960, layers=30, vae_base=96,
                    text=dict(width=4096, heads=64, head_dim=64, ffn_dim=1024, layers=1)),
}


def spread(network, name, shape):
    """(centre, standard deviation) of a tensor, by what it is for."""
    fan_in = math.prod(shape[1:])
    if name.endswith("cross_attn.norm_q.weight"):
        return 2.0, 0.05  # sharp enough for a few real tokens among 512 rows to be seen
    if name.endswith(("gamma", "norm_q.weight", "norm_k.weight", "norm1.weight", "norm2.weight",
                      "norm3.weight")) or name == "norm.weight":
        return 1.0, 0.05
    if name.endswith("modulation"):
        return 0.0, 0.3  # shift, scale and gate of the branches
    if name.endswith("bias"):
        return 0.0, 0.02
    gain = 1.0
    if network == "text_encoder":
        if name == "token_embedding.weight":
            return 0.0, 1.0
        if "pos_embedding" in name:
            return 0.0, 0.5
        if name.endswith("attn.q.weight"):
            gain = 0.3  # umT5 does not scale its scores by 1/sqrt(head_dim)
    elif network == "vae":
        if name == "decoder.head.2.weight":
            gain = 0.6  # frames of standard deviation near 0.35
        elif name.endswith(("residual.6.weight", "proj.weight")):
            gain = 0.5
    elif name == "time_projection.1.weight":
        gain = 0.3
    return 0.0, gain / math.sqrt(fan_in)


def values(seed, network, name, shape):
    """Yields the tensor in row-major order as float32 pieces, uniform around its centre."""
    digest = hashlib.sha256(f"{RECIPE}/{seed}/{network}/{name}".encode()).digest()
    generator = np.random.Philox(key=int.from_bytes(digest[:16], "little"))
    centre, deviation = spread(network, name, shape)
    # Signed 32-bit integers have standard deviation 2^31 / sqrt(3).
    scale = np.float32(deviation * math.sqrt(3.0) / 2.0**31)
    left = math.prod(shape)
    while left > 0:
        count = min(left, CHUNK)
        words = generator.random_raw((count + 1) // 2).astype("<u8").view("<i4")[:count]
        yield words.astype(np.float32) * scale + np.float32(centre)
        left -= count


def encoded(piece, dtype):
    """The bytes of float32 numbers in the file's type, rounded to nearest even, little-endian."""
    if dtype == "f32":
        return piece.astype("<f4").tobytes()
    if dtype == "f16":
        return piece.astype("<f2").tobytes()
    words = piece.astype("<f4").view("<u4")
    return ((words + (0x7FFF + ((words >> 16) & 1))) >> 16).astype("<u2").tobytes()


def write_safetensors(path, rows, seed, network, dtype):
    """One file: header length, JSON padded with spaces to 8 bytes, tensors in order of `rows`."""
    type_name, size = DTYPES[dtype]
    header, offset = {"__metadata__": {"format": "pt"}}, 0
    for _, stored_name, shape in rows:
        end = offset + math.prod(shape) * size
        header[stored_name] = {"dtype": type_name, "shape": list(shape),
                               "data_offsets": [offset, end]}
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for wan_name, _, shape in rows:
            for piece in values(seed, network, wan_name, shape):
                file.write(encoded(piece, dtype))


def write_network(folder, stem, rows, network, options):
    """`rows` as STEM.safetensors, or as shards with an index where they exceed the shard size."""
    size = DTYPES[options.dtype][1]
    shards, filled = [[]], 0
    for row in rows:
        count = math.prod(row[2]) * size
        if shards[-1] and filled + count > options.shard_bytes:
            shards.append([])
            filled = 0
        shards[-1].append(row)
        filled += count
    if len(shards) == 1:
        write_safetensors(folder / f"{stem}.safetensors", rows, options.seed, network,
                          options.dtype)
        return
    weight_map = {}
    for number, shard in enumerate(shards, 1):
        name = f"{stem}-{number:05d}-of-{len(shards):05d}.safetensors"
        write_safetensors(folder / name, shard, options.seed, network, options.dtype)
        weight_map.update({stored_name: name for _, stored_name, _ in shard})
    total = sum(math.prod(shape) for _, _, shape in rows) * size
    write_json(folder / f"{stem}.safetensors.index.json",
               {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))})


def write_json(path, content):
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def networks(preset, vocab):
    """(network, tensors) of a preset, names in both namings."""
    text = preset["text"]
    dim = preset["heads"] * preset["head_dim"]
    return {
        "transformer": transformer_tensors(dim, preset["ffn_dim"], preset["layers"], text["width"]),
        "vae": vae_tensors(preset["vae_base"]),
        "text_encoder": text_encoder_tensors(vocab, text["width"], text["heads"], text["head_dim"],
                                             text["ffn_dim"], text["layers"]),
    }


def transformer_config(preset):
    return {"_class_name": "WanTransformer3DModel", "_diffusers_version": "0.33.0",
            "added_kv_proj_dim": None, "attention_head_dim": preset["head_dim"],
            "cross_attn_norm": True, "eps": 1e-06, "ffn_dim": preset["ffn_dim"], "freq_dim": 256,
            "image_dim": None, "in_channels": 16, "num_attention_heads": preset["heads"],
            "num_layers": preset["layers"], "out_channels": 16, "patch_size": [1, 2, 2],
            "qk_norm": "rms_norm_across_heads", "rope_max_seq_len": 1024,
            "text_dim": preset["text"]["width"]}


def wan_config(preset):
    return {"_class_name": "WanModel", "_diffusers_version": "0.30.0",
            "dim": preset["heads"] * preset["head_dim"], "eps": 1e-06, "ffn_dim": preset["ffn_dim"],
            "freq_dim": 256, "in_dim": 16, "model_type": "t2v", "num_heads": preset["heads"],
            "num_layers": preset["layers"], "out_dim": 16, "text_len": 512}


def vae_config(preset):
    return {"_class_name": "AutoencoderKLWan", "_diffusers_version": "0.33.0", "attn_scales": [],
            "base_dim": preset["vae_base"], "dim_mult": [1, 2, 4, 4], "dropout": 0.0,
            "latents_mean": LATENTS_MEAN, "latents_std": LATENTS_STD, "num_res_blocks": 2,
            "temperal_downsample": [False, True, True], "z_dim": 16}


def text_encoder_config(preset, vocab, dtype):
    text = preset["text"]
    return {"architectures": ["UMT5EncoderModel"], "classifier_dropout": 0.0,
            "d_ff": text["ffn_dim"], "d_kv": text["head_dim"], "d_model": text["width"],
            "decoder_start_token_id": 0,
            "dense_act_fn": "gelu_new", "dropout_rate": 0.1, "eos_token_id": 1,
            "feed_forward_proj": "gated-gelu", "initializer_factor": 1.0,
            "is_encoder_decoder": True, "is_gated_act": True, "layer_norm_epsilon": 1e-06,
            "model_type": "umt5",
            "num_decoder_layers": text["layers"], "num_heads": text["heads"],
            "num_layers": text["layers"], "pad_token_id": 0, "relative_attention_max_distance": 128,
            "relative_attention_num_buckets": 32, "tie_word_embeddings": False,
            "tokenizer_class": "T5Tokenizer", "torch_dtype": TORCH_DTYPES[dtype],
            "vocab_size": vocab}


MODEL_INDEX = {"_class_name": "WanPipeline", "_diffusers_version": "0.33.0",
               "scheduler": ["diffusers", "UniPCMultistepScheduler"],
               "text_encoder": ["transformers", "UMT5EncoderModel"],
               "tokenizer": ["transformers", "T5TokenizerFast"],
               "transformer": ["diffusers", "WanTransformer3DModel"],
               "vae": ["diffusers", "AutoencoderKLWan"]}
SCHEDULER = {"_class_name": "UniPCMultistepScheduler", "_diffusers_version": "0.33.0",
             "flow_shift": 5.0, "num_train_timesteps": 1000, "prediction_type": "flow_prediction",
             "use_flow_sigmas": True}


def write_diffusers(folder, preset, options):
    for part in ("transformer", "vae", "text_encoder", "tokenizer", "scheduler"):
        (folder / part).mkdir(parents=True)
    vocab = write_demo_tokenizer(folder / "tokenizer")
    rows = networks(preset, vocab)
    write_json(folder / "model_index.json", MODEL_INDEX)
    write_json(folder / "scheduler/scheduler_config.json", SCHEDULER)
    write_json(folder / "transformer/config.json", transformer_config(preset))
    write_json(folder / "vae/config.json", vae_config(preset))
    write_json(folder / "text_encoder/config.json",
               text_encoder_config(preset, vocab, options.dtype))
    for network in ("transformer", "vae"):
        write_network(folder / network, "diffusion_pytorch_model", rows[network], network, options)
    write_network(folder / "text_encoder", "model", rows["text_encoder"], "text_encoder", options)


def write_wan(folder, preset, options):
    """The release's layout; VAE and text encoder as safetensors in place of PyTorch files."""
    (folder / "google/umt5-xxl").mkdir(parents=True)
    vocab = write_demo_tokenizer(folder / "google/umt5-xxl")
    write_json(folder / "config.json", wan_config(preset))
    stems = {"transformer": "diffusion_pytorch_model", "vae": "Wan2.1_VAE",
             "text_encoder": "models_t5_umt5-xxl-enc-bf16"}
    for network, rows in networks(preset, vocab).items():
        rows = [(wan, wan, shape) for wan, _, shape in rows]
        write_network(folder, stems[network], rows, network, options)


def list_tensors(preset, options):
    """Prints every tensor as it would be stored, and the parameters per network."""
    for network, rows in networks(preset, vocab=0).items():
        for wan, diffusers, shape in rows:
            name = wan if options.layout == "wan" else diffusers
            text = "vocabulary x " + str(shape[1]) if shape[0] == 0 else " x ".join(map(str, shape))
            print(f"{network:13}{name:75}{DTYPES[options.dtype][0]:5}{text}")
        count = sum(math.prod(shape) for _, _, shape in rows)
        without = ", without the token embedding" if network == "text_encoder" else ""
        print(f"{network}: {len(rows)} tensors, {count:,} parameters{without}")


def parse(arguments):
    parser = argparse.ArgumentParser(
        description="Writes a random checkpoint in a published layout.")
    parser.add_argument("out", type=Path, nargs="?", help="the folder to make")
    parser.add_argument("--preset", choices=PRESETS, default="tiny", help="default: %(default)s")
    parser.add_argument("--dtype", choices=DTYPES, default="bf16", help="default: %(default)s")
    parser.add_argument("--layout", choices=("diffusers", "wan"), default="diffusers",
                        help="whose file and tensor names; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    parser.add_argument("--shard-bytes", type=int, default=10 * 10**9, metavar="N",
                        help="split a network's file beyond this size; default: %(default)s")
    parser.add_argument("--list-tensors", action="store_true",
                        help="print names and shapes, write nothing")
    options = parser.parse_args(arguments)
    if options.out is None and not options.list_tensors:
        parser.error("say which folder to make (OUT), or --list-tensors")
    if options.out is not None:
        options.out = options.out.resolve()
    if options.shard_bytes < 1:
        parser.error(f"--shard-bytes is {options.shard_bytes} (a shard holds at least a byte)")
    return options


def main(arguments=None):
    options = parse(arguments)
    preset = PRESETS[options.preset]
    if options.list_tensors:
        list_tensors(preset, options)
        return 0
    wanted = {"recipe": RECIPE, "preset": options.preset, "dtype": options.dtype,
              "layout": options.layout, "seed": options.seed, "shard_bytes": options.shard_bytes}
    record = options.out / RECORD
    if record.is_file():
        if json.loads(record.read_text(encoding="utf-8")) == wanted:
            print(f"{options.out} already holds this checkpoint")
            return 0
    elif options.out.exists() and (not options.out.is_dir() or any(options.out.iterdir())):
        print(f"{options.out} exists and holds no {RECORD} (it is not ours to replace); "
              "name another folder", file=sys.stderr)
        return 2
    unfinished = options.out.with_name(f"{options.out.name}.unfinished-{os.getpid()}")
    unfinished.mkdir(parents=True)
    try:
        (write_wan if options.layout == "wan" else write_diffusers)(unfinished, preset, options)
        write_json(unfinished / RECORD, wanted)
        if options.out.exists():
            shutil.rmtree(options.out)
        unfinished.rename(options.out)
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise
    size = sum(path.stat().st_size for path in options.out.rglob("*") if path.is_file())
    print(f"wrote {options.out}: {options.preset}, {options.dtype}, {options.layout} layout, "
          f"{size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
