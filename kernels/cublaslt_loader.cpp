// cuBLASLt's functions, found in its library at their first call.
#include <cublasLt.h>

#include <string>

#include "kernels/cuda_libraries.hpp"
#include "kernels/opened_library.hpp"

namespace {

/// The version whose header this file is compiled with.
const causeway::kernels::OpenedLibrary& library() {
  static const causeway::kernels::OpenedLibrary opened(
      "libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR), CAUSEWAY_CUDA_LIBRARY_DIR);
  return opened;
}

template <auto function, class... Arguments>
cublasStatus_t call(const char* name, Arguments... arguments) {
  return causeway::kernels::call_in<function>(library(), CUBLAS_STATUS_NOT_INITIALIZED, name,
                                              arguments...);
}

}  // namespace

const char* causeway::kernels::cublaslt_problem() {
  return library().problem().empty() ? nullptr : library().problem().c_str();
}

extern "C" {

size_t cublasLtGetVersion() {
  const auto found =
      causeway::kernels::find_in<&cublasLtGetVersion>(library(), "cublasLtGetVersion");
  return found == nullptr ? 0 : found();
}
cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  return call<&cublasLtCreate>("cublasLtCreate", handle);
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  return call<&cublasLtDestroy>("cublasLtDestroy", handle);
}
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* product, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  return call<&cublasLtMatmulDescCreate>("cublasLtMatmulDescCreate", product, compute, scale);
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t product) {
  return call<&cublasLtMatmulDescDestroy>("cublasLtMatmulDescDestroy", product);
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t product,
                                              cublasLtMatmulDescAttributes_t what,
                                              const void* value, size_t bytes) {
  return call<&cublasLtMatmulDescSetAttribute>("cublasLtMatmulDescSetAttribute", product, what,
                                               value, bytes);
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type,
                                          uint64_t rows, uint64_t columns, int64_t leading) {
  return call<&cublasLtMatrixLayoutCreate>("cublasLtMatrixLayoutCreate", layout, type, rows,
                                           columns, leading);
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return call<&cublasLtMatrixLayoutDestroy>("cublasLtMatrixLayoutDestroy", layout);
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  return call<&cublasLtMatmulPreferenceCreate>("cublasLtMatmulPreferenceCreate", preference);
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return call<&cublasLtMatmulPreferenceDestroy>("cublasLtMatmulPreferenceDestroy", preference);
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t what,
                                                    const void* value, size_t bytes) {
  return call<&cublasLtMatmulPreferenceSetAttribute>("cublasLtMatmulPreferenceSetAttribute",
                                                     preference, what, value, bytes);
}
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t product,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t results[],
                                              int* found) {
  return call<&cublasLtMatmulAlgoGetHeuristic>("cublasLtMatmulAlgoGetHeuristic", handle, product, a,
                                               b, c, d, preference, wanted, results, found);
}
cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t handle, cublasLtMatmulDesc_t product,
                                       cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                       cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                       const cublasLtMatmulAlgo_t* algorithm,
                                       cublasLtMatmulHeuristicResult_t* result) {
  return call<&cublasLtMatmulAlgoCheck>("cublasLtMatmulAlgoCheck", handle, product, a, b, c, d,
                                        algorithm, result);
}
cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t product,
                              const void* alpha, const void* a, cublasLtMatrixLayout_t a_layout,
                              const void* b, cublasLtMatrixLayout_t b_layout, const void* beta,
                              const void* c, cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t* algorithm, void* workspace, size_t bytes,
                              cudaStream_t stream) {
  return call<&cublasLtMatmul>("cublasLtMatmul", handle, product, alpha, a, a_layout, b, b_layout,
                               beta, c, c_layout, d, d_layout, algorithm, workspace, bytes, stream);
}

}  // extern "C"
