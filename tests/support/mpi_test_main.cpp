// main() of tests under mpiexec: a failure on any rank fails the program.
#include "support/mpi_test_main.hpp"

#include <gtest/gtest.h>

namespace causeway::testing {
namespace {
Process* the_process = nullptr;
}

Process& process() { return *the_process; }

}  // namespace causeway::testing

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  auto process = causeway::make_mpi_process(&argc, &argv);
  causeway::testing::the_process = process.get();
  if (process->world().rank() != 0) {
    auto& listeners = ::testing::UnitTest::GetInstance()->listeners();
    if (process->world().rank() > 0) {
      // Other ranks print only their failures.
      class FailurePrinter : public ::testing::EmptyTestEventListener {
        void OnTestPartResult(const ::testing::TestPartResult& result) override {
          if (result.failed()) {
            std::fprintf(stderr, "rank failure at %s:%d: %s\n", result.file_name(),
                         result.line_number(), result.summary());
          }
        }
      };
      delete listeners.Release(listeners.default_result_printer());
      listeners.Append(new FailurePrinter);
    }
  }
  const int result = RUN_ALL_TESTS();
  return static_cast<int>(process->world().max(result));
}
