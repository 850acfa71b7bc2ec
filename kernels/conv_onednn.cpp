// Convolution by oneDNN on channels-last data: weights packed once, one plan per input extent.
//
// oneDNN is one per process: CAUSEWAY_CPU_ISA narrows it for every CPU backend, and
// `cpu_kernels_named` alone does not. Where the processor has no bf16 instructions, a bf16
// convolution widens x to f32 inside, computes with the bf16-rounded weights in f32 and rounds y
// (`conv_bf16_native` says which).
#include <cstdlib>
#include <cstring>
#include <dnnl.hpp>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "kernels/bfloat16.hpp"
#include "kernels/conv_workspace.hpp"
#include "kernels/cpu_backend.hpp"
#include "kernels/grain_cpu.hpp"
#include "kernels/shape_checks.hpp"

namespace causeway::kernels {
namespace {

using Dims = dnnl::memory::dims;
using Descriptor = dnnl::memory::desc;
using DataType = dnnl::memory::data_type;
using Layout = dnnl::memory::format_tag;

/// Passes CAUSEWAY_CPU_ISA on to oneDNN, which listens only before its first use. True if all is as
/// asked.
bool narrow_onednn() {
  static const bool done = [] {
    const char* text = std::getenv("CAUSEWAY_CPU_ISA");
    const std::string_view isa = text == nullptr ? "" : text;
    dnnl::cpu_isa widest = dnnl::cpu_isa::all;
    if (isa == "baseline") widest = dnnl::cpu_isa::sse41;
    if (isa == "avx2") widest = dnnl::cpu_isa::avx2;
    if (isa == "avx512") widest = dnnl::cpu_isa::avx512_core;
    if (isa == "avx512bf16") widest = dnnl::cpu_isa::avx512_core_bf16;
    if (widest == dnnl::cpu_isa::all) return true;
    return dnnl::set_max_cpu_isa(widest) == dnnl::status::success;
  }();
  return done;
}

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

/// Reads element i of an array that need not be aligned.
float element_of(const ConstView& view, std::int64_t i) {
  const char* p =
      static_cast<const char*>(view.data) + static_cast<std::size_t>(i) * bytes_of(view.type);
  if (view.type == ElementType::f32) {
    float value;
    std::memcpy(&value, p, sizeof value);
    return value;
  }
  std::uint16_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return view.type == ElementType::f16 ? half_to_float(bits) : to_float(bfloat16{bits});
}

ConvWorkspace& workspace() {
  static ConvWorkspace shared;
  return shared;
}

struct Plan {
  std::array<std::int64_t, 3> input{}, output{};  ///< time, height, width
  dnnl::convolution_forward convolution;
  std::unordered_map<int, dnnl::memory> arguments;
  std::size_t scratch_bytes = 0;
  std::size_t widened_x_bytes = 0, widened_y_bytes = 0;  ///< 0 where x and y are used as they are
};

}  // namespace

struct Conv {
  Conv(const ConvSpec& wanted, const ConstView& weight, const ConstView& bias_view)
      : spec(wanted),
        widens(wanted.compute == ElementType::bf16 && !conv_bf16_native()),
        type(wanted.compute == ElementType::bf16 && !widens ? DataType::bf16 : DataType::f32),
        stream(cpu_engine()),
        bias({{wanted.out_channels}, DataType::f32, Layout::x}, cpu_engine()) {
    auto* bias_data = static_cast<float*>(bias.get_data_handle());
    for (std::int64_t i = 0; i < spec.out_channels; ++i) {
      bias_data[i] = bias_view.data == nullptr ? 0.0f : element_of(bias_view, i);
    }
    weights.push_back(plain_weights(weight));
    workspace().join();
  }
  ~Conv() { workspace().leave(); }
  Conv(const Conv&) = delete;
  Conv& operator=(const Conv&) = delete;

  Descriptor plain_descriptor() const {
    return {{spec.out_channels, spec.in_channels, spec.kernel[0], spec.kernel[1], spec.kernel[2]},
            type,
            Layout::oidhw};
  }

  /// The weights as they came, in the type that computes.
  dnnl::memory plain_weights(const ConstView& weight) const {
    dnnl::memory plain(plain_descriptor(), cpu_engine());
    void* target = plain.get_data_handle();
    const std::int64_t size = weight.size();
    const bool rounds = spec.compute == ElementType::bf16;
#pragma omp parallel for schedule(static) if (size > parallel_grain)
    for (std::int64_t i = 0; i < size; ++i) {
      const float value = element_of(weight, i);
      const bfloat16 rounded = to_bfloat16(value);
      if (type == DataType::bf16) {
        static_cast<bfloat16*>(target)[i] = rounded;
      } else {
        static_cast<float*>(target)[i] = rounds ? to_float(rounded) : value;
      }
    }
    return plain;
  }

  /// The weights in a layout that oneDNN asked for; reordered from those at hand, which may be
  /// freed.
  dnnl::memory weights_as(const Descriptor& wanted) {
    for (const auto& held : weights) {
      if (held.get_desc() == wanted) return held;
    }
    dnnl::memory source = weights.front();
    if (source.get_desc() != plain_descriptor()) {
      dnnl::memory plain(plain_descriptor(), cpu_engine());
      dnnl::reorder(source, plain).execute(stream, source, plain);
      source = plain;
    }
    dnnl::memory packed(wanted, cpu_engine());
    dnnl::reorder(source, packed).execute(stream, source, packed);
    stream.wait();
    // The plain copy is only a source: with a packed one at hand it can be had again.
    if (plans.empty()) weights.clear();
    weights.push_back(packed);
    return packed;
  }

  Plan* find(std::int64_t time, std::int64_t height, std::int64_t width) {
    for (auto& plan : plans) {
      if (plan->input == std::array{time, height, width}) return plan.get();
    }
    return nullptr;
  }

  void make_plan(const std::array<std::int64_t, 3>& input,
                 const std::array<std::int64_t, 3>& output);
  void run(Plan& plan, const void* x, void* y);

  ConvSpec spec;
  bool widens;    ///< bf16 data, f32 arithmetic
  DataType type;  ///< of weights, and of x and y as oneDNN sees them
  dnnl::stream stream;
  dnnl::memory bias;
  std::vector<dnnl::memory> weights;  ///< one per layout in use
  std::vector<std::unique_ptr<Plan>> plans;
};

void Conv::make_plan(const std::array<std::int64_t, 3>& input,
                     const std::array<std::int64_t, 3>& output) {
  auto plan = std::make_unique<Plan>();
  plan->input = input;
  plan->output = output;
  const Descriptor x({1, spec.in_channels, input[0], input[1], input[2]}, type, Layout::ndhwc);
  const Descriptor y({1, spec.out_channels, output[0], output[1], output[2]}, type, Layout::ndhwc);
  const Descriptor any_weights(plain_descriptor().dims(), type, Layout::any);
  const auto dims = [](const std::array<std::int64_t, 3>& a) { return Dims(a.begin(), a.end()); };
  const dnnl::convolution_forward::desc wanted(
      dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, x, any_weights,
      bias.get_desc(), y, dims(spec.stride), dims(spec.pad_before), dims(spec.pad_after));
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  const dnnl::convolution_forward::primitive_desc chosen(wanted, attributes, cpu_engine());
  plan->convolution = dnnl::convolution_forward(chosen);
  plan->scratch_bytes = chosen.scratchpad_desc().get_size();
  if (widens) {
    plan->widened_x_bytes = x.get_size();
    plan->widened_y_bytes = y.get_size();
  }
  plan->arguments = {
      {DNNL_ARG_SRC, dnnl::memory(x, cpu_engine(), nullptr)},
      {DNNL_ARG_WEIGHTS, weights_as(chosen.weights_desc())},
      {DNNL_ARG_BIAS, bias},
      {DNNL_ARG_DST, dnnl::memory(y, cpu_engine(), nullptr)},
      {DNNL_ARG_SCRATCHPAD, dnnl::memory(chosen.scratchpad_desc(), cpu_engine(), nullptr)}};
  {
    const std::lock_guard lock(workspace().mutex());
    workspace().grow(ConvWorkspace::aligned(plan->scratch_bytes) +
                     ConvWorkspace::aligned(plan->widened_x_bytes) + plan->widened_y_bytes);
  }
  plans.push_back(std::move(plan));
}

void Conv::run(Plan& plan, const void* x, void* y) {
  const std::lock_guard lock(workspace().mutex());
  std::byte* scratch = workspace().data();
  // oneDNN only reads its source, but has one kind of memory.
  void* source = const_cast<void*>(x);
  void* target = y;
  if (widens) {
    auto* widened = reinterpret_cast<float*>(scratch + ConvWorkspace::aligned(plan.scratch_bytes));
    const auto size = static_cast<std::int64_t>(plan.widened_x_bytes / sizeof(float));
    const auto* narrow = static_cast<const bfloat16*>(x);
#pragma omp parallel for schedule(static) if (size > parallel_grain)
    for (std::int64_t i = 0; i < size; ++i) widened[i] = to_float(narrow[i]);
    source = widened;
    target = scratch + ConvWorkspace::aligned(plan.scratch_bytes) +
             ConvWorkspace::aligned(plan.widened_x_bytes);
  }
  plan.arguments.at(DNNL_ARG_SRC).set_data_handle(source);
  plan.arguments.at(DNNL_ARG_DST).set_data_handle(target);
  plan.arguments.at(DNNL_ARG_SCRATCHPAD).set_data_handle(scratch);
  plan.convolution.execute(stream, plan.arguments);
  stream.wait();
  if (widens) {
    const auto* widened = static_cast<const float*>(target);
    const auto size = static_cast<std::int64_t>(plan.widened_y_bytes / sizeof(float));
    auto* narrow = static_cast<bfloat16*>(y);
#pragma omp parallel for schedule(static) if (size > parallel_grain)
    for (std::int64_t i = 0; i < size; ++i) narrow[i] = to_bfloat16(widened[i]);
  }
}

Conv* conv_create(const ConvSpec& spec, ConstView weight, ConstView bias) {
  if (!is_sound(spec, weight, bias) || !narrow_onednn()) return nullptr;
  try {
    return new Conv(spec, weight, bias);
  } catch (const std::exception&) {
    return nullptr;
  }
}

void conv_destroy(Conv* conv) { delete conv; }

Status conv_prepare(Conv* conv, std::int64_t time, std::int64_t height, std::int64_t width,
                    Stream) {
  if (conv == nullptr) return Status::backend_failure;
  if (conv->find(time, height, width) != nullptr) return Status::ok;
  const ConvSpec& spec = conv->spec;
  const std::array input{time, height, width};
  const auto output = output_of(spec, input);
  if (output[0] == 0) return Status::bad_shape;
  try {
    conv->make_plan(input, output);
  } catch (const std::exception&) {
    return Status::backend_failure;
  }
  return Status::ok;
}

Status conv(Conv* conv, ConstView x, View y, Stream) {
  if (conv == nullptr) return Status::backend_failure;
  if (x.rank != 4 || y.rank != 4 || !x.is_contiguous() || !y.is_contiguous())
    return Status::bad_shape;
  if (x.type != conv->spec.compute || y.type != conv->spec.compute) return Status::unsupported_type;
  Plan* plan = conv->find(x.shape[0], x.shape[1], x.shape[2]);
  const bool fits = plan != nullptr && x.shape[3] == conv->spec.in_channels &&
                    y.shape[0] == plan->output[0] && y.shape[1] == plan->output[1] &&
                    y.shape[2] == plan->output[2] && y.shape[3] == conv->spec.out_channels;
  if (!fits) return Status::bad_shape;
  try {
    conv->run(*plan, x.data, y.data);
  } catch (const std::exception&) {
    return Status::backend_failure;
  }
  return Status::ok;
}

std::size_t conv_bytes(const Conv* conv) {
  if (conv == nullptr) return 0;
  std::size_t bytes = conv->bias.get_desc().get_size();
  for (const auto& held : conv->weights) bytes += held.get_desc().get_size();
  return bytes;
}

bool conv_bf16_native() {
  narrow_onednn();
  const auto here = static_cast<unsigned>(dnnl::get_effective_cpu_isa());
  const auto needed = static_cast<unsigned>(dnnl::cpu_isa::avx512_core_bf16);
  return (here & needed) == needed;  // the values are sets of features
}

const char* onednn_version() {
  static const std::string text = [] {
    const dnnl_version_t* version = dnnl_version();
    return std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
           std::to_string(version->patch);
  }();
  return text.c_str();
}

}  // namespace causeway::kernels
