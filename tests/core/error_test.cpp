// Errors carry their exit code and message; promises between our functions are told apart from the
// world.
#include "core/error.hpp"

#include <gtest/gtest.h>

#include "core/build_info.hpp"

namespace causeway {
namespace {

TEST(Error, RequireThrowsWithItsCodeAndTheFormattedMessage) {
  EXPECT_NO_THROW(require(true, ExitCode::input, "unused"));
  try {
    require(false, ExitCode::input, "file '{}' has {} bytes", "x", 7);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::input);
    EXPECT_STREQ(error.what(), "file 'x' has 7 bytes");
  }
}

TEST(Error, ABrokenPromiseIsOurBugAndSaysWhere) {
  try {
    expects(false, "widths match");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), 70);
    const std::string text = error.what();
    EXPECT_NE(text.find("widths match"), std::string::npos);
    EXPECT_NE(text.find("error_test.cpp"), std::string::npos);
  }
}

TEST(BuildInfo, NamesVersionCompilerAndLibraries) {
  const std::string text = build_description();
  EXPECT_NE(text.find(version()), std::string::npos);
  EXPECT_NE(text.find(build_commit()), std::string::npos);
  EXPECT_NE(text.find("oneDNN"), std::string::npos);
}

}  // namespace
}  // namespace causeway
