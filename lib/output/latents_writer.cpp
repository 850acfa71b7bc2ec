// Writes latents: an HDF5 file made in memory, then put on disk by one atomic write.
#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "output/atomic_file.hpp"
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

constexpr const char* step_create = "creating the file in memory";

std::int64_t checked_count(const LatentsFile& file) {
  std::int64_t count = 1;
  for (const auto extent : file.shape) {
    expects(extent > 0, "latents have positive extents");
    expects(!__builtin_mul_overflow(count, extent, &count), "the latents' extents fit in 64 bits");
  }
  expects(static_cast<std::size_t>(count) == file.values.size(), "values fill the latents' shape");
  return count;
}

// The bytes that HDF5's in-memory driver held when its file was closed. (H5Fget_file_image, made
// for this, leaves a wrong checksum in the superblock: HDFGroup/hdf5, issue 1915.)
class ClosedFile {
 public:
  ClosedFile() = default;
  ClosedFile(const ClosedFile&) = delete;
  ClosedFile& operator=(const ClosedFile&) = delete;
  ~ClosedFile() { std::free(memory_); }

  H5FD_file_image_callbacks_t callbacks() {
    return {.image_malloc = [](std::size_t size, H5FD_file_image_op_t,
                               void*) { return std::malloc(size); },
            .image_memcpy = [](void* to, const void* from, std::size_t size, H5FD_file_image_op_t,
                               void*) { return std::memcpy(to, from, size); },
            .image_realloc = [](void* memory, std::size_t size, H5FD_file_image_op_t,
                                void*) { return std::realloc(memory, size); },
            .image_free = take_or_free,
            .udata_copy = [](void* self) { return self; },
            .udata_free = [](void*) { return herr_t{0}; },
            .udata = this};
  }

  /// The file proper; the driver's memory is longer.
  std::span<const std::byte> bytes() const {
    // Where superblocks 2 and 3 hold the end of the file, in 8 bytes, little-endian.
    constexpr std::size_t end_of_file_address = 28;
    expects(memory_ != nullptr, "HDF5 hands over the memory of a closed file");
    std::uint64_t size = 0;
    std::memcpy(&size, static_cast<const std::byte*>(memory_) + end_of_file_address, sizeof(size));
    return {static_cast<const std::byte*>(memory_), size};
  }

 private:
  static herr_t take_or_free(void* memory, H5FD_file_image_op_t operation, void* self) {
    if (operation == H5FD_FILE_IMAGE_OP_FILE_CLOSE) {
      std::swap(static_cast<ClosedFile*>(self)->memory_, memory);
    }
    std::free(memory);
    return 0;
  }

  void* memory_ = nullptr;
};

// In memory, because HDF5 cannot recover from a full disk and its locks fail on some file systems;
// with the newest format of 1.10, because there every piece of metadata carries a checksum.
hid_t create_in_memory(ClosedFile& target, std::int64_t data_bytes, const Blame& blame) {
  const Handle access(check(H5Pcreate(H5P_FILE_ACCESS), step_create, blame), H5Pclose);
  const std::size_t growth = static_cast<std::size_t>(data_bytes) + (1u << 20);
  check(H5Pset_fapl_core(access, growth, false), step_create, blame);
  auto callbacks = target.callbacks();
  check(H5Pset_file_image_callbacks(access, &callbacks), step_create, blame);
  check(H5Pset_libver_bounds(access, H5F_LIBVER_V110, H5F_LIBVER_V110), step_create, blame);
  const Handle creation(check(H5Pcreate(H5P_FILE_CREATE), step_create, blame), H5Pclose);
  check(H5Pset_attr_creation_order(creation, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED),
        step_create, blame);
  // Times in the file would make the same data give different bytes.
  check(H5Pset_obj_track_times(creation, false), step_create, blame);
  return check(H5Fcreate("latents in memory", H5F_ACC_TRUNC, creation, access), step_create, blame);
}

Handle create_dataset(hid_t file, const LatentsFile& data, hid_t type, const Blame& blame) {
  constexpr const char* step = "creating dataset 'latents'";
  const auto extent = [&](std::size_t axis) { return static_cast<hsize_t>(data.shape[axis]); };
  const std::array<hsize_t, 4> extents{extent(0), extent(1), extent(2), extent(3)};
  const std::array<hsize_t, 4> chunk{extents[0], 1, extents[2], extents[3]};  // one latent frame
  const Handle space(check(H5Screate_simple(4, extents.data(), nullptr), step, blame), H5Sclose);
  const Handle creation(check(H5Pcreate(H5P_DATASET_CREATE), step, blame), H5Pclose);
  check(H5Pset_chunk(creation, 4, chunk.data()), step, blame);
  check(H5Pset_fletcher32(creation), step, blame);
  check(H5Pset_fill_time(creation, H5D_FILL_TIME_NEVER), step, blame);
  check(H5Pset_obj_track_times(creation, false), step, blame);
  return {
      check(H5Dcreate2(file, schema::dataset_name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT),
            step, blame),
      H5Dclose};
}

std::vector<std::uint16_t> round_to_words(std::span<const float> values, LatentsType type) {
  std::vector<std::uint16_t> words(values.size());
  const std::span<std::uint16_t> target(words);
  if (type == LatentsType::bf16) {
    half_types::convert_all(values, target, half_types::bfloat16_word);
  } else {
    half_types::convert_all(values, target, half_types::binary16_word);
  }
  return words;
}

// Where the first latents lie in the file; everything that was made before them lies before them.
std::size_t head_length(hid_t dataset, std::int64_t chunks, const Blame& blame) {
  const Handle space(check(H5Dget_space(dataset), "looking at the chunks", blame), H5Sclose);
  haddr_t first = HADDR_UNDEF;  // the largest address
  for (std::int64_t i = 0; i < chunks; ++i) {
    haddr_t address = HADDR_UNDEF;
    check(H5Dget_chunk_info(dataset, space, static_cast<hsize_t>(i), nullptr, nullptr, &address,
                            nullptr),
          "looking at the chunks", blame);
    first = std::min(first, address);
  }
  expects(first != HADDR_UNDEF, "written chunks have addresses");
  return first;
}

// Returns the length of the file's head.
std::size_t make_file(const LatentsFile& file, ClosedFile& target, const Blame& blame) {
  const std::int64_t bytes = checked_count(file) * schema::element_bytes(file.type);
  constexpr std::int64_t chunk_limit = (std::int64_t{1} << 32) - 8;  // HDF5's, with the checksum
  require(bytes / file.shape[1] < chunk_limit, ExitCode::output,
          "{}: one latent frame has {} bytes (HDF5 takes less than 4 GiB a chunk); make a smaller "
          "video",
          blame.what, bytes / file.shape[1]);
  std::vector<std::uint16_t> words;
  const void* elements = file.values.data();
  if (file.type != LatentsType::f32) {
    words = round_to_words(file.values, file.type);
    elements = words.data();
  }
  const hdf5::Session session;
  std::size_t head = 0;
  Handle hdf5_file(create_in_memory(target, bytes, blame), H5Fclose);
  schema::write_attributes(hdf5_file, file.attributes, blame);
  const Handle type = schema::storage_type(file.type, blame);
  {
    const Handle dataset = create_dataset(hdf5_file, file, type, blame);
    check(H5Dwrite(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, elements), "writing", blame);
    // Chunks get their addresses on their way out of the cache.
    check(H5Fflush(hdf5_file, H5F_SCOPE_GLOBAL), "writing", blame);
    head = head_length(dataset, file.shape[1], blame);
  }
  check(hdf5_file.close(), "closing the file in memory", blame);
  return head;
}

}  // namespace

void write_latents(const std::filesystem::path& path, const LatentsFile& file) {
  const Blame blame{ExitCode::output, fmt::format("cannot write latents '{}'", path.string()),
                    "HDF5 works in memory here, so look for too little of it"};
  AtomicFile target(path);
  ClosedFile image;
  const std::size_t head = make_file(file, image, blame);
  target.write(image.bytes());
  target.write(make_seal(image.bytes().first(head)));
  target.publish();
}

}  // namespace causeway
