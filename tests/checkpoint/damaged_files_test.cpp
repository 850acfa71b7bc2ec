// Damages every byte of valid checkpoint files: they are refused, or read inside their bounds.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "checkpoint/bytes.hpp"
#include "checkpoint/safetensors.hpp"
#include "checkpoint/torch_file.hpp"
#include "checkpoint_files.hpp"

namespace causeway {
namespace {

using testing::TemporaryFolder;

/// A copy of a fixture whose bytes can be changed under the mapping that the readers see; writing
/// and mapping a new file for each of thousands of damages would take minutes.
class Patient {
 public:
  explicit Patient(const std::string& name)
      : healthy_(testing::read_file(testing::fixture(name))),
        file_(std::make_shared<const MappedFile>(folder_.write(name, healthy_))) {
    const int descriptor = ::open(file_->path().c_str(), O_RDWR);
    bytes_ = static_cast<char*>(
        ::mmap(nullptr, healthy_.size(), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0));
    ::close(descriptor);
    if (bytes_ == MAP_FAILED) throw std::runtime_error("mmap failed");
  }
  Patient(const Patient&) = delete;
  Patient& operator=(const Patient&) = delete;
  ~Patient() { ::munmap(bytes_, healthy_.size()); }

  const std::string& healthy() const { return healthy_; }
  const MappedFile& file() const { return *file_; }
  void write(std::size_t at, const std::string& damage) {
    std::memcpy(bytes_ + at, damage.data(), std::min(damage.size(), healthy_.size() - at));
  }
  void heal() { std::memcpy(bytes_, healthy_.data(), healthy_.size()); }
  TensorTable read() const {
    return is_torch_file(file_->bytes()) ? read_torch_file(file_) : read_safetensors(file_);
  }

 private:
  TemporaryFolder folder_;
  std::string healthy_;
  std::shared_ptr<const MappedFile> file_;
  char* bytes_ = nullptr;
};

/// Every tensor, copied or not, must lie inside the file.
void check_bounds(const TensorTable& table, const MappedFile& file) {
  const auto whole = file.bytes();
  for (const auto& tensor : table.tensors) {
    const std::size_t extent = extent_bytes(tensor.view);
    if (extent == 0) continue;
    const auto* begin = static_cast<const std::byte*>(tensor.view.data);
    ASSERT_TRUE(file.contains(begin));
    ASSERT_LE(extent, static_cast<std::size_t>(whole.data() + whole.size() - begin));
    ASSERT_LE(tensor.bytes, whole.size());
    ASSERT_EQ(contiguous(tensor).view.size(), tensor.view.size());
  }
}

class DamagedFile : public ::testing::TestWithParam<const char*> {};

TEST_P(DamagedFile, is_refused_or_read_inside_its_bounds) {
  Patient patient(GetParam());
  int read = 0, refused = 0;
  const auto attempt = [&](std::size_t at, const std::string& damage) {
    patient.write(at, damage);
    try {
      check_bounds(patient.read(), patient.file());
      ++read;
    } catch (const Error& error) {
      ASSERT_EQ(error.code(), ExitCode::input) << error.what();
      ASSERT_NE(std::string(error.what()).find(patient.file().path()), std::string::npos)
          << error.what();
      ++refused;
    }
    patient.heal();
  };
  for (std::size_t at = 0; at < patient.healthy().size(); ++at) {
    const auto byte = static_cast<unsigned char>(patient.healthy()[at]);
    for (const unsigned flip : {0x01u, 0x04u, 0x80u, 0xffu}) {
      attempt(at, std::string(1, static_cast<char>(byte ^ flip)));
    }
    for (const std::size_t length : {2u, 4u, 8u}) {
      attempt(at, std::string(length, '\xff'));
      attempt(at, std::string(length, '\0'));
    }
    ASSERT_FALSE(HasFatalFailure()) << "byte " << at;
  }
  // Damage to the numbers themselves cannot be seen; damage to the structure must be.
  EXPECT_GT(read, 0);
  EXPECT_GT(refused, 0);
}

INSTANTIATE_TEST_SUITE_P(Every, DamagedFile,
                         ::testing::Values("types.safetensors", "self_forcing.pt", "views.pt",
                                           "parameters.pt"),
                         [](const auto& parameter) {
                           std::string name = parameter.param;
                           std::replace(name.begin(), name.end(), '.', '_');
                           return name;
                         });

}  // namespace
}  // namespace causeway
