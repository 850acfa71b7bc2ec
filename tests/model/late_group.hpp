// A job group whose exchanges beside are delivered by join() and not before.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <utility>
#include <vector>

#include "comm/comm.hpp"

namespace causeway::testing {

/// Goes by a group of host memory. Until join(), what shall arrive is not a number, and what is
/// sent must stay as it was: a device might read it at the one time or the other.
class LateGroup final : public Communicator {
 public:
  explicit LateGroup(Communicator& inner) : inner_(&inner) {}
  int rank() const override { return inner_->rank(); }
  int size() const override { return inner_->size(); }
  bool overlaps(double flop) const override {
    beside_ = flop;
    return size() >= 4;
  }
  /// What was last asked about.
  double flop_beside() const { return beside_; }
  void broadcast(void* data, std::size_t bytes, int root) override {
    inner_->broadcast(data, bytes, root);
  }
  void gather(const void* send, void* receive, const std::vector<std::int64_t>& bytes_of_rank,
              int root) override {
    inner_->gather(send, receive, bytes_of_rank, root);
  }
  void barrier() override { inner_->barrier(); }
  std::int64_t max(std::int64_t value) override { return inner_->max(value); }

  void join() override {
    joined_.clear();
    for (const Begun& begun : std::exchange(begun_, {})) {
      EXPECT_TRUE(begun.content == sent(begun.plan, begun.send)) << "changed under way";
      inner_->exchange(begun.plan, begun.send, begun.receive);
      joined_.push_back(begun.plan);
    }
  }
  /// What the last join() has delivered, in the order in which it was begun.
  const std::vector<Exchange>& joined() const { return joined_; }
  bool is_under_way() const { return !begun_.empty(); }

 protected:
  void do_exchange(const Exchange& plan, const void* send, void* receive) override {
    if (is_under_way()) join();
    inner_->exchange(plan, send, receive);
  }
  void do_exchange_beside(const Exchange& plan, const void* send, void* receive) override {
    begun_.push_back({plan, send, receive, sent(plan, send)});
    for (std::size_t r = 0; r < plan.receive_bytes.size(); ++r) {
      std::memset(static_cast<char*>(receive) + plan.receive_offset[r], 0xff,
                  static_cast<std::size_t>(plan.receive_bytes[r]));
    }
  }

 private:
  mutable double beside_ = 0;
  struct Begun {
    Exchange plan;
    const void* send;
    void* receive;
    std::vector<char> content;
  };
  static std::vector<char> sent(const Exchange& plan, const void* send) {
    std::vector<char> content;
    for (std::size_t r = 0; r < plan.send_bytes.size(); ++r) {
      const char* const first = static_cast<const char*>(send) + plan.send_offset[r];
      content.insert(content.end(), first, first + plan.send_bytes[r]);
    }
    return content;
  }

  Communicator* inner_;
  std::vector<Begun> begun_;
  std::vector<Exchange> joined_;
};

}  // namespace causeway::testing
