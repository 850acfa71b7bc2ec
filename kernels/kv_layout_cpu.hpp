// Where keys and values lie in the CPU backend's cache: in panels for the register tile.
//
// Slots are grouped into blocks of `kv_block`. Per head: first all keys, then all values.
//   keys:   [slots/panel_width] panels of [head_dim][panel_width]      (k = dimension, columns =
//   slots) values: [slots/kv_block] blocks, each of panels of dimensions; a panel of w dimensions
//   is
//           [kv_block][w]                                              (k = slot, columns =
//           dimensions)
// with pairs along k lying together in bf16 (see tile_cpu.hpp).
#pragma once

#include <cstdint>

#include "kernels/shape_checks.hpp"
#include "kernels/tile_cpu.hpp"

namespace causeway::kernels::CAUSEWAY_ISA {
namespace {

/// Slots whose scores are taken together; fixed, as the order of sums hangs on it.
constexpr int kv_block = 256;
static_assert(kv_block % panel_width == 0);

template <class Element>
struct KvPlaces {
  std::int64_t head_dim, slots;

  explicit KvPlaces(const KvLayout& layout)
      : head_dim(layout.head_dim), slots(round_up(layout.capacity, kv_block)) {}

  /// Dimensions with padding, to whole vectors.
  std::int64_t padded_dim() const { return round_up(head_dim, lanes); }
  std::int64_t keys_per_head() const { return slots * round_up(head_dim, k_group<Element>); }
  std::int64_t head_elements() const { return keys_per_head() + slots * padded_dim(); }

  /// The panel of keys that holds slot `slot`, a multiple of panel_width.
  std::int64_t key_panel(std::int64_t head, std::int64_t slot) const {
    return head * head_elements() + slot * round_up(head_dim, k_group<Element>);
  }
  /// The panel of values of dimensions from `dim`, a multiple of panel_width, in block
  /// slot/kv_block.
  std::int64_t value_panel(std::int64_t head, std::int64_t slot, std::int64_t dim) const {
    return head * head_elements() + keys_per_head() + slot / kv_block * kv_block * padded_dim() +
           dim * kv_block;
  }
  /// Columns of the panel that starts at dimension `dim`.
  std::int64_t value_width(std::int64_t dim) const {
    return smaller(panel_width, padded_dim() - dim);
  }
};

}  // namespace
}  // namespace causeway::kernels::CAUSEWAY_ISA
