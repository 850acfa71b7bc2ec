// Matrix products with a packed weight, or with one packed on the way, and their epilogues.
#include <omp.h>

#include <cstdint>

#include "kernels/shape_checks.hpp"
#include "kernels/weight_panel_cpu.hpp"

namespace causeway::kernels::CAUSEWAY_ISA {
namespace {

/// Rows that share a panel while both stay in the second-level cache.
constexpr int block_rows = 20 * tile_rows;
/// Bytes of one row in a block of k: 120 such rows and a panel fill half a megabyte.
constexpr std::int64_t block_bytes = 3072;
/// Multiply-adds below which one thread is faster than waking the others.
constexpr std::int64_t parallel_products = 1 << 18;

/// What `linear` and `linear_stored` have in common.
struct Product {
  ConstView x;
  std::int64_t rows = 0, n = 0, k = 0, k_block = 0;
  const float* bias = nullptr;
  Activation activation = Activation::none;
  bool accumulate = false;
  const float* gate = nullptr;
  View y;
};

/// Blocks of k, of even length and from k alone, as the order of the sums hangs on them.
template <class Element>
std::int64_t k_block_of(std::int64_t k) {
  constexpr std::int64_t most = block_bytes / static_cast<std::int64_t>(sizeof(Element));
  const std::int64_t blocks = (k + most - 1) / most;
  return round_up((k + blocks - 1) / blocks, 2);
}

bool is_matrix(const ConstView& view, std::int64_t rows, std::int64_t columns) {
  return view.rank == 2 && view.shape[0] == rows && view.shape[1] == columns &&
         (columns == 1 || view.stride[1] == 1);
}

Status check(const Product& product, ElementType compute) {
  if (!is_f32_or_bf16(compute) || product.x.type != compute) return Status::unsupported_type;
  if (!is_f32_or_bf16(product.y.type)) return Status::unsupported_type;
  if (product.accumulate && product.y.type != ElementType::f32) return Status::unsupported_type;
  if (product.gate != nullptr && !product.accumulate) return Status::bad_shape;
  const bool fits = product.x.rank == 2 && product.n >= 1 && product.k >= 1 &&
                    is_matrix(product.x, product.rows, product.k) &&
                    is_matrix(product.y, product.rows, product.n);
  return fits ? Status::ok : Status::bad_shape;
}

void activate(Activation activation, float* values, int count) {
  if (activation == Activation::gelu_tanh) {
    for (int i = 0; i < count; i += lanes) {
      const Floats x = load(values + i);
      // 2·√(2/π) and the same times 0.044715.
      const Floats z = x * multiply_add(x * x, splat(0.0713548163f), splat(1.59576912f));
      store(values + i, times_logistic(x, z));
    }
  } else if (activation == Activation::silu) {
    for (int i = 0; i < count; i += lanes) {
      const Floats x = load(values + i);
      store(values + i, times_logistic(x, x));
    }
  }
}

/// The bias and the gate of one panel, padded to its width.
struct PanelVectors {
  alignas(64) float bias[panel_width] = {};
  alignas(64) float gate[panel_width];

  PanelVectors(const Product& product, std::int64_t first, int columns) {
    for (int j = 0; j < panel_width; ++j) gate[j] = 1.0f;
    for (int j = 0; j < columns; ++j) {
      if (product.bias != nullptr) bias[j] = product.bias[first + j];
      if (product.gate != nullptr) gate[j] = product.gate[first + j];
    }
  }
};

/// Turns one row of sums into `columns` outputs y.
template <class Output>
void write_row(const Product& product, const PanelVectors& vectors, float* sums, int columns,
               Output* y) {
  alignas(64) Output result[panel_width] = {};
  const bool whole = columns == panel_width;
  if (!whole && product.accumulate) {
    for (int j = 0; j < columns; ++j) result[j] = y[j];
  }
  Output* target = whole ? y : result;
  for (int j = 0; j < panel_width; j += lanes) {
    Floats value = load(sums + j);
    if (product.accumulate) value = multiply_add(value, load(vectors.gate + j), load(target + j));
    store(target + j, value);
  }
  if (!whole) {
    for (int j = 0; j < columns; ++j) y[j] = result[j];
  }
}

void finish_rows(const Product& product, const PanelVectors& vectors, std::int64_t row, int rows,
                 std::int64_t first, int columns, float* sums) {
  for (int i = 0; i < rows * panel_width; i += lanes) {
    store(sums + i, load(sums + i) + load(vectors.bias + i % panel_width));
  }
  activate(product.activation, sums, rows * panel_width);
  for (int i = 0; i < rows; ++i) {
    const std::int64_t at = (row + i) * product.y.stride[0] + first;
    float* row_sums = sums + i * panel_width;
    if (product.y.type == ElementType::f32) {
      write_row(product, vectors, row_sums, columns, static_cast<float*>(product.y.data) + at);
    } else {
      write_row(product, vectors, row_sums, columns, static_cast<bfloat16*>(product.y.data) + at);
    }
  }
}

/// Rows [begin, end), at most block_rows of them, times the panel whose first output is `first`.
template <class Element>
void multiply_panel(const Product& product, std::int64_t begin, std::int64_t end,
                    std::int64_t first, const Element* panel) {
  alignas(64) float sums[block_rows * panel_width];
  const int columns = static_cast<int>(smaller(panel_width, product.n - first));
  const PanelVectors vectors(product, first, columns);
  const auto* x = static_cast<const Element*>(product.x.data);
  for (std::int64_t k = 0; k < product.k; k += product.k_block) {
    const std::int64_t count = smaller(product.k_block, product.k - k);
    for (std::int64_t row = begin; row < end; row += tile_rows) {
      const int rows = static_cast<int>(smaller(tile_rows, end - row));
      float* row_sums = sums + (row - begin) * panel_width;
      tile_of_rows<Element, panel_vectors>(rows, x + row * product.x.stride[0] + k,
                                           product.x.stride[0], panel + k * panel_width, count,
                                           k == 0, row_sums, panel_width);
      if (k + count == product.k) {
        finish_rows(product, vectors, row, rows, first, columns, row_sums);
      }
    }
  }
}

template <class Element>
void multiply_packed(const Product& product, const void* weight) {
  const std::int64_t panels = (product.n + panel_width - 1) / panel_width;
  const std::int64_t blocks = (product.rows + block_rows - 1) / block_rows;
  const auto* packed = static_cast<const Element*>(weight);
  const std::int64_t stride = panel_elements<Element>(product.k);
  const bool parallel = product.rows * product.n * product.k >= parallel_products;
  // Neighbouring tasks share a block of rows.
#pragma omp parallel for schedule(dynamic) if (parallel)
  for (std::int64_t task = 0; task < blocks * panels; ++task) {
    const std::int64_t block = task / panels, panel = task % panels;
    multiply_panel(product, block * block_rows, smaller((block + 1) * block_rows, product.rows),
                   panel * panel_width, packed + panel * stride);
  }
}

/// Bytes of one thread's panel in the workspace.
template <class Element>
std::int64_t slice_bytes(std::int64_t k) {
  return round_up(panel_elements<Element>(k) * static_cast<std::int64_t>(sizeof(Element)), 64);
}

template <class Element>
void multiply_stored(const Product& product, const ConstView& weight, void* workspace) {
  const std::int64_t panels = (product.n + panel_width - 1) / panel_width;
  const std::int64_t stride = slice_bytes<Element>(product.k);
  const auto skip = 63u & (64u - (reinterpret_cast<std::uintptr_t>(workspace) & 63u));
  unsigned char* slices = static_cast<unsigned char*>(workspace) + skip;
#pragma omp parallel for schedule(dynamic)
  for (std::int64_t panel = 0; panel < panels; ++panel) {
    auto* packed = reinterpret_cast<Element*>(slices + omp_get_thread_num() * stride);
    pack_panel(weight, panel * panel_width, packed);
    for (std::int64_t row = 0; row < product.rows; row += block_rows) {
      multiply_panel(product, row, smaller(row + block_rows, product.rows), panel * panel_width,
                     packed);
    }
  }
}

template <class Element>
void pack(const ConstView& weight, void* packed) {
  const std::int64_t panels = (weight.shape[0] + panel_width - 1) / panel_width;
  const std::int64_t stride = panel_elements<Element>(weight.shape[1]);
#pragma omp parallel for schedule(static) if (weight.size() >= parallel_grain)
  for (std::int64_t panel = 0; panel < panels; ++panel) {
    pack_panel(weight, panel * panel_width, static_cast<Element*>(packed) + panel * stride);
  }
}

}  // namespace

std::size_t linear_packed_bytes(std::int64_t n, std::int64_t k, ElementType compute) {
  const std::int64_t elements =
      compute == ElementType::bf16 ? panel_elements<bfloat16>(k) : panel_elements<float>(k);
  return static_cast<std::size_t>((n + panel_width - 1) / panel_width * elements) *
         bytes_of(compute);
}

Status linear_pack(ConstView weight, ElementType compute, void* packed, Stream) {
  if (!is_stored_type(weight.type) || !is_f32_or_bf16(compute)) return Status::unsupported_type;
  if (weight.rank != 2 || !is_matrix(weight, weight.shape[0], weight.shape[1]))
    return Status::bad_shape;
  if (compute == ElementType::bf16) {
    pack<bfloat16>(weight, packed);
  } else {
    pack<float>(weight, packed);
  }
  return Status::ok;
}

Status linear(const LinearArgs& args, Stream) {
  Product product{args.x,    args.x.shape[0], args.n,          args.k,    0,
                  args.bias, args.activation, args.accumulate, args.gate, args.y};
  if (const Status status = check(product, args.compute); status != Status::ok) return status;
  if (args.compute == ElementType::bf16) {
    product.k_block = k_block_of<bfloat16>(args.k);
    multiply_packed<bfloat16>(product, args.weight);
  } else {
    product.k_block = k_block_of<float>(args.k);
    multiply_packed<float>(product, args.weight);
  }
  return Status::ok;
}

std::size_t linear_stored_workspace(std::int64_t k, ElementType compute) {
  const std::int64_t slice =
      compute == ElementType::bf16 ? slice_bytes<bfloat16>(k) : slice_bytes<float>(k);
  return static_cast<std::size_t>(slice * omp_get_max_threads() + 63);
}

Status linear_stored(const LinearStoredArgs& args, Stream) {
  if (args.weight.rank != 2 || !args.weight.is_contiguous()) return Status::bad_shape;
  if (!is_stored_type(args.weight.type)) return Status::unsupported_type;
  const std::int64_t n = args.weight.shape[0], k = args.weight.shape[1];
  Product product{args.x,    args.x.shape[0], n,     k,       0,
                  args.bias, args.activation, false, nullptr, args.y};
  if (const Status status = check(product, args.compute); status != Status::ok) return status;
  if (args.compute == ElementType::bf16) {
    product.k_block = k_block_of<bfloat16>(k);
    multiply_stored<bfloat16>(product, args.weight, args.workspace);
  } else {
    product.k_block = k_block_of<float>(k);
    multiply_stored<float>(product, args.weight, args.workspace);
  }
  return Status::ok;
}

}  // namespace causeway::kernels::CAUSEWAY_ISA
