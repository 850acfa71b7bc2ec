// Matrix products by cuBLASLt: for every shape the fastest of the algorithms that it offers.
#include "kernels/cublaslt.hpp"

#include <exception>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "kernels/bfloat16.hpp"
#include "kernels/cublaslt_product.hpp"
#include "kernels/cuda_backend.hpp"
#include "kernels/device_memory_cuda.hpp"
#include "kernels/stream_states.hpp"
#include "kernels/timing_cuda.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

/// A line of `choices`: the shape, then the algorithm.
void write(std::ostream& line, const ProductShape& s, const cublasLtMatmulAlgo_t& algorithm) {
  line << s.rows << ' ' << s.n << ' ' << s.k << ' ' << s.x_stride << ' ' << s.y_stride << ' '
       << static_cast<int>(s.compute) << ' ' << static_cast<int>(s.result) << ' ' << s.has_bias
       << ' ' << s.has_gelu << ' ' << s.adds << ' ' << s.x_alignment << ' ' << s.w_alignment << ' '
       << s.y_alignment << ' ' << s.bias_alignment;
  for (const auto word : algorithm.data) line << ' ' << word;
  line << '\n';
}

bool read(std::istream& line, ProductShape& s, cublasLtMatmulAlgo_t& algorithm) {
  int compute = 0, result = 0;
  line >> s.rows >> s.n >> s.k >> s.x_stride >> s.y_stride >> compute >> result >> s.has_bias >>
      s.has_gelu >> s.adds >> s.x_alignment >> s.w_alignment >> s.y_alignment >> s.bias_alignment;
  s.compute = static_cast<ElementType>(compute);
  s.result = static_cast<ElementType>(result);
  for (auto& word : algorithm.data) line >> word;
  return !line.fail();
}

/// A product, and the algorithm that was chosen for it once it was looked for.
struct Chosen {
  explicit Chosen(const ProductShape& shape) : product(shape) {}
  CublasltProduct product;
  bool searched = false;
  std::optional<cublasLtMatmulAlgo_t> algorithm;
};

/// What was found out, this time or before; shapes that are not met this time are kept, too. The
/// one thing that streams share.
class Choices {
 public:
  std::optional<cublasLtMatmulAlgo_t> find(const ProductShape& shape) const {
    const std::lock_guard lock(mutex_);
    const auto found = written_down_.find(shape);
    return found == written_down_.end() ? std::nullopt : std::optional(found->second);
  }
  void keep(const ProductShape& shape, const cublasLtMatmulAlgo_t& algorithm) {
    const std::lock_guard lock(mutex_);
    written_down_.insert_or_assign(shape, algorithm);
  }

  std::string text() const {
    const std::lock_guard lock(mutex_);
    std::ostringstream text;
    if (header().empty()) return {};
    text << header() << '\n';
    for (const auto& [shape, algorithm] : written_down_) write(text, shape, algorithm);
    return text.str();
  }
  void take(const std::string& choices) {
    std::istringstream text(choices);
    std::string line;
    if (!std::getline(text, line) || line != header()) return;
    while (std::getline(text, line)) {
      std::istringstream fields(line);
      ProductShape shape;
      cublasLtMatmulAlgo_t algorithm{};
      if (read(fields, shape, algorithm)) keep(shape, algorithm);
    }
  }

 private:
  static std::string header() {
    int device = 0;
    cudaDeviceProp properties;
    if (cublasLtGetVersion() == 0 || cudaGetDevice(&device) != cudaSuccess ||
        cudaGetDeviceProperties(&properties, device) != cudaSuccess) {
      return {};
    }
    return "cuBLASLt " + std::to_string(cublasLtGetVersion()) + " on " + properties.name;
  }

  mutable std::mutex mutex_;
  std::map<ProductShape, cublasLtMatmulAlgo_t> written_down_;
};

/// The library on one stream: a handle, memory to work in, and all products that it was asked for.
/// A product's description holds the address of its bias, so it is one stream's, too.
class CublasltStream {
 public:
  CublasltStream(cudaStream_t stream, Choices& choices) : stream_(stream), choices_(choices) {
    cublasLtHandle_t made = nullptr;
    if (cublasLtCreate(&made) == CUBLAS_STATUS_SUCCESS) handle_.reset(made);
  }

  /// `unsupported_type` where the library has no algorithm for this shape.
  Status multiply(const ProductShape& shape, const void* x, const void* weight, const float* bias,
                  void* y) {
    const std::lock_guard lock(mutex_);
    if (!handle_ || !make_room(shape.n)) return Status::backend_failure;
    const void* const right_bias = bias_for(shape, bias);
    if (shape.has_bias && right_bias == nullptr) return Status::backend_failure;
    Chosen& chosen = products_.try_emplace(shape, shape).first->second;
    if (!chosen.searched && chosen.product.sound()) {
      choose(chosen, shape, x, weight, right_bias, y);
    }
    chosen.searched = true;
    if (!chosen.algorithm) return Status::unsupported_type;
    return chosen.product.run(handle_.get(), *chosen.algorithm, x, weight, right_bias, y,
                              workspace_.get(), stream_)
               ? Status::ok
               : Status::backend_failure;
  }

 private:
  bool make_room(std::int64_t outputs) {
    if (!workspace_) workspace_ = allocate_on_device(cublaslt_workspace_bytes);
    if (outputs_ < outputs) {
      bias_ = allocate_on_device(static_cast<std::size_t>(outputs) * sizeof(bfloat16));
      outputs_ = bias_ ? outputs : 0;
    }
    return workspace_ && bias_;
  }

  /// The bias in the type of the result, the only one that the library takes.
  const void* bias_for(const ProductShape& shape, const float* bias) {
    if (!shape.has_bias || shape.result == ElementType::f32) return bias;
    const View rounded = view_of(bias_.get(), ElementType::bf16, {shape.n});
    const Status status =
        convert(const_view_of(bias, ElementType::f32, {shape.n}), rounded, stream_);
    return status == Status::ok ? rounded.data : nullptr;
  }

  /// What was written down if it runs, or the fastest candidate. Trials go to memory of their own;
  /// where there is none left, into y if the product writes it anyway.
  void choose(Chosen& chosen, const ProductShape& shape, const void* x, const void* weight,
              const void* bias, void* y) {
    CublasltProduct& product = chosen.product;
    const auto bytes =
        static_cast<std::size_t>(shape.rows * shape.y_stride) * bytes_of(shape.result);
    // As far from an even address as y, so that the same algorithms can run.
    const std::size_t offset = static_cast<std::size_t>(shape.y_alignment) % 256;
    const DeviceMemory elsewhere = allocate_on_device(bytes + offset);
    if (elsewhere) {
      y = static_cast<char*>(elsewhere.get()) + offset;
      if (cudaMemsetAsync(elsewhere.get(), 0, bytes + offset, stream_) != cudaSuccess) return;
    }
    const auto run = [&](const cublasLtMatmulAlgo_t& algorithm) {
      return product.run(handle_.get(), algorithm, x, weight, bias, y, workspace_.get(), stream_);
    };
    const bool may_run = elsewhere || !shape.adds;
    const auto known = choices_.find(shape);
    if (may_run && known && product.takes(handle_.get(), *known, bias) && run(*known) &&
        cudaStreamSynchronize(stream_) == cudaSuccess) {
      chosen.algorithm = *known;
      return;
    }
    float least = std::numeric_limits<float>::infinity();
    for (const auto& candidate : product.candidates(handle_.get(), bias)) {
      if (!elsewhere) {  // no time is taken with memory that scarce: the likeliest that runs
        if (!may_run || run(candidate)) {
          chosen.algorithm = candidate;
          return;
        }
        continue;
      }
      const auto milliseconds = milliseconds_of([&] { return run(candidate); }, stream_);
      if (milliseconds && *milliseconds < least) {
        least = *milliseconds;
        chosen.algorithm = candidate;
      }
    }
    if (elsewhere && chosen.algorithm) choices_.keep(shape, *chosen.algorithm);
  }

  std::mutex mutex_;
  const cudaStream_t stream_;
  Choices& choices_;
  OwnedByUs<cublasLtContext> handle_;
  DeviceMemory workspace_, bias_;
  std::int64_t outputs_ = 0;  ///< that `bias_` has room for
  std::map<ProductShape, Chosen> products_;
};

struct Library {
  Choices choices;
  StreamStates<CublasltStream> streams;
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
    return library()
        .streams.of(static_cast<cudaStream_t>(stream), library().choices)
        .multiply(shape, x, weight, bias, y);
  } catch (const std::exception&) {
    return Status::backend_failure;
  }
}

std::string cublaslt_choices() { return library().choices.text(); }

void cublaslt_use_choices(const std::string& text) { library().choices.take(text); }

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
