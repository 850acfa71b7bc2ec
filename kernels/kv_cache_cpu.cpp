// The cache of keys and values, packed once when tokens enter it.
#include <cstdint>

#include "kernels/kv_layout_cpu.hpp"

namespace causeway::kernels::CAUSEWAY_ISA {
namespace {

/// Slots [begin, end) of one panel of keys; `source` is the first of those tokens.
template <class Element>
void store_keys(const Element* source, std::int64_t stride, std::int64_t head_dim,
                std::int64_t begin, std::int64_t end, Element* panel) {
  constexpr int group = k_group<Element>;
  for (std::int64_t i = 0; i < head_dim; i += group) {
    Element* target = panel + i * panel_width;
    for (std::int64_t slot = begin; slot < end; ++slot) {
      std::uint32_t word;  // one f32 or a pair of bf16
      __builtin_memcpy(&word, source + (slot - begin) * stride + i, sizeof word);
      __builtin_memcpy(target + slot * group, &word, sizeof word);
    }
  }
}

/// One token's values into slot `slot` of a block's panel of `width` columns.
template <class Element>
void store_values(const Element* source, std::int64_t count, std::int64_t slot, std::int64_t width,
                  Element* panel) {
  constexpr int group = k_group<Element>;
  Element* target = panel + slot / group * group * width + slot % group;
  for (std::int64_t i = 0; i < count; ++i) target[i * group] = source[i];
}

/// Two tokens at once, into slots `slot` (even) and the next.
void store_value_pair(const bfloat16* first, const bfloat16* second, std::int64_t count,
                      std::int64_t slot, std::int64_t width, bfloat16* panel) {
  bfloat16* target = panel + slot * width;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::uint32_t pair = first[i].bits | static_cast<std::uint32_t>(second[i].bits) << 16;
    __builtin_memcpy(target + 2 * i, &pair, sizeof pair);
  }
}

/// Slots [begin, end), all within one panel of keys, of one head.
template <class Element>
void store_slots(const KvStoreArgs& args, std::int64_t head, std::int64_t begin, std::int64_t end) {
  const KvPlaces<Element> places(args.layout);
  auto* cache = static_cast<Element*>(args.cache);
  const std::int64_t token = begin - args.slot;
  const auto* k =
      static_cast<const Element*>(args.k.data) + token * args.k.stride[0] + head * args.k.stride[1];
  const auto* v =
      static_cast<const Element*>(args.v.data) + token * args.v.stride[0] + head * args.v.stride[1];
  const std::int64_t panel = begin / panel_width * panel_width;
  store_keys(k, args.k.stride[0], places.head_dim, begin - panel, end - panel,
             cache + places.key_panel(head, panel));
  for (std::int64_t dim = 0; dim < places.head_dim; dim += panel_width) {
    const std::int64_t width = places.value_width(dim);
    const std::int64_t count = smaller(panel_width, places.head_dim - dim);
    Element* values = cache + places.value_panel(head, begin, dim);
    for (std::int64_t slot = begin; slot < end; ++slot) {
      const Element* row = v + (slot - begin) * args.v.stride[0] + dim;
      if constexpr (k_group<Element> == 2) {
        if (slot % 2 == 0 && slot + 1 < end) {
          store_value_pair(row, row + args.v.stride[0], count, slot % kv_block, width, values);
          ++slot;
          continue;
        }
      }
      store_values(row, count, slot % kv_block, width, values);
    }
  }
}

template <class Element>
void store_tokens(const KvStoreArgs& args) {
  const std::int64_t end = args.slot + args.k.shape[0];
  const std::int64_t first_panel = args.slot / panel_width;
  const std::int64_t panels = (end + panel_width - 1) / panel_width - first_panel;
#pragma omp parallel for collapse(2) schedule(static) if (args.k.size() >= parallel_grain)
  for (std::int64_t head = 0; head < args.layout.heads; ++head) {
    for (std::int64_t panel = 0; panel < panels; ++panel) {
      const std::int64_t start = (first_panel + panel) * panel_width;
      store_slots<Element>(args, head, larger(start, args.slot), smaller(start + panel_width, end));
    }
  }
}

template <class Element>
void load_tokens(const KvLoadArgs& args) {
  constexpr int group = k_group<Element>;
  const KvPlaces<Element> places(args.layout);
  const auto* cache = static_cast<const Element*>(args.cache);
  const auto value_of = [](Element element) {
    if constexpr (group == 2) {
      return to_float(element);
    } else {
      return element;
    }
  };
  for (std::int64_t token = 0; token < args.k.shape[0]; ++token) {
    const std::int64_t slot = args.slot + token, column = slot % panel_width;
    for (std::int64_t head = 0; head < args.layout.heads; ++head) {
      const Element* keys = cache + places.key_panel(head, slot - column);
      float* k =
          static_cast<float*>(args.k.data) + token * args.k.stride[0] + head * args.k.stride[1];
      float* v =
          static_cast<float*>(args.v.data) + token * args.v.stride[0] + head * args.v.stride[1];
      for (std::int64_t i = 0; i < places.head_dim; ++i) {
        const std::int64_t dim = i / panel_width * panel_width, row = slot % kv_block;
        const Element* values = cache + places.value_panel(head, slot, dim);
        k[i] = value_of(keys[i / group * group * panel_width + column * group + i % group]);
        v[i] = value_of(values[row / group * group * places.value_width(dim) + (i - dim) * group +
                               row % group]);
      }
    }
  }
}

}  // namespace

std::size_t kv_bytes(const KvLayout& layout) {
  const std::int64_t per_head = layout.type == ElementType::bf16
                                    ? KvPlaces<bfloat16>(layout).head_elements()
                                    : KvPlaces<float>(layout).head_elements();
  return static_cast<std::size_t>(layout.heads * per_head) * bytes_of(layout.type);
}

Status kv_clear(const KvLayout& layout, void* cache, Stream) {
  if (!is_f32_or_bf16(layout.type)) return Status::unsupported_type;
  if (!is_valid(layout)) return Status::bad_shape;
  const auto bytes = static_cast<std::int64_t>(kv_bytes(layout));
  constexpr std::int64_t piece = 1 << 20;
#pragma omp parallel for schedule(static)
  for (std::int64_t at = 0; at < bytes; at += piece) {
    __builtin_memset(static_cast<unsigned char*>(cache) + at, 0,
                     static_cast<std::size_t>(smaller(piece, bytes - at)));
  }
  return Status::ok;
}

Status kv_store(const KvStoreArgs& args, Stream) {
  if (args.k.type != args.layout.type || args.v.type != args.layout.type) {
    return Status::unsupported_type;
  }
  const Status status = check_tokens(args.layout, args.slot, args.k, args.v);
  if (status != Status::ok) return status;
  if (args.layout.type == ElementType::bf16) {
    store_tokens<bfloat16>(args);
  } else {
    store_tokens<float>(args);
  }
  return Status::ok;
}

Status kv_load(const KvLoadArgs& args, Stream) {
  if (args.k.type != ElementType::f32 || args.v.type != ElementType::f32) {
    return Status::unsupported_type;
  }
  const Status status = check_tokens(args.layout, args.slot, args.k, args.v);
  if (status != Status::ok) return status;
  if (args.layout.type == ElementType::bf16) {
    load_tokens<bfloat16>(args);
  } else {
    load_tokens<float>(args);
  }
  return Status::ok;
}

}  // namespace causeway::kernels::CAUSEWAY_ISA
