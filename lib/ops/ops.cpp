// Shape checks before a kernel, its status after.
#include "ops/ops.hpp"

namespace causeway {
namespace {

using kernels::Status;

bool is_real(ElementType type) { return type == ElementType::f32 || type == ElementType::bf16; }

bool same_shape(const ConstView& a, const ConstView& b) {
  if (a.rank != b.rank) return false;
  for (int i = 0; i < a.rank; ++i) {
    if (a.shape[static_cast<std::size_t>(i)] != b.shape[static_cast<std::size_t>(i)]) return false;
  }
  return true;
}

bool last_axis_contiguous(const ConstView& x) {
  return x.rank > 0 && (x.stride[static_cast<std::size_t>(x.rank - 1)] == 1 ||
                        x.shape[static_cast<std::size_t>(x.rank - 1)] == 1);
}

void check(Status status, const char* verb) {
  switch (status) {
    case Status::ok:
      return;
    case Status::unsupported_type:
      fail(ExitCode::internal, "{}: this backend has no variant for these element types", verb);
    case Status::bad_shape:
      fail(ExitCode::internal, "{}: the kernel refused these shapes", verb);
    case Status::backend_failure:
      fail(ExitCode::device, "{}: the backend failed (out of memory?); use a smaller video", verb);
  }
}

kernels::LayerNormArgs norm_args(ConstView x, const LayerNorm& norm, View y) {
  expects(x.rank == 2 && same_shape(x, y) && x.type == ElementType::f32 && is_real(y.type),
          "layer_norm: f32 rows in, rows of the same width out");
  return {x, norm.scale, norm.shift, norm.one_plus_scale, norm.eps, y};
}

template <class AnyView>
AnyView reshape(AnyView x, std::initializer_list<std::int64_t> shape) {
  expects(x.is_contiguous(), "only contiguous memory can be seen with another shape");
  auto result = make_view(x.data, x.type, shape.begin(), static_cast<int>(shape.size()));
  expects(result.size() == x.size(), "a reshaped view has as many elements as before");
  return result;
}

template <class AnyView>
AnyView column_range(AnyView x, std::int64_t first, std::int64_t count) {
  expects(x.rank == 2 && first >= 0 && count >= 0 && first + count <= x.shape[1],
          "columns lie inside the matrix");
  using Byte = std::conditional_t<std::is_const_v<std::remove_pointer_t<decltype(x.data)>>,
                                  const char, char>;
  x.data =
      static_cast<Byte*>(x.data) + static_cast<std::size_t>(first * x.stride[1]) * bytes_of(x.type);
  x.shape[1] = count;
  return x;
}

}  // namespace

View reshaped(View x, std::initializer_list<std::int64_t> shape) { return reshape(x, shape); }
ConstView reshaped(ConstView x, std::initializer_list<std::int64_t> shape) {
  return reshape(x, shape);
}
View columns(View x, std::int64_t first, std::int64_t count) {
  return column_range(x, first, count);
}
ConstView columns(ConstView x, std::int64_t first, std::int64_t count) {
  return column_range(x, first, count);
}

Tensor Ops::uploaded(ConstView host) const {
  expects(host.is_contiguous(), "what is uploaded is contiguous");
  const std::vector<std::int64_t> shape(host.shape.begin(), host.shape.begin() + host.rank);
  Tensor result = tensor(host.type, shape);
  memory_->copy_in(result.data(), host.data, result.bytes());
  return result;
}

Tensor Ops::downloaded(ConstView x) const {
  expects(x.is_contiguous(), "what is downloaded is contiguous");
  const std::vector<std::int64_t> shape(x.shape.begin(), x.shape.begin() + x.rank);
  Tensor result(x.type, shape);
  memory_->copy_out(result.data(), x.data, result.bytes());
  return result;
}

Ops Ops::on_host() const {
  if (memory_->is_host()) return *this;
  const auto* host = kernels::cpu_kernels();
  expects(host != nullptr, "a CPU backend runs on every machine");
  return Ops(*host);
}

LinearWeight Ops::pack(ConstView weight, ConstView bias, ElementType compute) const {
  expects(weight.rank == 2 && weight.is_contiguous(), "a linear weight is a contiguous [n, k]");
  expects(is_real(compute), "linear layers compute in f32 or bf16");
  LinearWeight result;
  result.n_ = weight.shape[0];
  result.k_ = weight.shape[1];
  result.compute_ = compute;
  const auto bytes = kernels_->linear_packed_bytes(result.n_, result.k_, compute);
  result.packed_ = tensor(ElementType::u8, {static_cast<std::int64_t>(bytes)});
  check(kernels_->linear_pack(weight, compute, result.packed_.data(), stream_), "linear_pack");
  if (bias.rank != 0) {
    expects(bias.rank == 1 && bias.shape[0] == result.n_, "a bias has one entry per output");
    result.bias_ = to_f32(bias);
  }
  return result;
}

kernels::LinearArgs Ops::linear_args(ConstView x, const LinearWeight& weight, View y,
                                     const LinearEnd& end) const {
  expects(x.rank == 2 && y.rank == 2 && x.shape[0] == y.shape[0], "linear: as many rows out as in");
  expects(x.shape[1] == weight.k_ && y.shape[1] == weight.n_, "linear: widths match the weight");
  expects(x.type == weight.compute_ && is_real(y.type), "linear: element types match the weight");
  expects(last_axis_contiguous(x) && last_axis_contiguous(y), "linear: rows are contiguous");
  expects(!end.accumulate || y.type == ElementType::f32, "linear: sums are kept in f32");
  expects(end.accumulate || end.gate == nullptr, "linear: a gate needs accumulate");
  kernels::LinearArgs args;
  args.x = x;
  args.weight = weight.packed_.data();
  args.n = weight.n_;
  args.k = weight.k_;
  args.compute = weight.compute_;
  args.bias = weight.bias_.empty() ? nullptr : weight.bias_.f32();
  args.activation = end.activation;
  args.accumulate = end.accumulate;
  args.gate = end.gate;
  args.y = y;
  return args;
}

void Ops::linear(ConstView x, const LinearWeight& weight, View y, const LinearEnd& end) const {
  check(kernels_->linear(linear_args(x, weight, y, end), stream_), "linear");
}

void Ops::linear_norm(ConstView x, const LinearWeight& weight, const float* gate, View y,
                      const LayerNorm& norm, View normed) const {
  expects(x.data != normed.data || x.size() == 0,
          "linear_norm: the norm is not written over the input");
  const kernels::LinearArgs args = linear_args(x, weight, y, {.accumulate = true, .gate = gate});
  check(kernels_->linear_norm(args, norm_args(y, norm, normed), stream_), "linear_norm");
}

void Ops::linear_stored(ConstView x, ConstView weight, const float* bias, View y,
                        Activation activation) const {
  expects(x.rank == 2 && y.rank == 2 && weight.rank == 2 && x.shape[0] == y.shape[0],
          "linear_stored: as many rows out as in");
  expects(x.shape[1] == weight.shape[1] && y.shape[1] == weight.shape[0] && weight.is_contiguous(),
          "linear_stored: widths match the weight");
  expects(is_real(x.type) && is_real(y.type), "linear_stored: f32 or bf16");
  expects(last_axis_contiguous(x) && last_axis_contiguous(y), "linear_stored: rows are contiguous");
  const auto bytes = kernels_->linear_stored_workspace(weight.shape[1], x.type);
  Tensor workspace = tensor(ElementType::u8, {static_cast<std::int64_t>(bytes)});
  kernels::LinearStoredArgs args;
  args.x = x;
  args.weight = weight;
  args.compute = x.type;
  args.bias = bias;
  args.activation = activation;
  args.workspace = workspace.data();
  args.y = y;
  check(kernels_->linear_stored(args, stream_), "linear_stored");
}

KvStorage Ops::make_kv(const KvLayout& layout) const {
  expects(layout.heads > 0 && layout.head_dim > 0 && layout.capacity > 0 && is_real(layout.type),
          "a cache has heads, slots and a real type");
  KvStorage kv;
  kv.layout_ = layout;
  kv.memory_ = tensor(ElementType::u8, {static_cast<std::int64_t>(kernels_->kv_bytes(layout))});
  kv_clear(kv);
  return kv;
}

void Ops::kv_clear(KvStorage& kv) const {
  check(kernels_->kv_clear(kv.layout_, kv.memory_.data(), stream_), "kv_clear");
}

void Ops::kv_store(KvStorage& kv, ConstView k, ConstView v, std::int64_t slot) const {
  const auto& layout = kv.layout_;
  expects(k.rank == 3 && same_shape(k, v), "kv_store: k and v are [tokens, heads, head_dim]");
  expects(k.shape[1] == layout.heads && k.shape[2] == layout.head_dim,
          "kv_store: heads match the cache");
  expects(k.type == layout.type && v.type == layout.type, "kv_store: the cache's own type");
  expects(slot >= 0 && slot + k.shape[0] <= layout.capacity,
          "kv_store: slots lie inside the cache");
  kernels::KvStoreArgs args;
  args.layout = layout;
  args.cache = kv.memory_.data();
  args.k = k;
  args.v = v;
  args.slot = slot;
  check(kernels_->kv_store(args, stream_), "kv_store");
}

void Ops::kv_load(const KvStorage& kv, std::int64_t slot, View k, View v) const {
  expects(k.rank == 3 && same_shape(k, v) && slot >= 0 && slot + k.shape[0] <= kv.layout_.capacity,
          "kv_load: slots lie inside the cache");
  kernels::KvLoadArgs args;
  args.layout = kv.layout_;
  args.cache = kv.memory_.data();
  args.slot = slot;
  args.k = k;
  args.v = v;
  check(kernels_->kv_load(args, stream_), "kv_load");
}

void Ops::attention(const KvStorage& kv, std::int64_t valid, ConstView q, float scale,
                    float last_key_bias, View y) const {
  const auto& layout = kv.layout_;
  expects(q.rank == 3 && same_shape(q, y), "attention: one output per query");
  expects(q.shape[1] == layout.heads && q.shape[2] == layout.head_dim,
          "attention: heads match the cache");
  expects(q.type == layout.type && is_real(y.type), "attention: the cache's own type");
  expects(valid >= 1 && valid <= layout.capacity,
          "attention: at least one key, none beyond the cache");
  kernels::AttentionArgs args;
  args.layout = layout;
  args.cache = kv.memory_.data();
  args.valid = valid;
  args.scale = scale;
  args.last_key_bias = last_key_bias;
  args.q = q;
  args.y = y;
  check(kernels_->attention(args, stream_), "attention");
}

void Ops::biased_attention(ConstView q, ConstView k, ConstView v, const float* relative_bias,
                           View y) const {
  expects(q.rank == 3 && same_shape(q, k) && same_shape(q, v) && same_shape(q, y),
          "biased_attention: q, k, v, y are [tokens, heads, head_dim]");
  check(kernels_->biased_attention({q, k, v, relative_bias, y}, stream_), "biased_attention");
}

void Ops::layer_norm(ConstView x, const LayerNorm& norm, View y) const {
  check(kernels_->layer_norm(norm_args(x, norm, y), stream_), "layer_norm");
}

void Ops::rms_norm(ConstView x, const float* weight, float eps, View y) const {
  expects(x.rank == 2 && same_shape(x, y) && x.type == ElementType::f32 && is_real(y.type),
          "rms_norm: f32 rows in, rows of the same width out");
  check(kernels_->rms_norm({x, weight, eps, y}, stream_), "rms_norm");
}

void Ops::norm_rope_pack(const kernels::NormRopePackArgs& args) const {
  expects(args.x.rank == 2 && args.x.shape[1] == args.heads * args.head_dim &&
              args.heads % args.head_groups == 0 && last_axis_contiguous(args.x),
          "norm_rope_pack: rows hold all heads, groups hold equally many");
  check(kernels_->norm_rope_pack(args, stream_), "norm_rope_pack");
}

void Ops::gamma_norm(ConstView x, const float* gamma, bool silu, View y) const {
  expects(x.rank == 2 && same_shape(x, y) && is_real(x.type) && is_real(y.type),
          "gamma_norm: rows in, rows of the same width out");
  check(kernels_->gamma_norm({x, gamma, silu, y}, stream_), "gamma_norm");
}

void Ops::add(ConstView a, ConstView b, View y) const {
  expects(same_shape(a, b) && same_shape(a, y), "add: equal shapes");
  check(kernels_->add(a, b, y, stream_), "add");
}

void Ops::multiply(ConstView a, ConstView b, View y) const {
  expects(same_shape(a, b) && same_shape(a, y), "multiply: equal shapes");
  check(kernels_->multiply(a, b, y, stream_), "multiply");
}

void Ops::convert(ConstView x, View y) const {
  expects(same_shape(x, y), "convert: equal shapes");
  check(kernels_->convert(x, y, stream_), "convert");
}

Tensor Ops::to_f32(ConstView x) const {
  const std::vector<std::int64_t> shape(x.shape.begin(), x.shape.begin() + x.rank);
  Tensor result(ElementType::f32, shape);
  on_host().convert(x, result.view());
  return on_device(std::move(result));
}

void Ops::noise(const NoiseDraw& draw, const PatchGeometry& geometry, std::int64_t first_token,
                std::int64_t tokens, float* y) const {
  expects(first_token >= 0 && tokens >= 0 && first_token + tokens <= geometry.tokens(),
          "noise: tokens of this chunk");
  kernels::NoiseArgs args;
  args.key = kernels::noise_key(draw.seed, draw.sample, draw.purpose, draw.chunk, draw.step);
  args.geometry = geometry;
  args.first_token = first_token;
  args.tokens = tokens;
  args.y = y;
  check(kernels_->noise(args, stream_), "noise");
}

void Ops::flow_to_x0(const kernels::FlowToX0Args& args) const {
  check(kernels_->flow_to_x0(args, stream_), "flow_to_x0");
}

void Ops::renoise(const kernels::RenoiseArgs& args) const {
  check(kernels_->renoise(args, stream_), "renoise");
}

void Ops::patchify(const kernels::PatchArgs& args) const {
  check(kernels_->patchify(args, stream_), "patchify");
}

void Ops::unpatchify(const kernels::PatchArgs& args) const {
  check(kernels_->unpatchify(args, stream_), "unpatchify");
}

std::size_t Convolution::bytes() const {
  return conv_ == nullptr ? 0 : conv_.get_deleter().backend->conv_bytes(conv_.get());
}

std::array<std::int64_t, 3> Convolution::output_extents(std::int64_t time, std::int64_t height,
                                                        std::int64_t width) const {
  const std::array<std::int64_t, 3> in{time, height, width};
  std::array<std::int64_t, 3> out{};
  for (std::size_t i = 0; i < 3; ++i) {
    out[i] =
        (in[i] + spec_.pad_before[i] + spec_.pad_after[i] - spec_.kernel[i]) / spec_.stride[i] + 1;
  }
  return out;
}

Convolution Ops::make_convolution(const kernels::ConvSpec& spec, ConstView weight,
                                  ConstView bias) const {
  expects(weight.rank == 5 && weight.shape[0] == spec.out_channels &&
              weight.shape[1] == spec.in_channels && bias.rank == 1 &&
              bias.shape[0] == spec.out_channels,
          "a convolution's weight is [out, in, kt, kh, kw], its bias [out]");
  Convolution result;
  result.spec_ = spec;
  result.conv_ = {kernels_->conv_create(spec, weight, bias), ConvolutionDeleter{kernels_}};
  require(result.conv_ != nullptr, ExitCode::device,
          "a convolution {} -> {} channels could not be made by backend {}", spec.in_channels,
          spec.out_channels, kernels_->name);
  return result;
}

void Ops::prepare(Convolution& convolution, std::int64_t time, std::int64_t height,
                  std::int64_t width) const {
  check(kernels_->conv_prepare(convolution.conv_.get(), time, height, width, stream_),
        "conv_prepare");
}

void Ops::convolve(Convolution& convolution, ConstView x, View y) const {
  expects(x.rank == 4 && y.rank == 4 && x.shape[3] == convolution.spec_.in_channels &&
              y.shape[3] == convolution.spec_.out_channels,
          "convolve: [t, h, w, channels] in and out");
  const auto out = convolution.output_extents(x.shape[0], x.shape[1], x.shape[2]);
  expects(y.shape[0] == out[0] && y.shape[1] == out[1] && y.shape[2] == out[2],
          "convolve: the output has the extents that the stride and padding say");
  prepare(convolution, x.shape[0], x.shape[1], x.shape[2]);
  check(kernels_->conv(convolution.conv_.get(), x, y, stream_), "conv");
}

void Ops::upsample_nearest_2x(ConstView x, View y) const {
  expects(x.rank == 4 && y.rank == 4 && y.shape[0] == x.shape[0] && y.shape[1] == 2 * x.shape[1] &&
              y.shape[2] == 2 * x.shape[2] && y.shape[3] == x.shape[3],
          "upsample_nearest_2x: twice the height and width");
  check(kernels_->upsample_nearest_2x(x, y, stream_), "upsample_nearest_2x");
}

void Ops::interleave_time(ConstView x, View y) const {
  expects(x.rank == 4 && y.rank == 4 && y.shape[0] == 2 * x.shape[0] && y.shape[1] == x.shape[1] &&
              y.shape[2] == x.shape[2] && 2 * y.shape[3] == x.shape[3],
          "interleave_time: twice the frames, half the channels");
  check(kernels_->interleave_time(x, y, stream_), "interleave_time");
}

void Ops::to_channels_last(ConstView x, const float* scale, const float* shift, View y) const {
  check(kernels_->to_channels_last({x, scale, shift, y}, stream_), "to_channels_last");
}

void Ops::to_channels_first(ConstView x, const float* scale, const float* shift, View y) const {
  check(kernels_->to_channels_first({x, scale, shift, y}, stream_), "to_channels_first");
}

void Ops::frames_to_yuv420p(ConstView x, View y) const {
  expects(x.rank == 4 && x.shape[3] == 3 && x.shape[1] % 2 == 0 && x.shape[2] % 2 == 0 &&
              y.rank == 2 && y.shape[0] == x.shape[0] &&
              2 * y.shape[1] == 3 * x.shape[1] * x.shape[2],
          "frames_to_yuv420p: even heights and widths, three halves of a byte for each pixel");
  check(kernels_->frames_to_yuv420p(x, y, stream_), "frames_to_yuv420p");
}

void Ops::rgb8_to_frames(ConstView x, View y) const {
  expects(same_shape(x, y), "rgb8_to_frames: equal shapes");
  check(kernels_->rgb8_to_frames(x, y, stream_), "rgb8_to_frames");
}

}  // namespace causeway
