"""The program's own noise: Philox 4x32-10 and the normal quantile, element by element as kernels/noise.hpp.

A number depends on (seed, sample, purpose, chunk, step, element) alone, so that PyTorch can start from the
very numbers that the program starts from. Philox: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as
easy as 1, 2, 3" (SC 2011). Needs numpy and scipy.
"""
import numpy as np
from scipy.special import ndtri

PURPOSES = {"initial": 0, "renoise": 1, "context": 2}
MASK = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)
KEY_TAG = 0x6B657921      # keeps the counters of keys apart from those of numbers


def philox(counter, key):
    """The four 32-bit words of each block: counter four arrays of 32-bit words, key 64 bits; ten rounds."""
    words = [np.asarray(word, np.uint64) & MASK for word in counter]
    low, high = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * words[0], np.uint64(0xCD9E8D57) * words[2]
        words = [(b >> HALF) ^ words[1] ^ np.uint64(low), b & MASK,
                 (a >> HALF) ^ words[3] ^ np.uint64(high), a & MASK]
        low, high = (low + 0x9E3779B9) & 0xFFFFFFFF, (high + 0xBB67AE85) & 0xFFFFFFFF
    return words


def noise_key(seed, sample, purpose, chunk, step):
    """The 64-bit key of one draw; `purpose` is a word of PURPOSES."""
    first = [int(word) for word in philox((sample & 0xFFFFFFFF, sample >> 32, chunk, PURPOSES[purpose]), seed)]
    second = philox((step, first[2], first[3], KEY_TAG), first[0] | first[1] << 32)
    return int(second[0]) | int(second[1]) << 32


def normal_numbers(key, elements):
    """float32 standard normal numbers of the elements (uint64) under a key."""
    elements = np.asarray(elements, np.uint64)
    block = elements >> np.uint64(2)
    words = np.stack(philox((block & MASK, block >> HALF, np.zeros_like(block), np.zeros_like(block)), key))
    word = np.take_along_axis(words, (elements & np.uint64(3)).astype(np.int64)[None], axis=0)[0]
    return ndtri((word.astype(np.float64) + 0.5) * 2.0**-32).astype(np.float32)


def program_noise(seed, samples, shape, device="cpu"):
    """noise(purpose, chunk, step) → float32 [B, F, 16, H, W], as generate.py draws it.

    samples: the program's noise number of each video (`sample_numbers`). The program counts elements in
    [channels, frames, height, width]; `step` of a renoise is 1 for the first, the number of the step it
    leads to.
    """
    import torch      # the numbers alone need no PyTorch
    batch, frames, channels, height, width = shape
    if len(samples) != batch:
        raise ValueError(f"{len(samples)} sample numbers for a batch of {batch}; give one for each video")
    elements = np.arange(channels * frames * height * width, dtype=np.uint64)

    def noise(purpose, chunk, step):
        drawn = [normal_numbers(noise_key(seed, sample, purpose, chunk, step), elements) for sample in samples]
        drawn = np.stack(drawn).reshape(batch, channels, frames, height, width)
        return torch.from_numpy(np.ascontiguousarray(drawn.swapaxes(1, 2))).to(device)
    return noise


def hash_of_text(text):
    """FNV-1a, 64 bits, of the UTF-8 bytes."""
    value = 14695981039346656037
    for byte in text.encode("utf-8"):
        value = (value ^ byte) * 1099511628211 % 2**64
    return value


def sample_ids(prompts):
    """The program's ids of the first video of each line of a .txt list, whose lines have no ids of their own."""
    seen, ids = {}, []
    for prompt in prompts:
        content = hash_of_text(prompt.strip())
        seen[content] = seen.get(content, 0) + 1
        ids.append(f"{content:016x}" + (f"-{seen[content]}" if seen[content] > 1 else ""))
    return ids


def sample_numbers(prompts):
    """The noise numbers of those videos: a hash of the id, so that no two videos share their noise."""
    return [hash_of_text(name) for name in sample_ids(prompts)]
