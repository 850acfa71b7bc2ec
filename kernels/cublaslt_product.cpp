// One product as cuBLASLt knows it.
//
// The library thinks in columns: row-major x [rows, k] is its matrix [k × rows], and the product
// y [rows, n] = x·Wᵀ is Y [n × rows] = Wᵀ·X with W [k × n].
#include "kernels/cublaslt_product.hpp"

#include <array>

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

constexpr int most_candidates = 16;

cudaDataType_t type_of(ElementType type) {
  return type == ElementType::bf16 ? CUDA_R_16BF : CUDA_R_32F;
}

bool succeeded(cublasStatus_t status) { return status == CUBLAS_STATUS_SUCCESS; }

OwnedByUs<cublasLtMatrixLayoutOpaque_t> layout(cudaDataType_t type, std::int64_t rows,
                                               std::int64_t columns, std::int64_t leading) {
  cublasLtMatrixLayout_t made = nullptr;
  const auto status = cublasLtMatrixLayoutCreate(&made, type, static_cast<std::uint64_t>(rows),
                                                 static_cast<std::uint64_t>(columns), leading);
  return OwnedByUs<cublasLtMatrixLayoutOpaque_t>(succeeded(status) ? made : nullptr);
}

}  // namespace

template <class T>
bool CublasltProduct::set(cublasLtMatmulDescAttributes_t what, const T& value) {
  return succeeded(cublasLtMatmulDescSetAttribute(product_.get(), what, &value, sizeof value));
}

bool CublasltProduct::set_bias(const void* bias) {
  return !shape_.has_bias || set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
}

CublasltProduct::CublasltProduct(const ProductShape& shape) : shape_(shape) {
  cublasLtMatmulDesc_t made = nullptr;
  if (!succeeded(cublasLtMatmulDescCreate(&made, CUBLAS_COMPUTE_32F, CUDA_R_32F))) return;
  product_.reset(made);
  const auto epilogue = static_cast<cublasLtEpilogue_t>(
      shape.has_gelu ? (shape.has_bias ? CUBLASLT_EPILOGUE_GELU_BIAS : CUBLASLT_EPILOGUE_GELU)
                     : (shape.has_bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT));
  const cublasOperation_t transposed = CUBLAS_OP_T;
  if (!set(CUBLASLT_MATMUL_DESC_TRANSA, transposed) ||
      !set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue)) {
    product_.reset();
  }
  const auto compute = type_of(shape.compute), result = type_of(shape.result);
  weight_ = layout(compute, shape.k, shape.n, shape.k);
  x_ = layout(compute, shape.k, shape.rows, shape.x_stride);
  y_ = layout(result, shape.n, shape.rows, shape.y_stride);
}

std::vector<cublasLtMatmulAlgo_t> CublasltProduct::candidates(cublasLtHandle_t library,
                                                              const void* bias) {
  cublasLtMatmulPreference_t made = nullptr;
  if (!set_bias(bias) || !succeeded(cublasLtMatmulPreferenceCreate(&made))) return {};
  const OwnedByUs<cublasLtMatmulPreferenceOpaque_t> preference(made);
  const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t what, const auto& value) {
    return succeeded(cublasLtMatmulPreferenceSetAttribute(made, what, &value, sizeof value));
  };
  const auto alignment = [](int bytes) { return static_cast<std::uint32_t>(bytes); };
  // Where a sum is split, its parts are added in fp32, whatever the type of the result.
  const std::uint32_t reductions = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  if (!prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, cublaslt_workspace_bytes) ||
      !prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, reductions) ||
      !prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, alignment(shape_.w_alignment)) ||
      !prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, alignment(shape_.x_alignment)) ||
      !prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, alignment(shape_.y_alignment)) ||
      !prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, alignment(shape_.y_alignment))) {
    return {};
  }
  std::array<cublasLtMatmulHeuristicResult_t, most_candidates> found{};
  int count = 0;
  if (!succeeded(cublasLtMatmulAlgoGetHeuristic(library, product_.get(), weight_.get(), x_.get(),
                                                y_.get(), y_.get(), made, most_candidates,
                                                found.data(), &count))) {
    return {};
  }
  std::vector<cublasLtMatmulAlgo_t> usable;
  for (int i = 0; i < count; ++i) {
    const auto& result = found[static_cast<std::size_t>(i)];
    if (succeeded(result.state)) usable.push_back(result.algo);
  }
  return usable;
}

bool CublasltProduct::takes(cublasLtHandle_t library, const cublasLtMatmulAlgo_t& algorithm,
                            const void* bias) {
  cublasLtMatmulHeuristicResult_t result{};
  return set_bias(bias) &&
         succeeded(cublasLtMatmulAlgoCheck(library, product_.get(), weight_.get(), x_.get(),
                                           y_.get(), y_.get(), &algorithm, &result)) &&
         result.workspaceSize <= cublaslt_workspace_bytes;
}

bool CublasltProduct::run(cublasLtHandle_t library, const cublasLtMatmulAlgo_t& algorithm,
                          const void* x, const void* weight, const void* bias, void* y,
                          void* workspace, cudaStream_t stream) {
  const float one = 1.0f, kept = shape_.adds ? 1.0f : 0.0f;
  return set_bias(bias) &&
         succeeded(cublasLtMatmul(library, product_.get(), &one, weight, weight_.get(), x, x_.get(),
                                  &kept, y, y_.get(), y, y_.get(), &algorithm, workspace,
                                  cublaslt_workspace_bytes, stream));
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
