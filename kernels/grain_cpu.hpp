// From which size on a loop is worth several threads.
#pragma once

#include <cstdint>

namespace causeway::kernels {

/// Elements of light work (a load, a few operations, a store); below it, waking the threads costs
/// more.
constexpr std::int64_t parallel_grain = 16384;

}  // namespace causeway::kernels
