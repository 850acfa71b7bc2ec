// One rank on its own: every exchange is empty, every broadcast already there.
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <mutex>

#include "comm/comm.hpp"

namespace causeway {
namespace {

class SoloCommunicator final : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  using Communicator::broadcast;
  using Communicator::gather;
  void broadcast(void*, std::size_t, int root) override {
    expects(root == 0, "the only rank is 0");
  }
  void gather(const void* send, void* receive, const std::vector<std::int64_t>& bytes_of_rank,
              int root) override {
    expects(root == 0 && bytes_of_rank.size() == 1, "the only rank is 0");
    if (bytes_of_rank[0] > 0)
      std::memmove(receive, send, static_cast<std::size_t>(bytes_of_rank[0]));
  }
  void barrier() override {}
  std::int64_t max(std::int64_t value) override { return value; }

 protected:
  void do_exchange(const Exchange&, const void*, void*) override {}
};

class SoloMailbox final : public Mailbox {
 public:
  void send(int to, Lane lane, const std::string& text) override {
    expects(to == 0, "the only rank is 0");
    const std::lock_guard lock(mutex_);
    queue(lane).push_back({0, text});
  }
  std::optional<Message> poll(Lane lane) override {
    const std::lock_guard lock(mutex_);
    auto& waiting = queue(lane);
    if (waiting.empty()) return std::nullopt;
    Message message = std::move(waiting.front());
    waiting.pop_front();
    return message;
  }

 private:
  std::deque<Message>& queue(Lane lane) { return lane == Lane::request ? requests_ : answers_; }
  std::mutex mutex_;
  std::deque<Message> requests_, answers_;
};

class SoloProcess final : public Process {
 public:
  Communicator& world() override { return world_; }
  int ranks_on_node() const override { return 1; }
  int rank_on_node() const override { return 0; }
  std::string host_name() const override {
    char name[256] = {};
    return gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
  }
  std::unique_ptr<Communicator> split(int) override { return std::make_unique<SoloCommunicator>(); }
  Mailbox& mailbox() override { return mailbox_; }
  [[noreturn]] void abort(ExitCode code) override { std::_Exit(static_cast<int>(code)); }

 private:
  SoloCommunicator world_;
  SoloMailbox mailbox_;
};

}  // namespace

std::unique_ptr<Communicator> make_solo_communicator() {
  return std::make_unique<SoloCommunicator>();
}
std::unique_ptr<Process> make_solo_process() { return std::make_unique<SoloProcess>(); }

}  // namespace causeway
