// Files of what a backend found out about itself: where they lie, and that bad ones do no harm.
#include "ops/choices.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>

namespace causeway {
namespace {

namespace fs = std::filesystem;

std::string known, handed_over;  // of the backend below

/// A CPU backend that says that it had something to choose.
kernels::Kernels choosing_backend() {
  kernels::Kernels table = *kernels::cpu_kernels();
  table.choices = [] { return known; };
  table.use_choices = [](const std::string& text) { handed_over = text; };
  return table;
}

std::string content_of(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class Choices : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "causeway-choices-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    handed_over = "nothing";
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_;
  kernels::Kernels table_ = choosing_backend();
  Ops ops_{table_};
};

TEST_F(Choices, OfOneRunAreThereInTheNext) {
  known = "library 1 on a GPU/2\n8 8 1\n";
  const fs::path deep = folder_ / "not" / "there yet";
  ASSERT_TRUE(save_choices(ops_, deep));
  EXPECT_EQ(content_of(deep / "library_1_on_a_GPU_2.txt"), known);
  EXPECT_EQ(std::distance(fs::directory_iterator(deep), {}), 1) << "nothing else is left there";
  const std::string saved = known;
  known = "library 1 on a GPU/2\n";
  load_choices(ops_, deep);
  EXPECT_EQ(handed_over, saved);
}

TEST_F(Choices, OfAnotherDeviceLieInAnotherFile) {
  known = "library 1 on one GPU\na\n";
  save_choices(ops_, folder_);
  known = "library 1 on another GPU\nb\n";
  load_choices(ops_, folder_);
  EXPECT_EQ(handed_over, "");
  save_choices(ops_, folder_);
  EXPECT_EQ(content_of(folder_ / "library_1_on_one_GPU.txt"), "library 1 on one GPU\na\n");
  EXPECT_EQ(content_of(folder_ / "library_1_on_another_GPU.txt"), known);
}

TEST_F(Choices, NothingToChooseFromIsNothingToKeep) {
  known = "";
  EXPECT_TRUE(save_choices(ops_, folder_));
  load_choices(ops_, folder_);
  EXPECT_EQ(handed_over, "nothing");
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(Choices, ThatCannotBeWrittenAreNoError) {
  known = "library\nline\n";
  const fs::path file = folder_ / "a file";
  std::ofstream(file) << "text";
  EXPECT_FALSE(save_choices(ops_, file));
  EXPECT_TRUE(save_choices(ops_, {})) << "no folder: nothing to do";
  EXPECT_EQ(content_of(file), "text");
}

/// Sets variables for a test, and puts them back.
class Variables {
 public:
  ~Variables() {
    for (const auto& [name, value] : before_) {
      if (value) {
        setenv(name.c_str(), value->c_str(), 1);
      } else {
        unsetenv(name.c_str());
      }
    }
  }
  void set(const char* name, const char* value) {
    const char* before = std::getenv(name);
    before_.emplace_back(name,
                         before == nullptr ? std::nullopt : std::optional<std::string>(before));
    setenv(name, value, 1);
  }

 private:
  std::vector<std::pair<std::string, std::optional<std::string>>> before_;
};

TEST(ChoicesFolder, IsTheProgramsOwnOrTheUsersCache) {
  Variables variables;
  variables.set("HOME", "/home/of");
  variables.set("XDG_CACHE_HOME", "");
  variables.set("CAUSEWAY_CACHE_DIR", "");
  EXPECT_EQ(choices_folder(), "/home/of/.cache/causeway");
  setenv("XDG_CACHE_HOME", "/cache", 1);
  EXPECT_EQ(choices_folder(), "/cache/causeway");
  setenv("CAUSEWAY_CACHE_DIR", "/own", 1);
  EXPECT_EQ(choices_folder(), "/own");
}

}  // namespace
}  // namespace causeway
