// Reads and applies picture orientations.
#include "output/orientation.hpp"

#include <cmath>
#include <cstdlib>
#include <cstring>

namespace causeway {
namespace {

// EXIF 2.3, tag 0x0112: which side of the scene row 0 and column 0 are.
Orientation from_exif(int value) {
  switch (value) {
    case 2:
      return {false, true, false};
    case 3:
      return {false, true, true};
    case 4:
      return {false, false, true};
    case 5:
      return {true, false, false};
    case 6:
      return {true, true, false};
    case 7:
      return {true, true, true};
    case 8:
      return {true, false, true};
    default:
      return {};
  }
}

// The matrix takes the stored (x, y) to the shown one: x' = a x + c y, y' = b x + d y.
Orientation from_matrix(const std::int32_t* matrix) {
  const auto a = matrix[0], b = matrix[1], c = matrix[3], d = matrix[4];
  if (a == 0 && d == 0 && b != 0 && c != 0) return {true, c < 0, b < 0};
  if (b == 0 && c == 0) return {false, a < 0, d < 0};
  return {};
}

}  // namespace

Orientation orientation_of(const AVStream& stream, const AVFrame& picture) {
  std::size_t size = 0;
  const auto* matrix = av_stream_get_side_data(&stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
  if (matrix != nullptr && size >= 9 * sizeof(std::int32_t)) {
    std::int32_t entries[9];
    std::memcpy(entries, matrix, sizeof(entries));
    return from_matrix(entries);
  }
  const AVDictionaryEntry* exif = av_dict_get(picture.metadata, "Orientation", nullptr, 0);
  return exif == nullptr ? Orientation{} : from_exif(std::atoi(exif->value));
}

void orient_picture(const std::uint8_t* from, std::size_t stride, int height, int width,
                    const Orientation& orientation, std::uint8_t* to) {
  const int rows = orientation.transpose ? width : height;
  const int columns = orientation.transpose ? height : width;
  const bool plain = !orientation.transpose && !orientation.flip_columns;
  for (int row = 0; row < rows; ++row) {
    const int i = orientation.flip_rows ? rows - 1 - row : row;
    if (plain) {
      std::memcpy(to, from + std::size_t(i) * stride, std::size_t(columns) * 3);
      to += std::size_t(columns) * 3;
      continue;
    }
    for (int column = 0; column < columns; ++column) {
      const int j = orientation.flip_columns ? columns - 1 - column : column;
      const int source_row = orientation.transpose ? j : i;
      const int source_column = orientation.transpose ? i : j;
      std::memcpy(to, from + std::size_t(source_row) * stride + std::size_t(source_column) * 3, 3);
      to += 3;
    }
  }
}

}  // namespace causeway
