#!/usr/bin/env python3
"""What PyTorch reaches on the shapes of tests/bench/clip_bench.cpp, for a comparison on the same GPU.

    scripts/gpu_reference.py [--device cuda] [--compile] [--tiny]

Times, in bf16: one large product and one large copy (the ceilings), each chunk of a causal Wan transformer of the
1.3B sizes with kept keys and values (five passes, `scaled_dot_product_attention`), and, where diffusers is installed,
the decoding of 81 frames by its VAE. Weights are random. Needs nothing but PyTorch; says so where there is none.
"""
import argparse
import sys
import time

try:
    import torch
    import torch.nn.functional as F
except ImportError:
    sys.exit("gpu_reference.py: no PyTorch in this interpreter, so there is nothing to compare with")

PASSES = 5     # four steps, and one that fills the cache


class Sizes:
    def __init__(self, tiny):
        self.width, self.heads, self.ffn, self.layers = (64, 4, 96, 2) if tiny else (1536, 12, 8960, 30)
        self.rows, self.columns, self.chunks = (2, 3, 2) if tiny else (30, 52, 7)
        self.text = 16 if tiny else 512
        self.side = 64 if tiny else 8192
        self.vae = {"base_dim": 8, "z_dim": 16} if tiny else {"base_dim": 96, "z_dim": 16}
        self.tokens = 3 * self.rows * self.columns


class Block(torch.nn.Module):
    """A block of the transformer for one chunk; norms and modulation as the published network has them."""

    def __init__(self, size):
        super().__init__()
        width = size.width
        self.heads = size.heads
        self.qkv = torch.nn.ModuleList(torch.nn.Linear(width, width) for _ in range(3))
        self.out, self.cross_q, self.cross_out = (torch.nn.Linear(width, width) for _ in range(3))
        self.up, self.down = torch.nn.Linear(width, size.ffn), torch.nn.Linear(size.ffn, width)
        self.norm_q, self.norm_k, self.norm_cross = (torch.nn.Parameter(torch.ones(width)) for _ in range(3))
        self.affine = torch.nn.LayerNorm(width)

    def split(self, x):
        return x.view(x.shape[0], self.heads, -1).transpose(0, 1)

    def rotate(self, x, cos, sin):
        a, b = x.float().unflatten(-1, (-1, 2)).unbind(-1)
        return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2).to(x.dtype)

    def forward(self, x, table, cos, sin, keys, values, first, text_keys, text_values):
        width, end = x.shape[1], first + x.shape[0]

        def attend(q, k, v):
            return F.scaled_dot_product_attention(q[None], k[None], v[None])[0].transpose(0, 1).reshape(-1, width)

        def modulated(shift, scale):
            return (F.layer_norm(x, (width,), eps=1e-6) * (1 + table[scale]) + table[shift]).bfloat16()

        normed = modulated(0, 1)
        q, k, v = (layer(normed) for layer in self.qkv)
        q = self.rotate(self.split(F.rms_norm(q, (width,), self.norm_q)), cos, sin)
        keys[:, first:end] = self.rotate(self.split(F.rms_norm(k, (width,), self.norm_k)), cos, sin)
        values[:, first:end] = self.split(v)
        x = x + table[2] * self.out(attend(q, keys[:, :end], values[:, :end]))
        q = self.split(F.rms_norm(self.cross_q(self.affine(x.bfloat16())), (width,), self.norm_cross))
        x = x + self.cross_out(attend(q, text_keys, text_values))
        return x + table[5] * self.down(F.gelu(self.up(modulated(3, 4)), approximate="tanh"))


def seconds_of(device, work, repeats=1):
    """The median of some runs after a first one."""
    times = []
    for _ in range(repeats + 1):
        if device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return sorted(times[1:])[repeats // 2]


def show(what, seconds, more=""):
    print(f"{what:<46} {1e3 * seconds:10.1f} ms  {more}", flush=True)


def ceilings(size, device):
    n = size.side
    a, b = (torch.randn(n, n, device=device, dtype=torch.bfloat16) for _ in range(2))
    taken = seconds_of(device, lambda: a @ b, 5)
    show(f"product {n} x {n} x {n}", taken, f"{2e-12 * n**3 / taken:.1f} TFLOP/s")
    source, target = torch.randn(n, n, device=device), torch.empty(n, n, device=device)
    taken = seconds_of(device, lambda: target.copy_(source), 5)
    show(f"copy of {4 * n * n // 2**20} MiB", taken, f"{8e-9 * n * n / taken:.0f} GB/s read and written")


@torch.no_grad()
def transformer(size, device, compiled):
    torch.manual_seed(0)
    blocks = [Block(size).to(device, torch.bfloat16) for _ in range(size.layers)]
    run = [torch.compile(block) for block in blocks] if compiled else blocks
    head = size.width // size.heads
    bf16 = {"device": device, "dtype": torch.bfloat16}
    shape = (size.heads, size.chunks * size.tokens, head)
    caches = [(torch.zeros(shape, **bf16), torch.zeros(shape, **bf16)) for _ in blocks]
    text = [tuple(torch.randn(size.heads, size.text, head, **bf16) for _ in range(2)) for _ in blocks]
    table = torch.randn(6, size.width, device=device) * 0.1
    angles = torch.rand(size.tokens, head // 2, device=device)
    cos, sin = angles.cos(), angles.sin()
    start = torch.randn(size.tokens, size.width, device=device)

    def chunk(number):
        for _ in range(PASSES):
            x = start
            for block, cache, kept in zip(run, caches, text):
                x = block(x, table, cos, sin, *cache, number * size.tokens, *kept)
        assert torch.isfinite(x).all()

    clip = 0.0
    for number in range(size.chunks):
        taken = seconds_of(device, lambda n=number: chunk(n))
        clip += taken
        show(f"transformer, chunk {number}, {(number + 1) * size.tokens} keys, 5 passes", taken)
    show("transformer, whole clip", clip, f"{(12 * size.chunks - 3) / clip:.1f} frames/s")


@torch.no_grad()
def vae(size, device):
    try:
        from diffusers import AutoencoderKLWan
    except ImportError:
        print("VAE: diffusers is not installed")
        return
    network = AutoencoderKLWan(**size.vae).to(device, torch.bfloat16).eval()
    latents = torch.randn(1, 16, 3 * size.chunks, 2 * size.rows, 2 * size.columns, device=device, dtype=torch.bfloat16)
    taken = seconds_of(device, lambda: network.decode(latents).sample)
    show("VAE decoder, whole clip", taken, f"{(12 * size.chunks - 3) / taken:.1f} frames/s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--compile", action="store_true", help="compile the blocks")
    parser.add_argument("--tiny", action="store_true", help="sizes of a test")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        sys.exit("gpu_reference.py: this PyTorch sees no GPU; use a build for CUDA, or --device cpu --tiny")
    size = Sizes(arguments.tiny)
    print(f"PyTorch {torch.__version__}, {'compiled' if arguments.compile else 'eager'}, bf16")
    ceilings(size, arguments.device)
    transformer(size, arguments.device, arguments.compile)
    vae(size, arguments.device)


if __name__ == "__main__":
    main()
