// Agreeing on errors: every rank throws, with one exit code, and rank 0 knows the whole story.
#include "batch/agreement.hpp"

#include <gtest/gtest.h>

#include "support/mpi_test_main.hpp"

namespace causeway::testing {
namespace {

TEST(Collectively, LetsEveryRankGoOnWhenAllIsWell) {
  int calls = 0;
  collectively(process().world(), [&] { ++calls; });
  EXPECT_EQ(calls, 1);
}

TEST(Collectively, AnErrorOfTheLastRankReachesAll) {
  auto& world = process().world();
  const int last = world.size() - 1;
  try {
    collectively(world, [&] {
      if (world.rank() == last) fail(ExitCode::input, "file {} is damaged", 7);
    });
    ADD_FAILURE() << "nothing was thrown";
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.code(), ExitCode::input);
    EXPECT_EQ(error.to_be_printed(), world.rank() == 0);
    if (world.rank() == 0) {
      EXPECT_EQ(error.what(),
                (last == 0 ? "" : "rank " + std::to_string(last) + ": ") + "file 7 is damaged");
    }
  }
}

TEST(Collectively, TheFirstFailingRankDecidesTheExitCodeAndEqualProblemsAreSaidOnce) {
  auto& world = process().world();
  try {
    collectively(world, [&] {
      if (world.rank() == 0) fail(ExitCode::device, "no device");
      fail(ExitCode::input, "no file");
    });
    ADD_FAILURE() << "nothing was thrown";
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.code(), ExitCode::device);
    const std::string text = error.what();
    if (world.rank() == 0 && world.size() > 1) {
      EXPECT_NE(text.find("no device"), std::string::npos);
      EXPECT_EQ(text.find("no file"), text.rfind("no file"));
    }
  }
}

TEST(Collectively, AnExceptionThatIsNoneOfOursIsOurBug) {
  try {
    collectively(process().world(), [] { throw std::out_of_range("vector"); });
    ADD_FAILURE() << "nothing was thrown";
  } catch (const AgreedError& error) {
    EXPECT_EQ(error.code(), ExitCode::internal);
  }
}

}  // namespace
}  // namespace causeway::testing
