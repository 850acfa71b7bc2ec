// Counter-based standard normal numbers: the same bits on every processor, backend, rank count and
// split.
//
// Philox 4×32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC
// 2011) turns (key, counter) into 128 random bits; one 32-bit word becomes one normal number by the
// inverse of the normal distribution (Wichura, Algorithm AS 241, Applied Statistics 37, 1988). Only
// +, −, ×, / and √ of float64 are used, each rounded on its own, so IEEE 754 alone decides the
// result. CUDA code may include this file.
#pragma once

#include <cstdint>

#if defined(__CUDACC__)
#define CAUSEWAY_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define CAUSEWAY_HOST_DEVICE [[gnu::always_inline]] inline
#endif

namespace causeway::kernels {

/// What a draw is for; part of the key.
enum class NoisePurpose : std::uint32_t { initial = 0, renoise = 1, context = 2 };

struct PhiloxBlock {
  std::uint32_t word[4];
};

/// Philox 4×32-10: ten rounds over a 128-bit counter with a 64-bit key (low word first in both).
CAUSEWAY_HOST_DEVICE PhiloxBlock philox(PhiloxBlock counter, std::uint64_t key) {
  auto low_key = static_cast<std::uint32_t>(key);
  auto high_key = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = 0xD2511F53ull * counter.word[0];
    const std::uint64_t b = 0xCD9E8D57ull * counter.word[2];
    const PhiloxBlock next = {{static_cast<std::uint32_t>(b >> 32) ^ counter.word[1] ^ low_key,
                               static_cast<std::uint32_t>(b),
                               static_cast<std::uint32_t>(a >> 32) ^ counter.word[3] ^ high_key,
                               static_cast<std::uint32_t>(a)}};
    counter = next;
    low_key += 0x9E3779B9u;   // golden ratio
    high_key += 0xBB67AE85u;  // √3 − 1
  }
  return counter;
}

/// The key of one draw: two Philox blocks chained, so that every argument is taken in full.
/// `sample` is the number of the prompt in its list, `chunk` and `step` count from 0.
CAUSEWAY_HOST_DEVICE std::uint64_t noise_key(std::uint64_t seed, std::uint64_t sample,
                                             NoisePurpose purpose, std::uint32_t chunk,
                                             std::uint32_t step) {
  const PhiloxBlock first =
      philox({{static_cast<std::uint32_t>(sample), static_cast<std::uint32_t>(sample >> 32), chunk,
               static_cast<std::uint32_t>(purpose)}},
             seed);
  const std::uint64_t middle = first.word[0] | static_cast<std::uint64_t>(first.word[1]) << 32;
  // The last word keeps these counters apart from those of `noise_word`, whose upper half is zero.
  const PhiloxBlock second = philox({{step, first.word[2], first.word[3], 0x6b657921u}}, middle);
  return second.word[0] | static_cast<std::uint64_t>(second.word[1]) << 32;
}

// Host code is compiled without contraction; device code says so with the rounding intrinsics.
CAUSEWAY_HOST_DEVICE double multiply_rounded(double a, double b) {
#if defined(__CUDA_ARCH__)
  return __dmul_rn(a, b);
#else
  return a * b;
#endif
}

CAUSEWAY_HOST_DEVICE double add_rounded(double a, double b) {
#if defined(__CUDA_ARCH__)
  return __dadd_rn(a, b);
#else
  return a + b;
#endif
}

CAUSEWAY_HOST_DEVICE double root_rounded(double a) {
#if defined(__CUDA_ARCH__)
  return __dsqrt_rn(a);
#else
  return __builtin_sqrt(a);
#endif
}

/// One step of Horner's rule: sum·x + coefficient, rounded twice.
CAUSEWAY_HOST_DEVICE double horner(double sum, double x, double coefficient) {
  return add_rounded(multiply_rounded(sum, x), coefficient);
}

/// ln x for x in [2⁻³³, 1]: x = m·2^e with m in [√½, √2), ln m = 2·artanh((m − 1)/(m + 1)) as a
/// series.
CAUSEWAY_HOST_DEVICE double log_rounded(double x) {
  double exponent = 0.0;
  if (x < 0x1p-16) {
    x *= 0x1p16;
    exponent -= 16.0;
  }
  if (x < 0x1p-16) {
    x *= 0x1p16;
    exponent -= 16.0;
  }
  if (x < 0x1p-8) {
    x *= 0x1p8;
    exponent -= 8.0;
  }
  if (x < 0x1p-4) {
    x *= 0x1p4;
    exponent -= 4.0;
  }
  if (x < 0x1p-2) {
    x *= 0x1p2;
    exponent -= 2.0;
  }
  if (x < 0x1p-1) {
    x *= 0x1p1;
    exponent -= 1.0;
  }
  if (x < 0.70710678118654752) {
    x *= 0x1p1;
    exponent -= 1.0;
  }
  const double s = add_rounded(x, -1.0) / add_rounded(x, 1.0);  // |s| ≤ 0.172
  const double z = multiply_rounded(s, s);
  double series = 1.0 / 23.0;
  series = horner(series, z, 1.0 / 21.0);
  series = horner(series, z, 1.0 / 19.0);
  series = horner(series, z, 1.0 / 17.0);
  series = horner(series, z, 1.0 / 15.0);
  series = horner(series, z, 1.0 / 13.0);
  series = horner(series, z, 1.0 / 11.0);
  series = horner(series, z, 1.0 / 9.0);
  series = horner(series, z, 1.0 / 7.0);
  series = horner(series, z, 1.0 / 5.0);
  series = horner(series, z, 1.0 / 3.0);
  series = horner(series, z, 1.0);
  return horner(exponent, 0.69314718055994531, multiply_rounded(multiply_rounded(2.0, s), series));
}

/// The normal number at u = (word + ½)·2⁻³² by PPND16 of AS 241 (relative error about 1e-16), as
/// f32. Its branch for the far tail is absent: u ≥ 2⁻³³ never gets there.
CAUSEWAY_HOST_DEVICE float normal_of_word(std::uint32_t word) {
  const double u = (static_cast<double>(word) + 0.5) * 0x1p-32;  // exact
  const double q = u - 0.5;                                      // exact
  double numerator, denominator, factor;
  if (q >= -0.425 && q <= 0.425) {
    const double r = add_rounded(0.180625, -multiply_rounded(q, q));
    numerator = horner(2.5090809287301226727e3, r, 3.3430575583588128105e4);
    numerator = horner(numerator, r, 6.7265770927008700853e4);
    numerator = horner(numerator, r, 4.5921953931549871457e4);
    numerator = horner(numerator, r, 1.3731693765509461125e4);
    numerator = horner(numerator, r, 1.9715909503065514427e3);
    numerator = horner(numerator, r, 1.3314166789178437745e2);
    numerator = horner(numerator, r, 3.3871328727963666080e0);
    denominator = horner(5.2264952788528545610e3, r, 2.8729085735721942674e4);
    denominator = horner(denominator, r, 3.9307895800092710610e4);
    denominator = horner(denominator, r, 2.1213794301586595867e4);
    denominator = horner(denominator, r, 5.3941960214247511077e3);
    denominator = horner(denominator, r, 6.8718700749205790830e2);
    denominator = horner(denominator, r, 4.2313330701600911252e1);
    denominator = horner(denominator, r, 1.0);
    factor = q;
  } else {
    const double tail = q < 0.0 ? u : 1.0 - u;                             // exact
    const double r = add_rounded(root_rounded(-log_rounded(tail)), -1.6);  // ≤ 4.79 − 1.6
    numerator = horner(7.74545014278341407640e-4, r, 2.27238449892691845833e-2);
    numerator = horner(numerator, r, 2.41780725177450611770e-1);
    numerator = horner(numerator, r, 1.27045825245236838258e0);
    numerator = horner(numerator, r, 3.64784832476320460504e0);
    numerator = horner(numerator, r, 5.76949722146069140550e0);
    numerator = horner(numerator, r, 4.63033784615654529590e0);
    numerator = horner(numerator, r, 1.42343711074968357734e0);
    denominator = horner(1.05075007164441684324e-9, r, 5.47593808499534494600e-4);
    denominator = horner(denominator, r, 1.51986665636164571966e-2);
    denominator = horner(denominator, r, 1.48103976427480074590e-1);
    denominator = horner(denominator, r, 6.89767334985100004550e-1);
    denominator = horner(denominator, r, 1.67638483018380384940e0);
    denominator = horner(denominator, r, 2.05319162663775882187e0);
    denominator = horner(denominator, r, 1.0);
    factor = q < 0.0 ? -1.0 : 1.0;
  }
  return static_cast<float>(multiply_rounded(factor, numerator) / denominator);
}

/// Word `element mod 4` of the Philox block `element / 4` under `key`.
CAUSEWAY_HOST_DEVICE std::uint32_t noise_word(std::uint64_t key, std::uint64_t element) {
  const std::uint64_t index = element / 4;
  const PhiloxBlock block = philox(
      {{static_cast<std::uint32_t>(index), static_cast<std::uint32_t>(index >> 32), 0u, 0u}}, key);
  // Choosing keeps the block in registers, where an index would put it into memory.
  const std::uint32_t low = element % 2 == 0 ? block.word[0] : block.word[1];
  const std::uint32_t high = element % 2 == 0 ? block.word[2] : block.word[3];
  return element / 2 % 2 == 0 ? low : high;
}

/// The standard normal number of one element under `key` (from `noise_key`).
CAUSEWAY_HOST_DEVICE float normal_of(std::uint64_t key, std::uint64_t element) {
  return normal_of_word(noise_word(key, element));
}

}  // namespace causeway::kernels
