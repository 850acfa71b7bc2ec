// A task runs beside whoever asked for it, one after the other, and what it throws is not lost.
#include "core/beside.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

namespace causeway {
namespace {

TEST(Beside, RunReturnsWhileItsTaskGoesOn) {
  std::promise<void> may_end;
  std::atomic<bool> ended = false;
  Beside beside;
  beside.run([&] {
    may_end.get_future().wait();
    ended = true;
  });
  EXPECT_FALSE(ended);
  may_end.set_value();
  beside.wait();
  EXPECT_TRUE(ended);
}

TEST(Beside, TasksRunInOrderAndOnAnotherThread) {
  std::vector<int> order;  // no two tasks at a time, so no lock
  Beside beside;
  for (int i = 0; i < 50; ++i) {
    beside.run([&order, i, caller = std::this_thread::get_id()] {
      EXPECT_NE(std::this_thread::get_id(), caller);
      order.push_back(i);
    });
  }
  beside.wait();
  ASSERT_EQ(order.size(), 50u);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST(Beside, WhatATaskThrowsComesOutOfTheNextCallAndOnlyThere) {
  Beside beside;
  bool ran = false;
  beside.run([] { throw std::runtime_error("first"); });
  EXPECT_THROW(beside.run([&] { ran = true; }), std::runtime_error);
  EXPECT_FALSE(ran);
  EXPECT_NO_THROW(beside.wait());
  beside.run([] { throw std::runtime_error("second"); });
  EXPECT_THROW(beside.wait(), std::runtime_error);
  EXPECT_NO_THROW(beside.wait());
}

TEST(Beside, TheEndWaitsForTheTaskAndForgetsWhatItThrew) {
  std::atomic<bool> ended = false;
  {
    Beside beside;
    beside.run([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      ended = true;
      throw std::runtime_error("nobody hears it");
    });
  }
  EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace causeway
