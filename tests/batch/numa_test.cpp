// The processors near a GPU, from a tree of files like Linux's.
#include "batch/numa.hpp"

#include <gtest/gtest.h>
#include <sched.h>

#include <cstdlib>
#include <fstream>
#include <thread>

namespace causeway {
namespace {

namespace fs = std::filesystem;

TEST(Numa, ReadsListsOfProcessors) {
  EXPECT_EQ(processor_list("0"), (std::vector{0}));
  EXPECT_EQ(processor_list("0-3,8"), (std::vector{0, 1, 2, 3, 8}));
  EXPECT_EQ(processor_list("1-1,4-5"), (std::vector{1, 4, 5}));
  for (const char* bad : {"", "a", "3-1", "1-", "-1", "0,,2", "0-99999999", "1 2"})
    EXPECT_TRUE(processor_list(bad).empty()) << bad;
}

TEST(Numa, FindsTheNodeOfAGpu) {
  std::string name = (fs::temp_directory_path() / "causeway-numa-XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  const fs::path root = name;
  const auto write = [&](const char* path, const char* text) {
    fs::create_directories((root / path).parent_path());
    std::ofstream(root / path) << text << "\n";
  };
  write("bus/pci/devices/0000:ab:00.0/numa_node", "1");
  write("bus/pci/devices/0000:cd:00.0/numa_node", "-1");
  write("bus/pci/devices/0000:ef:00.0/numa_node", "7");
  write("devices/system/node/node1/cpulist", "2-3");
  const NumaNode found = numa_node_of("0000:AB:00.0", root);  // as CUDA writes it
  EXPECT_EQ(found.number, 1);
  EXPECT_EQ(found.processors, (std::vector{2, 3}));
  for (const char* other : {"0000:cd:00.0", "0000:ef:00.0", "0000:00:00.0", ""})
    EXPECT_TRUE(numa_node_of(other, root).processors.empty()) << other;
  fs::remove_all(root);
}

TEST(Numa, BindsOnlyWhatNobodyHasBound) {
  // In a thread of its own: the others stay as they are.
  std::thread([] {
    cpu_set_t before, after;
    ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
    int first = 0;
    while (!CPU_ISSET(static_cast<std::size_t>(first), &before)) ++first;
    EXPECT_FALSE(bind_to({})) << "a machine that does not say";
    const bool bound = bind_to({0, {first}});
    ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
    if (!bound) {
      EXPECT_TRUE(CPU_EQUAL(&before, &after));
      return;  // somebody has bound this test
    }
    EXPECT_EQ(CPU_COUNT(&after), 1);
    EXPECT_TRUE(CPU_ISSET(static_cast<std::size_t>(first), &after));
    if (CPU_COUNT(&before) > 1) {
      EXPECT_FALSE(bind_to({0, {first}})) << "it is bound now";
    }
  }).join();
}

}  // namespace
}  // namespace causeway
