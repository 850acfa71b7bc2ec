// One product as cuBLASLt knows it; private to the files that speak to the library.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <memory>
#include <vector>

#include "kernels/cublaslt.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {

constexpr std::size_t cublaslt_workspace_bytes = std::size_t{32} << 20;  ///< NVIDIA's advice

/// Gives back what the library made.
struct ReleaseCublaslt {
  void operator()(cublasLtContext* handle) const { cublasLtDestroy(handle); }
  void operator()(cublasLtMatmulDescOpaque_t* product) const { cublasLtMatmulDescDestroy(product); }
  void operator()(cublasLtMatrixLayoutOpaque_t* layout) const {
    cublasLtMatrixLayoutDestroy(layout);
  }
  void operator()(cublasLtMatmulPreferenceOpaque_t* preference) const {
    cublasLtMatmulPreferenceDestroy(preference);
  }
};
template <class T>
using OwnedByUs = std::unique_ptr<T, ReleaseCublaslt>;

class CublasltProduct {
 public:
  explicit CublasltProduct(const ProductShape& shape);

  /// Whether the library took the description.
  bool sound() const { return product_ && weight_ && x_ && y_; }

  /// The library's candidates, the likeliest first. `bias` only tells its alignment.
  std::vector<cublasLtMatmulAlgo_t> candidates(cublasLtHandle_t library, const void* bias);

  /// Whether the library still takes an algorithm that was written down.
  bool takes(cublasLtHandle_t library, const cublasLtMatmulAlgo_t& algorithm, const void* bias);

  /// Starts it; false where the library refused. The bias has the type of the result.
  bool run(cublasLtHandle_t library, const cublasLtMatmulAlgo_t& algorithm, const void* x,
           const void* weight, const void* bias, void* y, void* workspace, cudaStream_t stream);

 private:
  template <class T>
  bool set(cublasLtMatmulDescAttributes_t what, const T& value);
  bool set_bias(const void* bias);

  ProductShape shape_;
  OwnedByUs<cublasLtMatmulDescOpaque_t> product_;
  OwnedByUs<cublasLtMatrixLayoutOpaque_t> weight_, x_, y_;
};

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
