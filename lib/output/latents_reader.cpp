// Reads latents and what their file says about them, trusting nothing in it.
#include <algorithm>
#include <cstddef>
#include <new>

#include "output/half_types.hpp"
#include "output/latents_file.hpp"
#include "output/latents_schema.hpp"
#include "output/latents_seal.hpp"

namespace causeway {
namespace {

using hdf5::Blame;
using hdf5::check;
using hdf5::Handle;
namespace schema = latents_schema;

Blame reader_blame(const std::filesystem::path& path) {
  return {
      ExitCode::input, fmt::format("cannot read latents '{}'", path.string()),
      "the file is damaged, cut off or not a latents file: remove it and make the sample again"};
}

Handle open_file(const std::filesystem::path& path, const Blame& blame) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  require(std::filesystem::exists(status), ExitCode::input,
          "{}: there is no such file; check the path", blame.what);
  require(std::filesystem::is_regular_file(status), ExitCode::input,
          "{}: it is not a regular file; name a .h5 file", blame.what);
  require(check_seal(path) != SealState::broken, ExitCode::input,
          "{}: its checksum does not match; {}", blame.what, blame.advice);
  const Handle access(check(H5Pcreate(H5P_FILE_ACCESS), "opening", blame), H5Pclose);
  // A published file never changes, and locks fail on file systems that have none.
  check(H5Pset_file_locking(access, false, true), "opening", blame);
  return {check(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access), "opening", blame), H5Fclose};
}

void read_shape(hid_t dataset, LatentsInfo& info, const Blame& blame) {
  const Handle space(check(H5Dget_space(dataset), "reading the shape", blame), H5Sclose);
  const int rank = check(H5Sget_simple_extent_ndims(space), "reading the shape", blame);
  require(
      rank == 4, ExitCode::input,
      "{}: dataset 'latents' has {} dimensions (latents have 4: channels, frames, height, width)",
      blame.what, rank);
  std::array<hsize_t, 4> extents{};
  check(H5Sget_simple_extent_dims(space, extents.data(), nullptr), "reading the shape", blame);
  hsize_t count = 1;
  for (std::size_t axis = 0; axis < 4; ++axis) {
    const bool sane = extents[axis] > 0 && !__builtin_mul_overflow(count, extents[axis], &count) &&
                      count < (hsize_t{1} << 40);
    require(sane, ExitCode::input, "{}: its shape {} is not one of latents; {}", blame.what,
            fmt::format("[{}, {}, {}, {}]", extents[0], extents[1], extents[2], extents[3]),
            blame.advice);
    info.shape[axis] = static_cast<std::int64_t>(extents[axis]);
  }
}

// Chunks that were never written would read as zeros without an error.
void require_complete(hid_t dataset, const LatentsInfo& info, const Blame& blame) {
  const Handle creation(check(H5Dget_create_plist(dataset), "reading the layout", blame), H5Pclose);
  if (check(H5Pget_layout(creation), "reading the layout", blame) == H5D_CHUNKED) {
    std::array<hsize_t, 4> chunk{};
    check(H5Pget_chunk(creation, 4, chunk.data()), "reading the layout", blame);
    hsize_t expected = 1;
    for (std::size_t axis = 0; axis < 4; ++axis) {
      require(chunk[axis] > 0, ExitCode::input, "{}: it has empty chunks; {}", blame.what,
              blame.advice);
      expected *= (static_cast<hsize_t>(info.shape[axis]) + chunk[axis] - 1) / chunk[axis];
    }
    hsize_t stored = 0;
    const Handle space(check(H5Dget_space(dataset), "counting chunks", blame), H5Sclose);
    check(H5Dget_num_chunks(dataset, space, &stored), "counting chunks", blame);
    require(stored == expected, ExitCode::input, "{}: {} of {} chunks are there; {}", blame.what,
            stored, expected, blame.advice);
  } else {
    const std::int64_t needed = info.shape[0] * info.shape[1] * info.shape[2] * info.shape[3] *
                                schema::element_bytes(info.type);
    require(info.stored_bytes >= needed, ExitCode::input, "{}: {} of {} bytes are there; {}",
            blame.what, info.stored_bytes, needed, blame.advice);
  }
}

Handle open_dataset(hid_t file, LatentsInfo& info, const Blame& blame) {
  Handle dataset(
      check(H5Dopen2(file, schema::dataset_name, H5P_DEFAULT), "opening dataset 'latents'", blame),
      H5Dclose);
  const Handle type(check(H5Dget_type(dataset), "reading the element type", blame), H5Tclose);
  const auto recognised = schema::recognise_type(type, blame);
  require(recognised.has_value(), ExitCode::input,
          "{}: its elements are not little-endian f32, f16 or bf16; convert the dataset first",
          blame.what);
  info.type = *recognised;
  info.stored_bytes = static_cast<std::int64_t>(H5Dget_storage_size(dataset));
  read_shape(dataset, info, blame);
  require_complete(dataset, info, blame);
  return dataset;
}

template <class Element>
std::vector<Element> allocate(std::size_t count, const Blame& blame) {
  try {
    return std::vector<Element>(count);
  } catch (const std::bad_alloc&) {
    fail(ExitCode::input, "{}: {} values do not fit in memory; use a machine with more of it",
         blame.what, count);
  }
}

}  // namespace

LatentsInfo read_latents_info(const std::filesystem::path& path) {
  const Blame blame = reader_blame(path);
  const hdf5::Session session;
  const Handle file = open_file(path, blame);
  LatentsInfo info;
  const Handle dataset = open_dataset(file, info, blame);
  info.attributes = schema::read_attributes(file, blame);
  return info;
}

std::vector<float> read_latents(const std::filesystem::path& path) {
  const Blame blame = reader_blame(path);
  LatentsInfo info;
  std::vector<float> values;
  std::vector<std::uint16_t> words;
  {
    const hdf5::Session session;
    const Handle file = open_file(path, blame);
    const Handle dataset = open_dataset(file, info, blame);
    const auto count =
        static_cast<std::size_t>(info.shape[0] * info.shape[1] * info.shape[2] * info.shape[3]);
    values = allocate<float>(count, blame);
    void* target = values.data();
    if (info.type != LatentsType::f32) {
      words = allocate<std::uint16_t>(count, blame);
      target = words.data();
    }
    const Handle type = schema::storage_type(info.type, blame);
    check(H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, target), "reading", blame);
  }
  const std::span<const std::uint16_t> source(words);
  if (info.type == LatentsType::bf16) {
    half_types::convert_all(source, std::span(values), half_types::from_bfloat16_word);
  } else if (info.type == LatentsType::f16) {
    half_types::convert_all(source, std::span(values), half_types::from_binary16_word);
  }
  return values;
}

}  // namespace causeway
