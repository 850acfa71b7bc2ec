#!/usr/bin/env python3
"""Writes tests/kernels/noise_vectors.hpp: known answers for kernels/noise.hpp, computed another way.

Philox in Python integers; the normal quantile as the root of Phi(x) = u with 60 digits (mpmath), rounded once
to float32. Usage: make_noise_vectors.py [output]; needs the Python package mpmath.
"""
import pathlib
import statistics
import struct
import sys

import mpmath

mpmath.mp.dps = 60
MASK = 0xFFFFFFFF


def philox(counter, key):
    """Philox 4x32-10 as Salmon et al. (2011) define it: S-boxes of 32x32 -> 64-bit products."""
    x, k = list(counter), [key & MASK, key >> 32]
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * x[0], 2**32)
        high1, low1 = divmod(0xCD9E8D57 * x[2], 2**32)
        x = [high1 ^ x[1] ^ k[0], low1, high0 ^ x[3] ^ k[1], low0]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return x


def noise_key(seed, sample, purpose, chunk, step):
    a = philox([sample & MASK, sample >> 32, chunk, purpose], seed)
    b = philox([step, a[2], a[3], 0x6B657921], a[0] | a[1] << 32)
    return b[0] | b[1] << 32


def normal_bits(word):
    """The float32 nearest to the normal quantile of (word + 1/2) / 2**32, as its bits."""
    u = (mpmath.mpf(word) + mpmath.mpf("0.5")) / 2**32
    # Start from the standard library's quantile (about 1e-16) and let Newton's method on Phi finish.
    x = mpmath.mpf(statistics.NormalDist().inv_cdf(float(u)))
    for _ in range(4):
        x -= (mpmath.ncdf(x) - u) / mpmath.npdf(x)
    assert abs(mpmath.ncdf(x) - u) < mpmath.mpf(10) ** -50
    with mpmath.workprec(24):
        nearest = +x
    return struct.unpack("<I", struct.pack("<f", float(nearest)))[0]


def main():
    default = pathlib.Path(__file__).parent.parent / "tests/kernels/noise_vectors.hpp"
    path = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    keys = [(0, 0, 0, 0, 0), (42, 7, 1, 3, 2), (2**64 - 1, 2**40 + 5, 2, 2**32 - 1, 2**31), (1, 2**32, 0, 6, 0)]
    edge = int(0.075 * 2**32)  # where the centre's formula meets the tail's
    words = [0, 1, 2, 3, 4, 10, 99, 1000, 2**16 - 1, 2**16, 2**20, 2**24 + 1, 2**28, edge - 1, edge, edge + 1,
             2**30, 2**31 - 2, 2**31 - 1, 2**31, 2**31 + 1, 3 * 2**30, 2**32 - edge - 1, 2**32 - edge,
             2**32 - 2**20, 2**32 - 2**16, 2**32 - 1000, 2**32 - 11, 2**32 - 3, 2**32 - 2, 2**32 - 1]
    out = ["// Known answers for noise.hpp, written by scripts/make_noise_vectors.py (do not edit).",
           "#pragma once", "", "#include <cstdint>", "", "namespace causeway::testing {", "",
           "struct KeyVector {", "  std::uint64_t seed, sample;", "  std::uint32_t purpose, chunk, step;",
           "  std::uint64_t key;", "};", "inline constexpr KeyVector key_vectors[] = {"]
    for k in keys:
        out.append(f"    {{{k[0]}ull, {k[1]}ull, {k[2]}u, {k[3]}u, {k[4]}u, 0x{noise_key(*k):016x}ull}},")
    out += ["};", "", "/// The float32 bits of the quantile at (word + 1/2)/2^32.", "struct QuantileVector {",
            "  std::uint32_t word, bits;", "};", "inline constexpr QuantileVector quantile_vectors[] = {"]
    out += [f"    {{{w}u, 0x{normal_bits(w):08x}u}}," for w in words]
    out += ["};", "", "/// The float32 bits of one element's number.", "struct NormalVector {",
            "  std::uint64_t key, element;", "  std::uint32_t bits;", "};",
            "inline constexpr NormalVector normal_vectors[] = {"]
    for k in keys:
        key = noise_key(*k)
        for element in [0, 1, 2, 3, 4, 5, 1001, 299519, 2**34 + 2, 2**40 + 7]:
            index = element // 4
            word = philox([index & MASK, index >> 32, 0, 0], key)[element % 4]
            out.append(f"    {{0x{key:016x}ull, {element}ull, 0x{normal_bits(word):08x}u}},")
    out += ["};", "", "}  // namespace causeway::testing", ""]
    path.write_text("\n".join(out))


main()
