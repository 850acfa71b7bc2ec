// Matrix products by cuBLASLt: for every shape the fastest of the algorithms that it offers.
//
// The library thinks in columns: row-major x [rows, k] is its matrix [k × rows], and the product
// y [rows, n] = x·Wᵀ is Y [n × rows] = Wᵀ·X with W [k × n].
#include "kernels/cublaslt.hpp"

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <array>
#include <exception>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "kernels/bfloat16.hpp"
#include "kernels/cuda_backend.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

constexpr std::size_t workspace_bytes = std::size_t{32} << 20;  ///< NVIDIA's advice for Hopper
constexpr int most_candidates = 16;
constexpr int timed_runs = 3;

/// A line of `choices`: the shape, then the algorithm.
void write(std::ostream& line, const ProductShape& s, const cublasLtMatmulAlgo_t& algorithm) {
  line << s.rows << ' ' << s.n << ' ' << s.k << ' ' << s.x_stride << ' ' << s.y_stride << ' '
       << static_cast<int>(s.compute) << ' ' << static_cast<int>(s.result) << ' ' << s.has_bias
       << ' ' << s.has_gelu << ' ' << s.adds << ' ' << s.x_alignment << ' ' << s.w_alignment << ' '
       << s.y_alignment;
  for (const auto word : algorithm.data) line << ' ' << word;
  line << '\n';
}

bool read(std::istream& line, ProductShape& s, cublasLtMatmulAlgo_t& algorithm) {
  int compute = 0, result = 0;
  line >> s.rows >> s.n >> s.k >> s.x_stride >> s.y_stride >> compute >> result >> s.has_bias >>
      s.has_gelu >> s.adds >> s.x_alignment >> s.w_alignment >> s.y_alignment;
  s.compute = static_cast<ElementType>(compute);
  s.result = static_cast<ElementType>(result);
  for (auto& word : algorithm.data) line >> word;
  return !line.fail();
}

cudaDataType_t type_of(ElementType type) {
  return type == ElementType::bf16 ? CUDA_R_16BF : CUDA_R_32F;
}

bool succeeded(cublasStatus_t status) { return status == CUBLAS_STATUS_SUCCESS; }

struct Release {
  void operator()(cublasLtContext* handle) const { cublasLtDestroy(handle); }
  void operator()(cublasLtMatmulDescOpaque_t* product) const { cublasLtMatmulDescDestroy(product); }
  void operator()(cublasLtMatrixLayoutOpaque_t* layout) const {
    cublasLtMatrixLayoutDestroy(layout);
  }
  void operator()(cublasLtMatmulPreferenceOpaque_t* preference) const {
    cublasLtMatmulPreferenceDestroy(preference);
  }
  void operator()(void* memory) const { cudaFree(memory); }
};
template <class T>
using Owned = std::unique_ptr<T, Release>;

Owned<void> allocate(std::size_t bytes) {
  void* pointer = nullptr;
  return Owned<void>(cudaMalloc(&pointer, bytes) == cudaSuccess ? pointer : nullptr);
}

Owned<cublasLtMatrixLayoutOpaque_t> layout(cudaDataType_t type, std::int64_t rows,
                                           std::int64_t columns, std::int64_t leading) {
  cublasLtMatrixLayout_t made = nullptr;
  const auto status = cublasLtMatrixLayoutCreate(&made, type, static_cast<std::uint64_t>(rows),
                                                 static_cast<std::uint64_t>(columns), leading);
  return Owned<cublasLtMatrixLayoutOpaque_t>(succeeded(status) ? made : nullptr);
}

/// A product as the library knows it, with the algorithm that was chosen.
class Product {
 public:
  explicit Product(const ProductShape& shape) : shape_(shape) {
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

  bool sound() const { return product_ && weight_ && x_ && y_; }

  /// The library's candidates, the likeliest first. `bias` only tells its alignment.
  std::vector<cublasLtMatmulAlgo_t> candidates(cublasLtHandle_t library, const void* bias) {
    cublasLtMatmulPreference_t made = nullptr;
    if (!set_bias(bias) || !succeeded(cublasLtMatmulPreferenceCreate(&made))) return {};
    const Owned<cublasLtMatmulPreferenceOpaque_t> preference(made);
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t what, const auto& value) {
      return succeeded(cublasLtMatmulPreferenceSetAttribute(made, what, &value, sizeof value));
    };
    const auto alignment = [](int bytes) { return static_cast<std::uint32_t>(bytes); };
    if (!prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace_bytes) ||
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

  /// Whether the library still takes an algorithm that was written down.
  bool takes(cublasLtHandle_t library, const cublasLtMatmulAlgo_t& algorithm) const {
    cublasLtMatmulHeuristicResult_t result{};
    return succeeded(cublasLtMatmulAlgoCheck(library, product_.get(), weight_.get(), x_.get(),
                                             y_.get(), y_.get(), &algorithm, &result)) &&
           result.workspaceSize <= workspace_bytes;
  }

  bool run(cublasLtHandle_t library, const cublasLtMatmulAlgo_t& algorithm, const void* x,
           const void* weight, const void* bias, void* y, void* workspace, cudaStream_t stream) {
    const float one = 1.0f, kept = shape_.adds ? 1.0f : 0.0f;
    return set_bias(bias) &&
           succeeded(cublasLtMatmul(library, product_.get(), &one, weight, weight_.get(), x,
                                    x_.get(), &kept, y, y_.get(), y, y_.get(), &algorithm,
                                    workspace, workspace_bytes, stream));
  }

  std::optional<cublasLtMatmulAlgo_t> chosen;

 private:
  template <class T>
  bool set(cublasLtMatmulDescAttributes_t what, const T& value) {
    return succeeded(cublasLtMatmulDescSetAttribute(product_.get(), what, &value, sizeof value));
  }
  bool set_bias(const void* bias) {
    return !shape_.has_bias || set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  }

  ProductShape shape_;
  Owned<cublasLtMatmulDescOpaque_t> product_;
  Owned<cublasLtMatrixLayoutOpaque_t> weight_, x_, y_;
};

/// The library on this process's device, and all products that it was asked for.
class Library {
 public:
  Library() {
    cublasLtHandle_t made = nullptr;
    if (succeeded(cublasLtCreate(&made))) handle_.reset(made);
  }

  /// `unsupported_type` where the library has no algorithm for this shape.
  Status multiply(const ProductShape& shape, const void* x, const void* weight, const float* bias,
                  void* y, cudaStream_t stream) {
    const std::lock_guard lock(mutex_);
    Workspace* const workspace = handle_ ? workspace_of(stream, shape.n) : nullptr;
    if (workspace == nullptr) return Status::backend_failure;
    const void* const right_bias = bias_for(shape, bias, *workspace, stream);
    if (shape.has_bias && right_bias == nullptr) return Status::backend_failure;
    Product& product = products_.try_emplace(shape, shape).first->second;
    if (!product.sound()) return Status::unsupported_type;
    if (!product.chosen) {
      product.chosen = choose(product, shape, x, weight, right_bias, *workspace, stream);
    }
    if (!product.chosen) return Status::unsupported_type;
    return product.run(handle_.get(), *product.chosen, x, weight, right_bias, y,
                       workspace->memory.get(), stream)
               ? Status::ok
               : Status::backend_failure;
  }

  std::string choices() {
    const std::lock_guard lock(mutex_);
    std::ostringstream text;
    text << header() << '\n';
    for (const auto& [shape, product] : products_) {
      if (product.chosen) write(text, shape, *product.chosen);
    }
    return text.str();
  }

  void use_choices(const std::string& choices) {
    const std::lock_guard lock(mutex_);
    std::istringstream text(choices);
    std::string line;
    if (!std::getline(text, line) || line != header()) return;
    while (std::getline(text, line)) {
      std::istringstream fields(line);
      ProductShape shape;
      cublasLtMatmulAlgo_t algorithm{};
      if (read(fields, shape, algorithm)) written_down_.insert_or_assign(shape, algorithm);
    }
  }

 private:
  /// Of one stream: two streams must not share it.
  struct Workspace {
    Owned<void> memory, bias;
    std::int64_t outputs = 0;  ///< that `bias` has room for
  };

  Workspace* workspace_of(cudaStream_t stream, std::int64_t outputs) {
    Workspace& found = workspaces_[stream];
    if (!found.memory) found.memory = allocate(workspace_bytes);
    if (found.outputs < outputs) {
      // The old one may still be read by work under way; freeing it waits for that.
      found.bias = allocate(static_cast<std::size_t>(outputs) * sizeof(bfloat16));
      found.outputs = found.bias ? outputs : 0;
    }
    return found.memory && found.bias ? &found : nullptr;
  }

  /// The bias in the type of the result, the only one that the library takes.
  const void* bias_for(const ProductShape& shape, const float* bias, Workspace& workspace,
                       cudaStream_t stream) {
    if (!shape.has_bias || shape.result == ElementType::f32) {
      return bias;
    }
    const View rounded = view_of(workspace.bias.get(), ElementType::bf16, {shape.n});
    const Status status =
        convert(const_view_of(bias, ElementType::f32, {shape.n}), rounded, stream);
    return status == Status::ok ? rounded.data : nullptr;
  }

  /// What was written down, or the fastest candidate; the result of trials goes elsewhere.
  std::optional<cublasLtMatmulAlgo_t> choose(Product& product, const ProductShape& shape,
                                             const void* x, const void* weight, const void* bias,
                                             Workspace& workspace, cudaStream_t stream) {
    const auto known = written_down_.find(shape);
    if (known != written_down_.end() && product.takes(handle_.get(), known->second)) {
      return known->second;
    }
    const auto candidates = product.candidates(handle_.get(), bias);
    const auto bytes =
        static_cast<std::size_t>(shape.rows * shape.y_stride) * bytes_of(shape.result);
    // As far from an even address as y, so that the same algorithms can run.
    const std::size_t offset = static_cast<std::size_t>(shape.y_alignment) % 256;
    const Owned<void> elsewhere = allocate(bytes + offset);
    if (!elsewhere) return candidates.empty() ? std::nullopt : std::optional(candidates.front());
    void* const y = static_cast<char*>(elsewhere.get()) + offset;
    if (cudaMemsetAsync(elsewhere.get(), 0, bytes + offset, stream) != cudaSuccess) return {};
    std::optional<cublasLtMatmulAlgo_t> fastest;
    float least = std::numeric_limits<float>::infinity();
    for (const auto& candidate : candidates) {
      const auto once = [&] {
        return product.run(handle_.get(), candidate, x, weight, bias, y, workspace.memory.get(),
                           stream);
      };
      const std::optional<float> milliseconds = time(once, stream);
      if (milliseconds && *milliseconds < least) {
        least = *milliseconds;
        fastest = candidate;
      }
    }
    return fastest;
  }

  /// Milliseconds of some runs after a first one; nothing if one failed.
  template <class Run>
  static std::optional<float> time(Run run, cudaStream_t stream) {
    cudaEvent_t begin = nullptr, end = nullptr;
    float milliseconds = 0.0f;
    bool fine = cudaEventCreate(&begin) == cudaSuccess && cudaEventCreate(&end) == cudaSuccess &&
                run() && cudaEventRecord(begin, stream) == cudaSuccess;
    for (int i = 0; i < timed_runs; ++i) fine = fine && run();
    fine = fine && cudaEventRecord(end, stream) == cudaSuccess &&
           cudaEventSynchronize(end) == cudaSuccess &&
           cudaEventElapsedTime(&milliseconds, begin, end) == cudaSuccess;
    if (begin != nullptr) cudaEventDestroy(begin);
    if (end != nullptr) cudaEventDestroy(end);
    return fine ? std::optional(milliseconds) : std::nullopt;
  }

  static std::string header() {
    int device = 0, processors = 0, major = 0, minor = 0;
    const bool known =
        cudaGetDevice(&device) == cudaSuccess &&
        cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, device) ==
            cudaSuccess &&
        cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess &&
        cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device) == cudaSuccess;
    std::ostringstream text;
    text << "cuBLASLt " << cublasLtGetVersion() << " on compute capability " << major << '.'
         << minor << " with " << (known ? processors : 0) << " multiprocessors";
    return text.str();
  }

  std::mutex mutex_;
  Owned<cublasLtContext> handle_;
  std::map<cudaStream_t, Workspace> workspaces_;
  std::map<ProductShape, Product> products_;
  std::map<ProductShape, cublasLtMatmulAlgo_t> written_down_;
};

Library& library() {
  // Never taken down: CUDA may have ended before the last destructors run.
  static Library& made = *new Library;
  return made;
}

}  // namespace

Status cublaslt_product(const ProductShape& shape, const void* x, const void* weight,
                        const float* bias, void* y, Stream stream) {
  try {
    return library().multiply(shape, x, weight, bias, y, static_cast<cudaStream_t>(stream));
  } catch (const std::exception&) {
    return Status::backend_failure;
  }
}

std::string cublaslt_choices() { return library().choices(); }

void cublaslt_use_choices(const std::string& text) { library().use_choices(text); }

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
