// Libraries that are opened at run time: where they are looked for, and what is said where they are
// not.
#include "kernels/opened_library.hpp"

#include <gtest/gtest.h>

namespace causeway::testing {
namespace {

using kernels::OpenedLibrary;

TEST(OpenedLibrary, HasFunctionsOrSaysWhatIsMissing) {
  const OpenedLibrary there("libm.so.6", "/nowhere");
  EXPECT_EQ(there.problem(), "");
  EXPECT_NE(there.find("cos"), nullptr);
  EXPECT_EQ(there.find("no such function"), nullptr);
  const OpenedLibrary missing("libcudnn_of_nobody.so.9", "/nowhere");
  EXPECT_NE(missing.problem().find("libcudnn_of_nobody.so.9"), std::string::npos);
  EXPECT_EQ(missing.find("cos"), nullptr);
}

}  // namespace
}  // namespace causeway::testing
