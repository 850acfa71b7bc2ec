// The blocks of the VAE, frame by frame.
#include "model/vae_blocks.hpp"

#include <cmath>

#include "model/stored_weight.hpp"

namespace causeway {

View VaeScratch::take(std::size_t slot, ElementType type,
                      std::initializer_list<std::int64_t> shape) {
  if (slots_.size() <= slot) slots_.resize(slot + 1);
  View view = view_of(nullptr, type, shape);
  const std::size_t bytes = static_cast<std::size_t>(view.size()) * bytes_of(type);
  Tensor& memory = slots_[slot];
  if (memory.bytes() < bytes) {
    memory = Tensor();  // given back first, so that the old and the new never stand side by side
    memory = Tensor(ElementType::u8, {static_cast<std::int64_t>(bytes)}, *memory_);
  }
  view.data = memory.data();
  return view;
}

std::size_t VaeScratch::bytes() const {
  std::size_t sum = 0;
  for (const Tensor& slot : slots_) sum += slot.bytes();
  return sum;
}

View frames_of(View x, std::int64_t first, std::int64_t count) {
  expects(x.rank == 4 && first >= 0 && first + count <= x.shape[0], "frames lie inside the video");
  x.data =
      static_cast<char*>(x.data) + static_cast<std::size_t>(first * x.stride[0]) * bytes_of(x.type);
  x.shape[0] = count;
  return x;
}

View rows_of(View x) { return reshaped(x, {x.shape[0] * x.shape[1] * x.shape[2], x.shape[3]}); }
ConstView rows_of(ConstView x) {
  return reshaped(x, {x.shape[0] * x.shape[1] * x.shape[2], x.shape[3]});
}

Tensor load_vector(const VaeRuntime& runtime, const TensorStore& store, const std::string& name,
                   const std::vector<std::int64_t>& shape) {
  const StoredWeight weight(store, name, shape);
  return runtime.ops.to_f32(weight.as({weight.view().size()}));
}

LinearWeight load_pointwise(const VaeRuntime& runtime, const TensorStore& store,
                            const std::string& name, const std::vector<std::int64_t>& shape,
                            std::int64_t used_outputs, ElementType compute) {
  const StoredWeight weight(store, name + ".weight", shape);
  const StoredWeight bias(store, name + ".bias", {shape[0]});
  ConstView used_weight = weight.as({shape[0], shape[1]});
  ConstView used_bias = bias.view();
  used_weight.shape[0] = used_outputs;
  used_bias.shape[0] = used_outputs;
  return runtime.ops.pack(used_weight, used_bias, compute);
}

Convolution load_convolution(const VaeRuntime& runtime, const TensorStore& store,
                             const std::string& name, kernels::ConvSpec spec,
                             bool stored_with_time) {
  spec.compute = runtime.compute;
  std::vector<std::int64_t> shape{spec.out_channels, spec.in_channels};
  if (stored_with_time) shape.push_back(spec.kernel[0]);
  shape.insert(shape.end(), {spec.kernel[1], spec.kernel[2]});
  const StoredWeight weight(store, name + ".weight", shape);
  const StoredWeight bias(store, name + ".bias", {spec.out_channels});
  return runtime.ops.make_convolution(spec,
                                      weight.as({spec.out_channels, spec.in_channels,
                                                 spec.kernel[0], spec.kernel[1], spec.kernel[2]}),
                                      bias.view());
}

CausalConvolution::CausalConvolution(VaeRuntime& runtime, const TensorStore& store,
                                     const std::string& name, std::int64_t in, std::int64_t out,
                                     std::int64_t spatial_kernel)
    : runtime_(&runtime) {
  const std::int64_t pad = spatial_kernel / 2;
  kernels::ConvSpec spec;
  spec.in_channels = in;
  spec.out_channels = out;
  spec.kernel = {3, spatial_kernel, spatial_kernel};
  spec.pad_before = spec.pad_after = {0, pad, pad};
  convolution_ = load_convolution(runtime, store, name, spec, true);
}

void CausalConvolution::begin(std::int64_t height, std::int64_t width) {
  const std::vector<std::int64_t> shape{kept_frames, height, width,
                                        convolution_.spec().in_channels};
  if (frames_.shape() != shape) {
    frames_ = Tensor();  // given back first, so that the old and the new never stand side by side
    frames_ = runtime_->ops.tensor(runtime_->compute, shape);
  }
  const View past = frames_of(frames_.view(), 0, 2);
  runtime_->ops.memory().fill_zero(past.data,
                                   static_cast<std::size_t>(past.size()) * bytes_of(past.type));
  first_ = 0;
}

void CausalConvolution::end() { frames_ = Tensor(); }

View CausalConvolution::next_frame() {
  expects(!frames_.empty(), "a causal convolution is begun before it is fed");
  return frames_of(frames_.view(), first_ + 2, 1);
}

void CausalConvolution::run(View y) {
  runtime_->ops.convolve(convolution_, frames_of(frames_.view(), first_, 3), y);
  if (first_ == 1) {
    runtime_->ops.convert(frames_of(frames_.view(), 2, 2), frames_of(frames_.view(), 0, 2));
  }
  first_ = 1 - first_;
}

ResidualBlock::ResidualBlock(VaeRuntime& runtime, const TensorStore& store, const std::string& name,
                             std::int64_t in, std::int64_t out)
    : runtime_(&runtime),
      out_(out),
      gamma1_(load_vector(runtime, store, name + ".residual.0.gamma", {in, 1, 1, 1})),
      gamma2_(load_vector(runtime, store, name + ".residual.3.gamma", {out, 1, 1, 1})),
      conv1_(runtime, store, name + ".residual.2", in, out, 3),
      conv2_(runtime, store, name + ".residual.6", out, out, 3) {
  if (in != out) {
    shortcut_ = load_pointwise(runtime, store, name + ".shortcut", {out, in, 1, 1, 1}, out,
                               runtime.compute);
  }
}

void ResidualBlock::begin(std::int64_t height, std::int64_t width) {
  conv1_.begin(height, width);
  conv2_.begin(height, width);
}

void ResidualBlock::end() {
  conv1_.end();
  conv2_.end();
}

void ResidualBlock::run(View x, View y) {
  const Ops& ops = runtime_->ops;
  VaeScratch& scratch = runtime_->scratch;
  const View inner =
      scratch.take(VaeScratch::conv_output, runtime_->compute, {1, x.shape[1], x.shape[2], out_});
  ops.gamma_norm(rows_of(x), gamma1_.f32(), true, rows_of(conv1_.next_frame()));
  conv1_.run(inner);
  ops.gamma_norm(rows_of(inner), gamma2_.f32(), true, rows_of(conv2_.next_frame()));
  conv2_.run(inner);
  if (shortcut_) {
    View input = x;
    if (runtime_->compute != x.type) {
      input = scratch.take(VaeScratch::conv_input, runtime_->compute,
                           {1, x.shape[1], x.shape[2], x.shape[3]});
      ops.convert(x, input);
    }
    ops.linear(rows_of(input), *shortcut_, rows_of(y));
  }
  ops.add(y, inner, y);
}

std::size_t ResidualBlock::weight_bytes() const {
  return gamma1_.bytes() + gamma2_.bytes() + conv1_.weight_bytes() + conv2_.weight_bytes() +
         (shortcut_ ? shortcut_->bytes() : 0);
}

FrameAttention::FrameAttention(VaeRuntime& runtime, const TensorStore& store,
                               const std::string& name, std::int64_t channels)
    : runtime_(&runtime),
      channels_(channels),
      gamma_(load_vector(runtime, store, name + ".norm.gamma", {channels, 1, 1})),
      qkv_(load_pointwise(runtime, store, name + ".to_qkv", {3 * channels, channels, 1, 1},
                          3 * channels, runtime.compute)),
      proj_(load_pointwise(runtime, store, name + ".proj", {channels, channels, 1, 1}, channels,
                           runtime.compute)) {}

void FrameAttention::begin(std::int64_t height, std::int64_t width) {
  if (kv_.bytes() > 0 && kv_.layout().capacity == height * width) return;  // it is written whole
  kv_ = runtime_->ops.make_kv({1, channels_, height * width, runtime_->compute});
}

void FrameAttention::end() { kv_ = {}; }

void FrameAttention::run(View x) {
  const Ops& ops = runtime_->ops;
  const View stream = rows_of(x);
  const std::int64_t positions = stream.shape[0];
  const View inner =
      runtime_->scratch.take(VaeScratch::conv_input, runtime_->compute, {positions, channels_});
  const View qkv = runtime_->scratch.take(VaeScratch::conv_output, runtime_->compute,
                                          {positions, 3 * channels_});
  const auto one_head = [&](View rows) {  // [positions, channels] → [positions, 1, channels]
    View heads = view_of(rows.data, rows.type, {positions, 1, channels_});
    heads.stride[0] = rows.stride[0];
    return heads;
  };
  ops.gamma_norm(stream, gamma_.f32(), false, inner);
  ops.linear(inner, qkv_, qkv);
  ops.kv_store(kv_, one_head(columns(qkv, channels_, channels_)),
               one_head(columns(qkv, 2 * channels_, channels_)), 0);
  const float scale = 1.0f / std::sqrt(static_cast<float>(channels_));
  ops.attention(kv_, positions, one_head(columns(qkv, 0, channels_)), scale, 0.0f, one_head(inner));
  LinearEnd into_stream;
  into_stream.accumulate = true;
  ops.linear(inner, proj_, stream, into_stream);
}

VaeMiddle::VaeMiddle(VaeRuntime& runtime, const TensorStore& store, const std::string& name,
                     std::int64_t channels)
    : before_(runtime, store, name + ".0", channels, channels),
      attention_(runtime, store, name + ".1", channels),
      after_(runtime, store, name + ".2", channels, channels) {}

void VaeMiddle::begin(std::int64_t height, std::int64_t width) {
  before_.begin(height, width);
  attention_.begin(height, width);
  after_.begin(height, width);
}

void VaeMiddle::end() {
  before_.end();
  attention_.end();
  after_.end();
}

void VaeMiddle::run(View x) {
  before_.run(x, x);
  attention_.run(x);
  after_.run(x, x);
}

std::size_t VaeMiddle::weight_bytes() const {
  return before_.weight_bytes() + attention_.weight_bytes() + after_.weight_bytes();
}

VaeHead::VaeHead(VaeRuntime& runtime, const TensorStore& store, const std::string& name,
                 std::int64_t in, std::int64_t out)
    : runtime_(&runtime),
      gamma_(load_vector(runtime, store, name + ".0.gamma", {in, 1, 1, 1})),
      conv_(runtime, store, name + ".2", in, out, 3) {}

void VaeHead::run(View x, View y) {
  runtime_->ops.gamma_norm(rows_of(x), gamma_.f32(), true, rows_of(conv_.next_frame()));
  conv_.run(y);
}

}  // namespace causeway
