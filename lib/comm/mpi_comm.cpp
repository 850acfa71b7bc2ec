// Ranks that talk by MPI, host memory.
#include <mpi.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "comm/comm.hpp"

namespace causeway {
namespace {

void check(int code, const char* call) {
  if (code == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(code, text, &length);
  fail(ExitCode::communication,
       "{} failed: {}; see the messages of other ranks and of the launcher", call,
       std::string(text, static_cast<std::size_t>(length)));
}

int to_count(std::int64_t bytes) {
  require(
      bytes >= 0 && bytes <= INT_MAX, ExitCode::communication,
      "a message of {} bytes is too long for MPI (2 GiB); use a larger group or a smaller video",
      bytes);
  return static_cast<int>(bytes);
}

/// Splits what may be longer than 2 GiB into pieces that MPI can count.
template <class Piece>
void in_pieces(void* data, std::size_t bytes, Piece&& piece) {
  constexpr std::size_t limit = std::size_t{1} << 30;
  for (std::size_t done = 0; done < bytes; done += limit) {
    piece(static_cast<char*>(data) + done, static_cast<int>(std::min(limit, bytes - done)));
  }
}

class MpiCommunicator final : public Communicator {
 public:
  /// Takes the communicator over and frees it at the end.
  explicit MpiCommunicator(MPI_Comm comm) : comm_(comm) {
    check(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    check(MPI_Comm_rank(comm_, &rank_), "MPI_Comm_rank");
    check(MPI_Comm_size(comm_, &size_), "MPI_Comm_size");
    const auto ranks = static_cast<std::size_t>(size_);
    for (auto* numbers : {&send_count_, &send_at_, &receive_count_, &receive_at_})
      numbers->resize(ranks);
  }
  ~MpiCommunicator() override {
    int finalized = 0;
    MPI_Finalized(&finalized);
    if (finalized == 0) MPI_Comm_free(&comm_);
  }

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  using Communicator::broadcast;
  using Communicator::gather;

  void broadcast(void* data, std::size_t bytes, int root) override {
    in_pieces(data, bytes, [&](char* piece, int count) {
      check(MPI_Bcast(piece, count, MPI_BYTE, root, comm_), "MPI_Bcast");
    });
  }

  void gather(const void* send, void* receive, const std::vector<std::int64_t>& bytes_of_rank,
              int root) override {
    expects(bytes_of_rank.size() == static_cast<std::size_t>(size_), "gather: one length per rank");
    std::int64_t offset = 0;
    for (std::size_t r = 0; r < bytes_of_rank.size(); ++r) {
      receive_count_[r] = to_count(bytes_of_rank[r]);
      receive_at_[r] = to_count(offset);
      offset += bytes_of_rank[r];
    }
    check(MPI_Gatherv(send, to_count(bytes_of_rank[static_cast<std::size_t>(rank_)]), MPI_BYTE,
                      receive, receive_count_.data(), receive_at_.data(), MPI_BYTE, root, comm_),
          "MPI_Gatherv");
  }

  void barrier() override { check(MPI_Barrier(comm_), "MPI_Barrier"); }

  std::int64_t max(std::int64_t value) override {
    std::int64_t largest = value;
    check(MPI_Allreduce(&value, &largest, 1, MPI_INT64_T, MPI_MAX, comm_), "MPI_Allreduce");
    return largest;
  }

 protected:
  void do_exchange(const Exchange& plan, const void* send, void* receive) override {
    for (std::size_t r = 0; r < plan.send_bytes.size(); ++r) {
      send_count_[r] = to_count(plan.send_bytes[r]);
      send_at_[r] = to_count(plan.send_offset[r]);
      receive_count_[r] = to_count(plan.receive_bytes[r]);
      receive_at_[r] = to_count(plan.receive_offset[r]);
    }
    check(MPI_Alltoallv(send, send_count_.data(), send_at_.data(), MPI_BYTE, receive,
                        receive_count_.data(), receive_at_.data(), MPI_BYTE, comm_),
          "MPI_Alltoallv");
  }

 private:
  MPI_Comm comm_;
  int rank_ = 0, size_ = 1;
  std::vector<int> send_count_, send_at_, receive_count_, receive_at_;
};

class MpiMailbox final : public Mailbox {
 public:
  explicit MpiMailbox(MPI_Comm comm) : comm_(comm) {
    check(MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
  }
  ~MpiMailbox() override {
    int finalized = 0;
    MPI_Finalized(&finalized);
    if (finalized == 0) MPI_Comm_free(&comm_);
  }

  void send(int to, Lane lane, const std::string& text) override {
    check(MPI_Send(text.data(), to_count(static_cast<std::int64_t>(text.size())), MPI_BYTE, to,
                   static_cast<int>(lane), comm_),
          "MPI_Send");
  }

  std::optional<Message> poll(Lane lane) override {
    int there = 0;
    MPI_Message handle = MPI_MESSAGE_NULL;
    MPI_Status status;
    // A matched probe: two threads of a rank may poll two lanes at the same time.
    check(MPI_Improbe(MPI_ANY_SOURCE, static_cast<int>(lane), comm_, &there, &handle, &status),
          "MPI_Improbe");
    if (there == 0) return std::nullopt;
    int bytes = 0;
    check(MPI_Get_count(&status, MPI_BYTE, &bytes), "MPI_Get_count");
    Message message;
    message.from = status.MPI_SOURCE;
    message.text.resize(static_cast<std::size_t>(bytes));
    check(MPI_Mrecv(message.text.data(), bytes, MPI_BYTE, &handle, &status), "MPI_Mrecv");
    return message;
  }

 private:
  MPI_Comm comm_;
};

MPI_Comm duplicate(MPI_Comm comm) {
  MPI_Comm copy = MPI_COMM_NULL;
  check(MPI_Comm_dup(comm, &copy), "MPI_Comm_dup");
  return copy;
}

class MpiProcess final : public Process {
 public:
  MpiProcess(int* argc, char*** argv) {
    int provided = MPI_THREAD_SINGLE;
    check(MPI_Init_thread(argc, argv, MPI_THREAD_MULTIPLE, &provided), "MPI_Init_thread");
    require(provided >= MPI_THREAD_MULTIPLE, ExitCode::communication,
            "this MPI library grants thread level {} (Causeway's scheduler needs "
            "MPI_THREAD_MULTIPLE = {}); "
            "use an OpenMPI or MPICH built with thread support",
            provided, MPI_THREAD_MULTIPLE);
    world_ = std::make_unique<MpiCommunicator>(duplicate(MPI_COMM_WORLD));
    mailbox_ = std::make_unique<MpiMailbox>(duplicate(MPI_COMM_WORLD));
    MPI_Comm node = MPI_COMM_NULL;
    check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &node),
          "MPI_Comm_split_type");
    check(MPI_Comm_rank(node, &rank_on_node_), "MPI_Comm_rank");
    check(MPI_Comm_size(node, &ranks_on_node_), "MPI_Comm_size");
    check(MPI_Comm_free(&node), "MPI_Comm_free");
  }
  ~MpiProcess() override {
    mailbox_.reset();
    world_.reset();
    MPI_Finalize();
  }

  Communicator& world() override { return *world_; }
  int ranks_on_node() const override { return ranks_on_node_; }
  int rank_on_node() const override { return rank_on_node_; }
  std::string host_name() const override {
    char name[MPI_MAX_PROCESSOR_NAME] = {};
    int length = 0;
    check(MPI_Get_processor_name(name, &length), "MPI_Get_processor_name");
    return {name, static_cast<std::size_t>(length)};
  }
  std::unique_ptr<Communicator> split(int colour) override {
    MPI_Comm part = MPI_COMM_NULL;
    check(MPI_Comm_split(MPI_COMM_WORLD, colour, world_->rank(), &part), "MPI_Comm_split");
    return std::make_unique<MpiCommunicator>(part);
  }
  Mailbox& mailbox() override { return *mailbox_; }
  [[noreturn]] void abort(ExitCode code) override {
    MPI_Abort(MPI_COMM_WORLD, static_cast<int>(code));
    std::_Exit(static_cast<int>(code));
  }

 private:
  std::unique_ptr<MpiCommunicator> world_;
  std::unique_ptr<MpiMailbox> mailbox_;
  int ranks_on_node_ = 1, rank_on_node_ = 0;
};

}  // namespace

std::unique_ptr<Process> make_mpi_process(int* argc, char*** argv) {
  return std::make_unique<MpiProcess>(argc, argv);
}

}  // namespace causeway
