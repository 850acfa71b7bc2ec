# What the tests of the training share: the skip where there is no PyTorch, a tiny model, calls of the steps.
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
SCRIPTS = SOURCE / "scripts"
SKIPPED = 77            # CTest's SKIP_RETURN_CODE
sys.path.insert(0, str(SCRIPTS))

# Sizes with which a step of anything takes milliseconds.
TINY = ["vae.base_dim=8", "text.sentences=300", "text.width=32", "text.heads=2", "text.head_dim=16",
        "text.ffn_dim=64", "text.layers=2", "transformer.heads=4", "transformer.head_dim=12",
        "transformer.ffn_dim=96", "transformer.layers=2"]


def need(*names):
    """Ends the test as skipped where one of these modules cannot be imported."""
    for name in ("torch", "diffusers", "transformers", "sentencepiece", "safetensors", "yaml", "scipy") + names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            print(f"skipped: {error}; scripts/setup_torch.sh makes an interpreter that has all "
                  "(cmake -DCAUSEWAY_TORCH_PYTHON=…)")
            sys.exit(SKIPPED)


def tiny_config(*overrides):
    from train_demo.training import load_config
    return load_config(SCRIPTS / "train_demo/demo_model.yaml", [*TINY, *overrides])


def stir(model, size=0.1):
    """Adds noise to all weights: initial ones hold zeros and ones behind which an error could hide."""
    import torch
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += size * torch.randn(parameter.shape, generator=generator)
    return model


def write_untrained(config, out):
    """What the training steps would leave in `out`, with random weights: nothing in it is near zero."""
    import torch
    from train_demo.networks import Networks
    from train_demo.text import write_vocabulary
    from train_demo.training import save_checkpoint
    from train_demo.vae import make_vae
    torch.manual_seed(0)
    write_vocabulary(config["text"], out / "spiece.model")
    vae = stir(make_vae(config["vae"]), 0.02)
    vae.decoder.conv_out.weight.data *= 0.5      # frames inside [-1, 1]
    networks = stir(Networks(config, out / "spiece.model"), 0.05)
    save_checkpoint(out / "vae.pt", model=vae.state_dict(), phase=len(config["vae"]["phases"]), step=0)
    save_checkpoint(out / "student.pt", model=networks.state_dict(), ema=networks.state_dict())
    (out / "latents.json").write_text(json.dumps(
        {"count": 1, "mean": torch.randn(16).tolist(), "std": (0.5 + torch.rand(16)).tolist()}))


def step(name, out, *arguments, overrides=(), timeout=600):
    """Runs `python3 scripts/train_demo NAME` as a person would; its output is shown where it fails."""
    command = [sys.executable, "-W", "ignore", str(SCRIPTS / "train_demo"), name, "--out", str(out)]
    for override in [*TINY, *overrides]:
        command += ["--set", override]
    result = subprocess.run(command + [str(a) for a in arguments], capture_output=True, text=True,
                            timeout=timeout, stdin=subprocess.DEVNULL, check=False)
    assert result.returncode == 0, f"{name} ended with {result.returncode}:\n{result.stdout}\n{result.stderr}"
    return result.stdout


def generate(config, prompts, out, *extra, ranks=None, timeout=600):
    """Runs `causeway generate`; ranks=None: without a launcher."""
    command = [os.environ["CAUSEWAY_PROGRAM"], "generate", str(config), "--prompts", str(prompts), "--out",
               str(out), *extra]
    if ranks is not None:
        command = [os.environ["CAUSEWAY_MPIEXEC"], "-n", str(ranks)] + command
    result = subprocess.run(command, capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL,
                            check=False)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stdout}\n{result.stderr}"
    return result.stdout
