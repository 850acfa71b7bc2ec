// Exchanges from GPU to GPU by NCCL.
//
// A plain exchange takes its turn on the main stream. One begun beside runs on a stream of the
// communicator's own, after all that the main stream was asked for before; join() lets the main
// stream wait for that one. NCCL wants the calls of one communicator in one order on all ranks,
// which the program gives, and gets them one after the other on the device, too: each stream waits
// for the other before it goes on with exchanges.
#include <nccl.h>

#include <chrono>
#include <exception>
#include <optional>
#include <thread>
#include <utility>

#include "comm/device_comm.hpp"
#include "comm/side_stream.hpp"
#include "core/clock.hpp"
#include "tensor/tensor.hpp"

namespace causeway {
namespace {

/// NCCL's own words for a result; `comm` may be null.
std::string reason_of(ncclResult_t result, ncclComm_t comm) {
  const char* last = ncclGetLastError(comm);
  std::string text = ncclGetErrorString(result);
  if (last != nullptr && *last != '\0') text += fmt::format(" ({})", last);
  return text;
}

class NcclCommunicator final : public DeviceCommunicator {
 public:
  NcclCommunicator(std::unique_ptr<Communicator> host, Memory& memory, double patience_seconds)
      : DeviceCommunicator(std::move(host), memory), patience_(patience_seconds) {
    // In two steps: who cannot even begin must not let the others wait for it.
    agree_on([&] {
      const ncclUniqueId id = unique_id();  // collective, hence before what one rank may fail in
      side_.emplace(main_stream());
      begin(id);
    });
    agree_on([&] { settle("joining the job group"); });
  }
  ~NcclCommunicator() override {
    if (comm_ == nullptr) return;
    if (std::uncaught_exceptions() > 0) {  // the other ranks may never come to their ends
      ncclCommAbort(comm_);
      return;
    }
    const auto result = ncclCommFinalize(comm_);
    if (is_begun(result) && settled() == ncclSuccess) {
      ncclCommDestroy(comm_);
    } else {
      ncclCommAbort(comm_);
    }
  }

  void finish() override {
    if (comm_ == nullptr) return;
    ncclResult_t state = ncclSuccess;
    const bool arrived = wait_for([&] {
      state = asked();
      if (state != ncclSuccess) return state != ncclInProgress;
      return side_->idle() && memory().idle();
    });
    if (!arrived) give_up("an exchange");
    if (state != ncclSuccess) refuse(state, "an exchange");
    since_finish_ = since_join_ = 0;
  }

  bool overlaps(double flop) const override {
    return size() >= least_ranks_to_overlap && flop >= least_flop_to_overlap;
  }
  void join() override {
    if (std::exchange(since_join_, 0) > 0) side_->lead_main_stream();
  }

 protected:
  void do_exchange(const Exchange& plan, const void* send, void* receive) override {
    expects(comm_ != nullptr, "no exchange after one that failed");
    join();
    count_ahead();
    hand_over(plan, send, receive, main_stream());
  }
  void do_exchange_beside(const Exchange& plan, const void* send, void* receive) override {
    expects(comm_ != nullptr, "no exchange after one that failed");
    // Those of one join count as one, unless there are very many.
    if (since_join_ % most_ahead == 0) count_ahead();
    side_->follow_main_stream();
    hand_over(plan, send, receive, side_->get());
    ++since_join_;
  }

 private:
  cudaStream_t main_stream() const { return static_cast<cudaStream_t>(memory().stream()); }

  /// A device takes only so many kernels ahead. A host that waits there for a rank that is gone
  /// would look after nothing any more, so it waits here, now and then, where it does.
  void count_ahead() {
    if (++since_finish_ > most_ahead) finish();
  }

  /// Asks NCCL for the exchange on that stream; returns when it is in its turn there.
  void hand_over(const Exchange& plan, const void* send, void* receive, cudaStream_t stream) {
    begun(ncclGroupStart(), "ncclGroupStart");
    ncclResult_t result = ncclSuccess;
    const auto each = [&](const std::vector<std::int64_t>& bytes, auto&& call) {
      for (int r = 0; r < size(); ++r) {
        const auto at = static_cast<std::size_t>(r);
        if (bytes[at] > 0 && is_begun(result)) result = call(at, r);
      }
    };
    each(plan.send_bytes, [&](std::size_t at, int to) {
      return ncclSend(static_cast<const char*>(send) + plan.send_offset[at],
                      static_cast<std::size_t>(plan.send_bytes[at]), ncclUint8, to, comm_, stream);
    });
    each(plan.receive_bytes, [&](std::size_t at, int from) {
      return ncclRecv(static_cast<char*>(receive) + plan.receive_offset[at],
                      static_cast<std::size_t>(plan.receive_bytes[at]), ncclUint8, from, comm_,
                      stream);
    });
    const ncclResult_t ended = ncclGroupEnd();  // a group that is left open could not be aborted
    begun(result, "ncclSend or ncclRecv");
    begun(ended, "ncclGroupEnd");
    // The end only hands the work over to NCCL's thread: what follows on the stream must not
    // overtake it.
    settle("an exchange");
  }

  /// Rank 0's id for a new communicator, at all ranks.
  ncclUniqueId unique_id() {
    struct {
      ncclUniqueId id = {};
      std::int64_t result = ncclSuccess;
    } drawn;
    if (rank() == 0) drawn.result = ncclGetUniqueId(&drawn.id);
    broadcast(&drawn, sizeof drawn, 0);
    begun(static_cast<ncclResult_t>(drawn.result), "ncclGetUniqueId");
    return drawn.id;
  }

  void begin(const ncclUniqueId& id) {
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    config.blocking = 0;
    begun(ncclCommInitRankConfig(&comm_, size(), id, rank(), &config), "ncclCommInitRankConfig");
  }

  /// Does `work` on all ranks; then all go on, or all throw the first rank's reason.
  template <class Work>
  void agree_on(Work&& work) {
    std::string problem;
    try {
      work();
    } catch (const Error& error) {
      problem = error.what();
    }
    problem = first_problem(problem);
    if (problem.empty()) return;
    abandon();
    fail(ExitCode::communication,
         "NCCL could not connect the {} ranks of a job group: {}; NCCL_DEBUG=INFO shows what it "
         "tried, and parallel.exchange: host does without NCCL",
         size(), problem);
  }

  /// Looks until `done`, or until the patience is over (false).
  template <class Done>
  bool wait_for(Done&& done) const {
    constexpr int looks_without_sleep = 2000;  // an exchange is handed over within microseconds
    const auto start = Clock::now();
    for (int look = 0;; ++look) {
      if (done()) return true;
      if (look < looks_without_sleep) continue;
      if (seconds_since(start) > patience_) return false;
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }

  ncclResult_t asked() const {
    ncclResult_t state = ncclSuccess;
    const ncclResult_t result = ncclCommGetAsyncError(comm_, &state);
    return result == ncclSuccess ? state : result;
  }

  /// The communicator's state when what was begun last has settled; ncclInProgress if it never did.
  ncclResult_t settled() const {
    ncclResult_t state = ncclInProgress;
    wait_for([&] {
      state = asked();
      return state != ncclInProgress;
    });
    return state;
  }

  /// Calls return at once, and may say so.
  static bool is_begun(ncclResult_t result) {
    return result == ncclSuccess || result == ncclInProgress;
  }
  void begun(ncclResult_t result, const char* what) {
    if (!is_begun(result)) refuse(result, what);
  }
  /// Waits for the end of what was begun last.
  void settle(const char* what) {
    const ncclResult_t state = settled();
    if (state == ncclInProgress) give_up(what);
    if (state != ncclSuccess) refuse(state, what);
  }

  [[noreturn]] void refuse(ncclResult_t result, const char* what) {
    const std::string reason = reason_of(result, comm_);
    abandon();
    fail(ExitCode::communication,
         "NCCL: {} failed on rank {} of {}: {}; see the messages of the other ranks, and "
         "NCCL_DEBUG=INFO",
         what, rank(), size(), reason);
  }

  [[noreturn]] void give_up(const char* what) {
    abandon();
    fail(ExitCode::communication,
         "NCCL: {} on rank {} of {} had no end for {:g} s (another rank of the job group has "
         "failed or hangs); see its messages, or raise parallel.patience",
         what, rank(), size(), patience_);
  }

  void abandon() {
    if (comm_ != nullptr) ncclCommAbort(std::exchange(comm_, nullptr));
  }

  /// An exchange in parts has the latency of each of them, some 13 µs between GPUs of a node: a GPU
  /// does about so much in that time. Among fewer ranks exchanges are too small a part of a layer.
  /// Estimated, not measured.
  static constexpr double least_flop_to_overlap = 8e9;
  static constexpr int least_ranks_to_overlap = 4;
  static constexpr int most_ahead = 16;  // exchanges; two a layer, some twenty kernels each

  std::optional<SideStream> side_;  // outlives NCCL's communicator, which is used on it
  ncclComm_t comm_ = nullptr;
  double patience_;
  int since_finish_ = 0;  // exchanges; those of one join are one
  int since_join_ = 0;    // exchanges begun beside
};

}  // namespace

bool have_nccl() { return true; }

std::unique_ptr<Communicator> make_nccl_communicator(std::unique_ptr<Communicator> host,
                                                     Memory& memory, double patience_seconds) {
  return std::make_unique<NcclCommunicator>(std::move(host), memory, patience_seconds);
}

}  // namespace causeway
