// The ceiling of this processor: multiply-adds on registers alone, by all threads.
#include <omp.h>

#include "kernels/tile_cpu.hpp"

namespace causeway::kernels::CAUSEWAY_ISA {
namespace {

#if defined(__x86_64__)
#define CAUSEWAY_IN_REGISTER "+v"
#elif defined(__aarch64__)
#define CAUSEWAY_IN_REGISTER "+w"
#else
#define CAUSEWAY_IN_REGISTER "+m"
#endif

/// Independent sums: enough to hide the latency, few enough to stay in registers.
#if defined(__AVX512F__)
constexpr int chains = 24;
#elif defined(__AVX2__)
constexpr int chains = 12;
#else
constexpr int chains = 10;
#endif
constexpr int steps_per_look = 20000;
constexpr double seconds = 0.2;

struct F32Step {
  static constexpr double flops = 2.0 * lanes;
  Floats a = splat(0.5f), b = splat(0.25f);
  Floats operator()(Floats sum) const { return multiply_add(a, b, sum); }
};

#if defined(__AVX512BF16__)
struct Bf16Step {
  static constexpr double flops = 4.0 * lanes;
  __m512bh a = (__m512bh)_mm512_set1_epi32(0x3f003f00), b = (__m512bh)_mm512_set1_epi32(0x3e803e80);
  Floats operator()(Floats sum) const { return _mm512_dpbf16_ps(sum, a, b); }
};
#endif

/// FLOP/s of the calling thread over about `seconds`.
template <class Step>
double rate_of_thread() {
  const Step step;
  Floats sums[chains] = {};
  const double start = omp_get_wtime();
  double now = start, looks = 0;
  while (now - start < seconds) {
    for (int s = 0; s < steps_per_look; ++s) {
#pragma GCC unroll 32
      for (int i = 0; i < chains; ++i) {
        sums[i] = step(sums[i]);
        // Says that the sum was looked at and changed, so that no step can be folded into another.
        __asm__ volatile("" : CAUSEWAY_IN_REGISTER(sums[i]));
      }
    }
    looks += 1;
    now = omp_get_wtime();
  }
  return looks * steps_per_look * chains * Step::flops / (now - start);
}

template <class Step>
double rate_of_all() {
  double rate = 0;
#pragma omp parallel reduction(+ : rate)
  {
#pragma omp barrier
    rate = rate_of_thread<Step>();
  }
  return rate;
}

}  // namespace

double measure_peak(ElementType compute) {
#if defined(__AVX512BF16__)
  if (compute == ElementType::bf16) return rate_of_all<Bf16Step>();
#else
  (void)compute;
#endif
  return rate_of_all<F32Step>();
}

}  // namespace causeway::kernels::CAUSEWAY_ISA
