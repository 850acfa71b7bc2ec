// A stand-in for cuBLASLt: products of columns in float64, three algorithms, and strict manners.
#include "support/cublaslt_on_host/cublaslt_on_host.hpp"

#include <cublasLt.h>

#include <array>
#include <atomic>
#include <cmath>
#include <cstring>
#include <optional>

#include "kernels/bfloat16.hpp"

/// The true library lets streams share a handle, but not the memory that products work in.
struct cublasLtContext {
  std::optional<cudaStream_t> stream;
};
struct cublasLtMatmulDescOpaque_t {
  cublasOperation_t a = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
};
struct cublasLtMatrixLayoutOpaque_t {
  cudaDataType_t type;
  std::uint64_t rows, columns;
  std::int64_t leading;
};
struct cublasLtMatmulPreferenceOpaque_t {
  std::uint64_t workspace = 0;
  std::uint32_t reductions = 7;
  std::uint32_t alignment[4] = {256, 256, 256, 256};  // of a, b, c, d
};

namespace {

constexpr std::size_t needed_workspace = 1024;
std::array<std::atomic<int>, 3> runs{};

bool has_bias(const cublasLtMatmulDescOpaque_t& product) {
  return product.epilogue == CUBLASLT_EPILOGUE_BIAS ||
         product.epilogue == CUBLASLT_EPILOGUE_GELU_BIAS;
}

struct Problem {
  const cublasLtMatmulDescOpaque_t* product;
  const cublasLtMatrixLayoutOpaque_t *a, *b, *c, *d;

  std::uint64_t m() const { return product->a == CUBLAS_OP_T ? a->columns : a->rows; }
  std::uint64_t k() const { return product->a == CUBLAS_OP_T ? a->rows : a->columns; }
  bool sound() const {
    const auto fits = [](const auto* layout) {
      return layout->rows > 0 && layout->columns > 0 &&
             layout->leading >= static_cast<std::int64_t>(layout->rows);
    };
    return fits(a) && fits(b) && fits(c) && fits(d) && a->type == b->type && c->type == d->type &&
           (a->type == CUDA_R_16BF || d->type == CUDA_R_32F) && b->rows == k() && d->rows == m() &&
           d->columns == b->columns && c->rows == d->rows && c->columns == d->columns &&
           c->leading == d->leading && (!has_bias(*product) || product->bias != nullptr);
  }
  /// As the true library: nothing for some odd things.
  bool supported() const { return k() != 1; }
  std::uint64_t signature() const {
    std::uint64_t mixed = 7;
    for (const std::uint64_t word :
         {m(), k(), d->columns, static_cast<std::uint64_t>(b->leading),
          static_cast<std::uint64_t>(d->leading), static_cast<std::uint64_t>(a->type),
          static_cast<std::uint64_t>(d->type), static_cast<std::uint64_t>(product->epilogue)}) {
      mixed = mixed * 1000003 + word;
    }
    return mixed;
  }
};

double read(const void* data, cudaDataType_t type, std::uint64_t at) {
  if (type == CUDA_R_32F) return static_cast<double>(static_cast<const float*>(data)[at]);
  return static_cast<double>(causeway::to_float(static_cast<const causeway::bfloat16*>(data)[at]));
}
void write(void* data, cudaDataType_t type, std::uint64_t at, double value) {
  if (type == CUDA_R_32F) {
    static_cast<float*>(data)[at] = static_cast<float>(value);
  } else {
    static_cast<causeway::bfloat16*>(data)[at] = causeway::to_bfloat16(static_cast<float>(value));
  }
}

/// The value of an attribute goes into its field.
template <class Field>
cublasStatus_t take(Field& field, const void* value, std::size_t bytes) {
  if (bytes != sizeof field) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&field, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

bool is_aligned(const void* pointer, std::uint32_t bytes) {
  return reinterpret_cast<std::uintptr_t>(pointer) % bytes == 0;
}

double gelu(double x) {
  return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / M_PI) * (x + 0.044715 * x * x * x)));
}

void multiply(const Problem& p, double alpha, const void* a, const void* b, double beta,
              const void* c, void* d) {
  const auto gelu_bit = static_cast<unsigned>(CUBLASLT_EPILOGUE_GELU);
  for (std::uint64_t column = 0; column < p.d->columns; ++column) {
    for (std::uint64_t row = 0; row < p.m(); ++row) {
      double sum = 0;
      for (std::uint64_t i = 0; i < p.k(); ++i) {
        const auto a_leading = static_cast<std::uint64_t>(p.a->leading);
        const std::uint64_t a_at =
            p.product->a == CUBLAS_OP_T ? row * a_leading + i : i * a_leading + row;
        const std::uint64_t b_at = column * static_cast<std::uint64_t>(p.b->leading) + i;
        sum += read(a, p.a->type, a_at) * read(b, p.b->type, b_at);
      }
      const std::uint64_t at = column * static_cast<std::uint64_t>(p.d->leading) + row;
      double value = alpha * sum;
      if (beta != 0.0) value += beta * read(c, p.c->type, at);
      // The type of the bias is that of the result.
      if (has_bias(*p.product)) value += read(p.product->bias, p.d->type, row);
      if ((static_cast<unsigned>(p.product->epilogue) & gelu_bit) != 0) value = gelu(value);
      write(d, p.d->type, at, value);
    }
  }
}

}  // namespace

namespace causeway::testing {
int cublaslt_on_host_runs(int algorithm) { return runs.at(static_cast<std::size_t>(algorithm)); }
}  // namespace causeway::testing

using namespace causeway::testing;

std::size_t cublasLtGetVersion() { return 1; }
cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = new cublasLtContext;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* product, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  if (compute != CUBLAS_COMPUTE_32F || scale != CUDA_R_32F) return CUBLAS_STATUS_INVALID_VALUE;
  *product = new cublasLtMatmulDescOpaque_t;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t product) {
  delete product;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t product,
                                              cublasLtMatmulDescAttributes_t what,
                                              const void* value, std::size_t bytes) {
  switch (what) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return take(product->a, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return take(product->epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return take(product->bias, value, bytes);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType_t type,
                                          std::uint64_t rows, std::uint64_t columns,
                                          std::int64_t leading) {
  *layout = new cublasLtMatrixLayoutOpaque_t{type, rows, columns, leading};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  delete layout;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  *preference = new cublasLtMatmulPreferenceOpaque_t;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  delete preference;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t what,
                                                    const void* value, std::size_t bytes) {
  if (what == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES)
    return take(preference->workspace, value, bytes);
  if (what == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK)
    return take(preference->reductions, value, bytes);
  return take(preference->alignment[what - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value,
              bytes);
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t product,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[],
                                              int* found) {
  const Problem problem{product, a, b, c, d};
  // A sum that is split must not be added up in the type of the result.
  if (!problem.sound() || preference->workspace < needed_workspace ||
      preference->reductions != CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  *found = 0;
  if (!problem.supported()) return CUBLAS_STATUS_NOT_SUPPORTED;
  bool aligned = true;
  for (const std::uint32_t bytes : preference->alignment) aligned = aligned && bytes >= 16;
  for (int algorithm = 0; algorithm < 3 && *found < wanted; ++algorithm) {
    if (algorithm == slow_algorithm && !aligned) continue;
    auto& result = results[(*found)++];
    result = {};
    result.algo.data[0] = problem.signature();
    result.algo.data[1] = static_cast<std::uint64_t>(algorithm);
    result.workspaceSize = needed_workspace;
    result.state = CUBLAS_STATUS_SUCCESS;
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t, cublasLtMatmulDesc_t product,
                                       cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                       cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                       const cublasLtMatmulAlgo_t* algorithm,
                                       cublasLtMatmulHeuristicResult_t* result) {
  const Problem problem{product, a, b, c, d};
  if (!problem.sound() || !problem.supported() || algorithm->data[0] != problem.signature() ||
      algorithm->data[1] >= runs.size()) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  result->workspaceSize = needed_workspace;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t product,
                              const void* alpha, const void* a, cublasLtMatrixLayout_t a_layout,
                              const void* b, cublasLtMatrixLayout_t b_layout, const void* beta,
                              const void* c, cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t* algorithm, void* workspace,
                              std::size_t bytes, cudaStream_t stream) {
  if (!handle->stream) handle->stream = stream;
  if (*handle->stream != stream || !cuda_on_host::is_memory_of(workspace, stream)) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  cuda_on_host::note_work(stream);
  cuda_on_host::note_library_call();
  const Problem problem{product, a_layout, b_layout, c_layout, d_layout};
  if (!problem.sound() || algorithm == nullptr || algorithm->data[0] != problem.signature() ||
      algorithm->data[1] >= runs.size() || workspace == nullptr || bytes < needed_workspace) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  ++runs[algorithm->data[1]];
  if (algorithm->data[1] == algorithm_that_fails) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (algorithm->data[1] == slow_algorithm) {
    for (const void* pointer : {a, b, c, static_cast<const void*>(d)}) {
      if (!is_aligned(pointer, 16)) return CUBLAS_STATUS_EXECUTION_FAILED;
    }
    cuda_on_host::pass_time(1e6);  // more than this process could lose to others meanwhile
  }
  multiply(problem, static_cast<double>(*static_cast<const float*>(alpha)), a, b,
           static_cast<double>(*static_cast<const float*>(beta)), c, d);
  std::memset(workspace, 0x5a, needed_workspace);  // nobody else's numbers may lie there
  return CUBLAS_STATUS_SUCCESS;
}
