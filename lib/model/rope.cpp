// Tables of the rotary embedding.
#include "model/rope.hpp"

#include <cmath>
#include <vector>

namespace causeway {
namespace {

/// θ_i = 10000^(−2i/(2·pairs)), i = 0 … pairs − 1.
std::vector<double> spectrum(std::int64_t pairs) {
  std::vector<double> theta(static_cast<std::size_t>(pairs));
  for (std::int64_t i = 0; i < pairs; ++i) {
    theta[static_cast<std::size_t>(i)] =
        std::pow(10000.0, -static_cast<double>(2 * i) / static_cast<double>(2 * pairs));
  }
  return theta;
}

float* write_axis(float* out, const std::vector<double>& theta, std::int64_t position) {
  for (const double frequency : theta) {
    const double angle = static_cast<double>(position) * frequency;
    *out++ = static_cast<float>(std::cos(angle));
    *out++ = static_cast<float>(std::sin(angle));
  }
  return out;
}

}  // namespace

RopePairs rope_pairs(std::int64_t head_dim) {
  const std::int64_t pairs = head_dim / 2;
  return {pairs - 2 * (pairs / 3), pairs / 3, pairs / 3};
}

Tensor rope_table(std::int64_t head_dim, std::int64_t first_frame, std::int64_t rows,
                  std::int64_t columns, std::int64_t first_token, std::int64_t count) {
  const RopePairs pairs = rope_pairs(head_dim);
  const auto time = spectrum(pairs.time), height = spectrum(pairs.height),
             width = spectrum(pairs.width);
  Tensor table(ElementType::f32, {count, head_dim / 2, 2});
  float* out = table.f32();
  for (std::int64_t token = first_token; token < first_token + count; ++token) {
    out = write_axis(out, time, first_frame + token / (rows * columns));
    out = write_axis(out, height, token / columns % rows);
    out = write_axis(out, width, token % columns);
  }
  return table;
}

}  // namespace causeway
