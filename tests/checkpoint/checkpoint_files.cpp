// Checkpoint files made byte by byte, and the checks that tests of lib/checkpoint share.
#include "checkpoint_files.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "kernels/bfloat16.hpp"

namespace causeway::testing {

namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "causeway-checkpoint-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string TemporaryFolder::write(const std::string& name, const std::string& bytes) const {
  const fs::path target = path_ / name;
  fs::create_directories(target.parent_path());
  std::ofstream file(target, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error("cannot write " + target.string());
  return target.string();
}

std::string TemporaryFolder::copy(const std::string& from, const std::string& name) const {
  const fs::path target = path_ / name;
  fs::create_directories(target.parent_path());
  fs::copy(fixture(from), target, fs::copy_options::recursive);
  return target.string();
}

std::string fixture(const std::string& name) {
  return std::string(CAUSEWAY_SOURCE_DIR "/tests/checkpoint/fixtures/") + name;
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string safetensors_bytes(const std::string& header, const std::string& data) {
  return little_endian<std::uint64_t>(header.size()) + header + data;
}

namespace {

std::string u16(std::uint64_t value) { return little_endian(static_cast<std::uint16_t>(value)); }
std::string u32(std::uint64_t value) { return little_endian(static_cast<std::uint32_t>(value)); }
std::string u64(std::uint64_t value) { return little_endian(value); }

std::string zip64_end(std::uint64_t count, std::uint64_t directory_offset,
                      std::uint64_t directory_bytes, std::uint64_t end_offset) {
  const std::string record = u32(0x06064b50) + u64(44) + u16(45) + u16(45) + u32(0) + u32(0) +
                             u64(count) + u64(count) + u64(directory_bytes) + u64(directory_offset);
  const std::string locator = u32(0x07064b50) + u32(0) + u64(end_offset) + u32(1);
  return record + locator;
}

}  // namespace

std::string zip_bytes(const std::vector<ZipMember>& members, bool zip64) {
  std::string archive, directory;
  for (const auto& member : members) {
    const std::uint64_t offset = archive.size(), size = member.data.size();
    const std::string local_name = member.local_name.empty() ? member.name : member.local_name;
    // The padding that aligns data to 64 bytes is an extra field "FB", as PyTorch writes it.
    const std::size_t unpadded = offset + 30 + local_name.size() + 4;
    const std::string padding((64 - unpadded % 64) % 64, 'Z');
    const std::string extra = std::string("FB") + u16(padding.size()) + padding;
    archive += u32(0x04034b50) + u16(45) + u16(member.flags) + u16(member.method) + u32(0) +
               u32(0) + u32(size) + u32(size) + u16(local_name.size()) + u16(extra.size()) +
               local_name + extra + member.data;
    const std::string large = u16(1) + u16(24) + u64(size) + u64(size) + u64(offset);
    const std::string central_extra = zip64 ? std::string("AB") + u16(3) + "xyz" + large : "";
    directory += u32(0x02014b50) + u16(45) + u16(45) + u16(member.flags) + u16(member.method) +
                 u32(0) + u32(0) + u32(zip64 ? 0xffffffff : size) + u32(zip64 ? 0xffffffff : size) +
                 u16(member.name.size()) + u16(central_extra.size()) + u16(0) + u16(0) + u16(0) +
                 u32(0) + u32(zip64 ? 0xffffffff : offset) + member.name + central_extra;
  }
  const std::uint64_t directory_offset = archive.size(), count = members.size();
  archive += directory;
  if (zip64) archive += zip64_end(count, directory_offset, directory.size(), archive.size());
  archive += u32(0x06054b50) + u16(0) + u16(0) + u16(zip64 ? 0xffff : count) +
             u16(zip64 ? 0xffff : count) + u32(zip64 ? 0xffffffff : directory.size()) +
             u32(zip64 ? 0xffffffff : directory_offset) + u16(0);
  return archive;
}

std::string pickled_text(const std::string& text) {
  return std::string("X") + u32(text.size()) + text;
}

std::string pickled_integer(std::int64_t value) {
  return std::string("\x8a\x08", 2) + little_endian(value);
}

std::string pickled_tuple(const std::vector<std::int64_t>& values) {
  std::string result = "(";
  for (const auto value : values) result += pickled_integer(value);
  result += "t";
  return result;
}

std::string PickledTensor::bytes() const {
  const std::string storage = std::string("(") + pickled_text("storage") + "ctorch\n" +
                              storage_class + "\n" + pickled_text(key) + pickled_text("cpu") +
                              pickled_integer(storage_elements) + "tQ";
  return std::string("ctorch._utils\n_rebuild_tensor_v2\n(") + storage + pickled_integer(offset) +
         pickled_tuple(shape) + pickled_tuple(strides) + "\x89" + "ccollections\nOrderedDict\n)RtR";
}

std::string pickled_dictionary(const std::string& value) {
  return std::string("\x80\x02}") + pickled_text("w") + value + "s.";
}

std::string torch_bytes(const std::string& pickle, const std::vector<ZipMember>& more) {
  std::string storage;
  for (int i = 0; i < 6; ++i) storage += little_endian(static_cast<float>(i));
  std::vector<ZipMember> members = {{"any/data.pkl", pickle, 0, 0, ""},
                                    {"any/data/0", storage, 0, 0, ""}};
  members.insert(members.end(), more.begin(), more.end());
  return zip_bytes(members);
}

std::vector<float> values_of(const StoredTensor& tensor) {
  const ContiguousTensor whole = contiguous(tensor);
  std::vector<float> values(static_cast<std::size_t>(whole.view.size()));
  const auto* bytes = static_cast<const char*>(whole.view.data);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (whole.view.type == ElementType::f32) {
      std::memcpy(&values[i], bytes + 4 * i, 4);
      continue;
    }
    std::uint16_t word = 0;
    std::memcpy(&word, bytes + 2 * i, 2);
    values[i] =
        whole.view.type == ElementType::bf16 ? to_float(bfloat16{word}) : half_to_float(word);
  }
  return values;
}

std::vector<std::int64_t> shape_of(const StoredTensor& tensor) {
  return {tensor.view.shape.begin(), tensor.view.shape.begin() + tensor.view.rank};
}

bool holds_numbers(const StoredTensor& tensor, int k) {
  const auto values = values_of(tensor);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] != fixture_number(static_cast<std::int64_t>(i), k)) return false;
  }
  return !values.empty();
}

void check_refusal(const Error* error, const std::vector<std::string>& fragments) {
  ASSERT_NE(error, nullptr) << "nothing was thrown; expected an error with '" << fragments.front()
                            << "'";
  EXPECT_EQ(error->code(), ExitCode::input) << error->what();
  for (const auto& fragment : fragments) {
    EXPECT_NE(std::string(error->what()).find(fragment), std::string::npos)
        << "no '" << fragment << "' in: " << error->what();
  }
}

void expect_file_refused(const std::string& path, std::vector<std::string> fragments) {
  fragments.push_back(path);
  expect_refused([&] { open_tensor_file(path); }, fragments);
}

}  // namespace causeway::testing
