"""Step 5: the trained networks as a checkpoint folder in the published diffusers layout, bf16.

Names, fields and their order are those of make_random_checkpoint.py, so that the program, diffusers and
transformers all read it. The same inputs give the same bytes. Other files in the folder (a model card) stay.
"""
import argparse
import json
import os
from pathlib import Path

import make_random_checkpoint as layout
import torch
from checkpoint_names import text_encoder_tensors, transformer_tensors, vae_tensors
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from safetensors.torch import save
from transformers import UMT5EncoderModel

from .latents import load_vae
from .networks import Networks, load_networks
from .text import SENTINELS

DTYPE = "bf16"


def main(config, out, arguments):
    """The step `export` of the command line."""
    parser = argparse.ArgumentParser(prog="train_demo export", description=__doc__)
    parser.add_argument("--to", type=Path, default=Path("configs/demo_model"), metavar="FOLDER",
                        help="the checkpoint folder (%(default)s)")
    parser.add_argument("--checkpoint", default="student", metavar="NAME",
                        help="which networks: NAME.pt in --out (%(default)s)")
    options = parser.parse_args(arguments)
    folder = export(config, out, options.to, options.checkpoint)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"wrote {folder}: {size / 1e6:.1f} MB")


def export(config, out, folder, name="student"):
    """Writes the VAE, the networks `name` (their running average) and the vocabulary; returns the folder."""
    out, folder = Path(out), Path(folder)
    if folder.exists() and not (folder.is_dir() and
                                ((folder / "model_index.json").exists() or not any(folder.iterdir()))):
        raise SystemExit(f"{folder} holds something that is no checkpoint (it is not ours to change); "
                         "name another folder with --to")
    networks = load_networks(config, out, name)
    files = {"model_index.json": _json(layout.MODEL_INDEX),
             "scheduler/scheduler_config.json": _json(
                 {**layout.SCHEDULER, "flow_shift": float(config["schedule"]["shift"])})}
    files.update(_transformer(config, networks.transformer))
    files.update(_vae(config, load_vae(config, out), _statistics(out)))
    files.update(_text(config, networks, (out / "spiece.model").read_bytes()))
    for path, content in files.items():
        _write(folder / path, content)
    return folder


def _preset(config):
    """The sizes by the names that make_random_checkpoint.py uses."""
    sizes = config["transformer"]
    return {"heads": sizes["heads"], "head_dim": sizes["head_dim"], "ffn_dim": sizes["ffn_dim"],
            "layers": sizes["layers"], "vae_base": config["vae"]["base_dim"], "text": config["text"]}


def _transformer(config, model):
    sizes = config["transformer"]
    rows = transformer_tensors(sizes["heads"] * sizes["head_dim"], sizes["ffn_dim"], sizes["layers"],
                               config["text"]["width"])
    return {"transformer/config.json": _json(
                {**layout.transformer_config(_preset(config)), "text_len": config["text"]["rows"]}),
            "transformer/diffusion_pytorch_model.safetensors": _tensors("transformer", rows, model)}


def _vae(config, model, statistics):
    """Encoder and decoder: videos that go on from given frames need both."""
    sizes = config["vae"]
    rows = vae_tensors(sizes["base_dim"], dim_mult=tuple(sizes["dim_mult"]),
                       num_res_blocks=sizes["num_res_blocks"])
    content = {**layout.vae_config(_preset(config)), "dim_mult": list(sizes["dim_mult"]),
               "num_res_blocks": sizes["num_res_blocks"], **statistics}
    return {"vae/config.json": _json(content),
            "vae/diffusion_pytorch_model.safetensors": _tensors("VAE", rows, model)}


def _text(config, networks, vocabulary):
    sizes, rows = config["text"], networks.vocabulary.rows()
    tokenizer = {"eos_token": "</s>", "extra_ids": SENTINELS, "model_max_length": sizes["rows"],
                 "pad_token": "<pad>", "tokenizer_class": "T5Tokenizer", "unk_token": "<unk>"}
    tensors = text_encoder_tensors(rows, sizes["width"], sizes["heads"], sizes["head_dim"], sizes["ffn_dim"],
                                   sizes["layers"])
    return {"text_encoder/config.json": _json(layout.text_encoder_config(_preset(config), rows, DTYPE)),
            "text_encoder/model.safetensors": _tensors("text encoder", tensors, networks.text_encoder),
            "tokenizer/spiece.model": vocabulary, "tokenizer/tokenizer_config.json": _json(tokenizer)}


def load_exported(folder):
    """(networks, VAE, latents' mean, latents' deviation) of such a folder, float32, as the libraries read it."""
    folder = Path(folder)
    try:
        video, text = (json.loads((folder / part / "config.json").read_text(encoding="utf-8"))
                       for part in ("transformer", "text_encoder"))
    except FileNotFoundError as error:
        raise SystemExit(f"{error.filename}: not there; give the folder that the step 'export' wrote") from error
    sizes = {"transformer": {"heads": video["num_attention_heads"], "head_dim": video["attention_head_dim"],
                             "ffn_dim": video["ffn_dim"], "layers": video["num_layers"]},
             "text": {"rows": video["text_len"], "width": text["d_model"], "heads": text["num_heads"],
                      "head_dim": text["d_kv"], "ffn_dim": text["d_ff"], "layers": text["num_layers"]}}
    networks = Networks(sizes, folder / "tokenizer/spiece.model")
    networks.transformer = WanTransformer3DModel.from_pretrained(folder / "transformer").float()
    networks.text_encoder = UMT5EncoderModel.from_pretrained(folder / "text_encoder").float()
    vae = AutoencoderKLWan.from_pretrained(folder / "vae").float().eval()
    mean, deviation = (torch.tensor(values).view(16, 1, 1)
                       for values in (vae.config.latents_mean, vae.config.latents_std))
    return networks.eval(), vae, mean, deviation


def _statistics(out):
    """Mean and deviation of the latents; the transformer was trained on what they make of them."""
    notes = json.loads((out / "latents.json").read_text(encoding="utf-8"))
    return {"latents_mean": notes["mean"], "latents_std": notes["std"]}


def _tensors(what, rows, model):
    """The bytes of a safetensors file with exactly the published tensors."""
    state, chosen = model.state_dict(), {}
    for _, name, shape in rows:
        if name not in state or tuple(state[name].shape) != tuple(shape):
            found = tuple(state[name].shape) if name in state else "nothing"
            raise SystemExit(f"{what}: the layout has {name} {tuple(shape)}, the network {found}; "
                             "the configuration is not the one it was trained with")
        chosen[name] = state[name].to(torch.bfloat16).contiguous()
        if not torch.isfinite(chosen[name]).all():
            raise SystemExit(f"{what}: {name} holds infinite numbers or none at all (the training diverged); "
                             "train again from the last good checkpoint")
    # transformers lists the embedding twice, under a second name.
    extra = set(state) - set(chosen) - {"encoder.embed_tokens.weight"}
    if extra:
        raise SystemExit(f"{what}: {sorted(extra)[0]} has no place in the published layout; "
                         "the configuration is not the one it was trained with")
    return save(chosen, metadata={"format": "pt"})


def _json(content):
    return (json.dumps(content, indent=2) + "\n").encode()


def _write(path, content):
    """Written beside and renamed: a file under its name is whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(content)
    os.replace(temporary, path)
