// Frames as planes of 8-bit yuv420p on the GPU.
#include "kernels/cuda_backend.hpp"
#include "kernels/elements_cuda.hpp"
#include "kernels/launch_cuda.hpp"
#include "kernels/yuv420p.hpp"

namespace causeway::kernels::CAUSEWAY_DEVICE {
namespace {

template <class X>
__device__ std::int32_t quantised(const X* x) {
  return static_cast<std::int32_t>(scaled_to_bytes(read_element(x)));
}

/// A thread makes two by two pixels of Y and their U and V. From the device's memory come a pixel's
/// three channels (12 bytes in f32, 6 in bf16), and 1.5 bytes go there: neighbouring threads read
/// and write what lies side by side, and the column to the left, which the filter wants, is in the
/// first cache for the thread beside.
template <class X>
struct PixelBlock {
  const X* x;
  std::uint8_t* y;
  std::int64_t height, width;
  __device__ void operator()(std::int64_t i) const {
    const std::int64_t columns = width / 2, rows = height / 2, pixels = height * width;
    const std::int64_t column = i % columns, row = i / columns % rows, frame = i / columns / rows;
    const X* source = x + ((frame * height + 2 * row) * width + 2 * column) * 3;
    std::uint8_t* planes = y + frame * (pixels / 2 * 3);
    std::uint8_t* luma = planes + 2 * row * width + 2 * column;
    const int left = column == 0 ? 0 : -3;
    std::int32_t filtered[3] = {};
    for (int line = 0; line < 2; ++line) {
      std::int32_t even[3], odd[3];
      for (int c = 0; c < 3; ++c) {
        even[c] = quantised(source + c);
        odd[c] = quantised(source + 3 + c);
        filtered[c] += quantised(source + left + c) + 2 * even[c] + odd[c];
      }
      __stwb(reinterpret_cast<uchar2*>(luma),
             make_uchar2(sample_of<Luma>(even[0], even[1], even[2]),
                         sample_of<Luma>(odd[0], odd[1], odd[2])));
      source += width * 3;
      luma += width;
    }
    std::uint8_t* u = planes + pixels + row * columns + column;
    u[0] = sample_of<Cb>(filtered[0], filtered[1], filtered[2]);
    u[pixels / 4] = sample_of<Cr>(filtered[0], filtered[1], filtered[2]);
  }
};

}  // namespace

Status frames_to_yuv420p(ConstView x, View y, Stream stream) {
  // Width and frames are even, and so all pairs of Y lie at even addresses if the first one does.
  const bool pairs = reinterpret_cast<std::uintptr_t>(y.data) % 2 == 0;
  if (!are_frames_and_planes(x, y) || !pairs) return Status::bad_shape;
  if (y.type != ElementType::u8) return Status::unsupported_type;
  return with_type(x.type, x.data, [&](auto* source) {
    using Body = PixelBlock<std::remove_cvref_t<decltype(*source)>>;
    return for_each_element(
        x.shape[0] * (x.shape[1] / 2) * (x.shape[2] / 2), stream,
        Body{source, static_cast<std::uint8_t*>(y.data), x.shape[1], x.shape[2]});
  });
}

}  // namespace causeway::kernels::CAUSEWAY_DEVICE
