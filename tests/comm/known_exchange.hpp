// Exchanges of device memory whose every byte is known, and the ways that they go by.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "comm/comm.hpp"
#include "tensor/tensor.hpp"

namespace causeway::testing {

/// Ways of device_comm.hpp that this program tries, by name.
const std::vector<std::string>& exchange_ways();
/// All ranks as a group whose exchanges go that way; null where they cannot.
std::unique_ptr<Communicator> group_by(const std::string& way);
/// Why they cannot.
extern const char* const no_group;

/// Buffers of one exchange in the device's memory, other ones for every round.
class KnownExchange {
 public:
  /// Regions lie in the order of ranks, or in odd rounds against it, with a gap before each. They
  /// are `scale` times as long as they are at least.
  KnownExchange(Communicator& group, int round, std::int64_t scale = 1)
      : group_(&group), round_(round), scale_(scale) {
    const int me = group.rank(), ranks = group.size();
    plan_.send_bytes.resize(static_cast<std::size_t>(ranks));
    plan_.send_offset = plan_.receive_bytes = plan_.receive_offset = plan_.send_bytes;
    std::vector<char> send;
    for (int i = 0; i < ranks; ++i) {
      const int other = round % 2 == 1 ? ranks - 1 - i : i;
      const auto at = static_cast<std::size_t>(other);
      send.resize(send.size() + 3, '!');
      plan_.send_bytes[at] = length(me, other);
      plan_.send_offset[at] = static_cast<std::int64_t>(send.size());
      for (std::int64_t k = 0; k < length(me, other); ++k) send.push_back(byte_of(me, other, k));
      expected_.resize(expected_.size() + 3, '?');
      plan_.receive_bytes[at] = length(other, me);
      plan_.receive_offset[at] = static_cast<std::int64_t>(expected_.size());
      for (std::int64_t k = 0; k < length(other, me); ++k)
        expected_.push_back(byte_of(other, me, k));
    }
    Memory& memory = group.memory();
    from_ = Tensor(ElementType::u8, {static_cast<std::int64_t>(send.size())}, memory);
    to_ = Tensor(ElementType::u8, {static_cast<std::int64_t>(expected_.size())}, memory);
    const std::vector<char> blank(expected_.size(), '?');
    memory.copy_in(from_.data(), send.data(), send.size());
    memory.copy_in(to_.data(), blank.data(), blank.size());
  }

  const Exchange& plan() const { return plan_; }
  void exchange() { group_->exchange(plan_, from_.data(), to_.data()); }
  void exchange_beside() { group_->exchange_beside(plan_, from_.data(), to_.data()); }
  /// What was sent may be overwritten once it is on its way for certain.
  void forget_what_was_sent() {
    const std::vector<char> other(static_cast<std::size_t>(from_.size()), '#');
    group_->memory().copy_in(from_.data(), other.data(), other.size());
  }
  /// How many bytes of those that other ranks send have not arrived or are not what was sent.
  std::int64_t bytes_missing() const {
    const std::vector<char> received = copied_out();
    std::int64_t missing = 0;
    for (std::size_t i = 0; i < received.size(); ++i) missing += received[i] != expected_[i];
    return missing;
  }
  void expect_arrived() const { EXPECT_TRUE(copied_out() == expected_) << "round " << round_; }
  std::int64_t bytes() const {
    std::int64_t sum = 0;
    for (const auto part : plan_.send_bytes) sum += part;
    return sum;
  }
  std::int64_t messages() const {
    std::int64_t sum = 0;
    for (const auto part : plan_.send_bytes) sum += part > 0 ? 1 : 0;
    return sum;
  }

 private:
  std::vector<char> copied_out() const {
    std::vector<char> received(expected_.size());
    group_->memory().copy_out(received.data(), to_.data(), received.size());
    return received;
  }
  /// Some pairs have nothing to say to each other.
  std::int64_t length(int from, int to) const {
    return from == to || (from + 2 * to) % 5 == 4 ? 0 : scale_ * (1000 * from + 10 * to + 1);
  }
  char byte_of(int from, int to, std::int64_t at) const {
    return static_cast<char>(31 * from + 7 * to + 3 * at + 101 * round_);
  }

  Communicator* group_;
  int round_;
  std::int64_t scale_;
  Exchange plan_;
  std::vector<char> expected_;
  Tensor from_, to_;
};

}  // namespace causeway::testing
