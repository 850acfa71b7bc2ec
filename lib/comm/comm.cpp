// What all communicators share: checks, counting, texts of any length.
#include "comm/comm.hpp"

#include <chrono>
#include <cstring>
#include <thread>

#include "tensor/tensor.hpp"

namespace causeway {

Memory& Communicator::memory() const { return host_memory(); }

void Communicator::exchange(const Exchange& plan, const void* send, void* receive) {
  check_and_count(plan);
  do_exchange(plan, send, receive);
}

void Communicator::exchange_beside(const Exchange& plan, const void* send, void* receive) {
  check_and_count(plan);
  do_exchange_beside(plan, send, receive);
}

void Communicator::check_and_count(const Exchange& plan) {
  const auto ranks = static_cast<std::size_t>(size());
  expects(plan.send_bytes.size() == ranks && plan.send_offset.size() == ranks &&
              plan.receive_bytes.size() == ranks && plan.receive_offset.size() == ranks,
          "an exchange has one entry per rank");
  const auto me = static_cast<std::size_t>(rank());
  expects(plan.send_bytes[me] == 0 && plan.receive_bytes[me] == 0,
          "what stays on a rank is read from its send buffer");
  for (const auto bytes : plan.send_bytes) {
    exchanged_bytes_ += bytes;
    exchanged_messages_ += bytes > 0 ? 1 : 0;
  }
}

std::string Communicator::broadcast(std::string text, int root) {
  auto length = static_cast<std::int64_t>(text.size());
  broadcast(&length, sizeof length, root);
  text.resize(static_cast<std::size_t>(length));
  broadcast(text.data(), text.size(), root);
  return text;
}

std::vector<std::string> Communicator::gather(const std::string& text, int root) {
  const auto ranks = static_cast<std::size_t>(size());
  const auto length = static_cast<std::int64_t>(text.size());
  std::vector<std::int64_t> lengths(ranks, 0);
  const std::vector<std::int64_t> eight(ranks, sizeof(std::int64_t));
  gather(&length, lengths.data(), eight, root);
  broadcast(lengths.data(), ranks * sizeof(std::int64_t), root);
  std::int64_t total = 0;
  for (const auto bytes : lengths) total += bytes;
  std::string all(rank() == root ? static_cast<std::size_t>(total) : 0, '\0');
  gather(text.data(), all.data(), lengths, root);
  std::vector<std::string> texts;
  if (rank() != root) return texts;
  std::size_t offset = 0;
  for (const auto bytes : lengths) {
    texts.push_back(all.substr(offset, static_cast<std::size_t>(bytes)));
    offset += static_cast<std::size_t>(bytes);
  }
  return texts;
}

std::vector<std::string> Communicator::all_gather(const std::string& text) {
  auto texts = gather(text, 0);
  texts.resize(static_cast<std::size_t>(size()));
  std::vector<std::int64_t> lengths;
  std::string all;
  for (const auto& part : texts) {
    lengths.push_back(static_cast<std::int64_t>(part.size()));
    all += part;
  }
  broadcast(lengths.data(), lengths.size() * sizeof(std::int64_t), 0);
  all = broadcast(all, 0);
  std::size_t offset = 0;
  for (std::size_t r = 0; r < texts.size(); ++r) {
    texts[r] = all.substr(offset, static_cast<std::size_t>(lengths[r]));
    offset += texts[r].size();
  }
  return texts;
}

Message Mailbox::wait(Lane lane) {
  // A sleeping look every millisecond costs about 1.5 % of a core; a blocking receive would spin on
  // one.
  for (;;) {
    if (auto message = poll(lane)) return *message;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace causeway
