// Exchanges by copies out of the device memory of other processes on this machine (CUDA IPC).
//
// Each rank has a window in its device's memory, which the others have opened. In an exchange a
// rank copies what it sends into its window, waits for its device, tells the others where their
// parts lie, and copies its own parts out of the windows of the others; those copies take their
// turn on its device, and nobody waits for them. Who hears of exchange k + 1 from a rank knows that
// this rank's device is done with its copies of exchange k. The window has two halves, used in
// turn, so no rank fills what another may still read.
//
// What that costs: each byte is copied twice, and in every exchange the host waits for its device
// and then for the slowest rank, so devices idle while their hosts launch the next kernels.
// Windows rather than the send buffers themselves are shared, as a handle names an allocation of
// CUDA and opening one takes long: buffers come and go with the videos, the window stays.
#include <cuda_runtime.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

#include "comm/device_comm.hpp"
#include "comm/exchange_window.hpp"
#include "tensor/tensor.hpp"

namespace causeway {
namespace {

void check(cudaError_t error, ExitCode code, const std::string& what, const char* advice) {
  require(error == cudaSuccess, code, "peer copies: {} failed ({}: {}); {}", what,
          cudaGetErrorName(error), cudaGetErrorString(error), advice);
}

constexpr const char* sharing_advice =
    "the ranks of a job group must run on one machine, in one container, on GPUs that reach each "
    "other's memory; parallel.exchange: host does without";
constexpr const char* copy_advice = "see the messages of the driver (dmesg)";

class PeerCommunicator final : public DeviceCommunicator {
 public:
  PeerCommunicator(std::unique_ptr<Communicator> host, Memory& memory)
      : DeviceCommunicator(std::move(host), memory), window_(memory) {
    const auto ranks = static_cast<std::size_t>(size());
    opened_.resize(ranks, nullptr);
    told_.resize(ranks);
    heard_.resize(ranks);
    for (std::size_t r = 0; r < ranks; ++r) {
      const bool own = static_cast<int>(r) == rank();
      notes_.send_bytes.push_back(own ? 0 : sizeof(Note));
      notes_.send_offset.push_back(static_cast<std::int64_t>(r * sizeof(Note)));
    }
    notes_.receive_bytes = notes_.send_bytes;
    notes_.receive_offset = notes_.send_offset;
    connect(0);  // what cannot be shared is known at the start
  }
  ~PeerCommunicator() override {
    if (std::uncaught_exceptions() > 0) {  // the other ranks may never come to their ends
      window_.abandon();
    } else {
      disconnect();
    }
  }

  void make_room(const Exchange& plan) override {
    const std::size_t bytes = SentSpan(plan).bytes();
    if (!host().all_agree(is_ready(bytes))) connect(bytes);
  }
  void finish() override { memory().wait(); }

 protected:
  void do_exchange(const Exchange& plan, const void* send, void* receive) override {
    const SentSpan span(plan);
    if (meet(plan, span, stage(span, send)) == State::no_room) {
      connect(span.bytes());
      meet(plan, span, stage(span, send));
    }
    for (std::size_t r = 0; r < opened_.size(); ++r) {
      if (plan.receive_bytes[r] == 0) continue;
      copy(static_cast<std::byte*>(receive) + plan.receive_offset[r], opened_[r] + heard_[r].offset,
           static_cast<std::size_t>(plan.receive_bytes[r]), fmt::format("a copy from rank {}", r));
    }
  }

 private:
  void copy(void* to, const void* from, std::size_t bytes, const std::string& what) {
    auto* const stream = static_cast<cudaStream_t>(memory().stream());
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDefault, stream), ExitCode::device, what,
          copy_advice);
  }
  enum class State : std::int64_t { ready = 0, no_room = 1, failed = 2 };
  /// What a rank tells another in an exchange.
  struct Note {
    State state = State::ready;
    std::int64_t offset = 0;  ///< in the window, of what is for that rank
  };

  bool is_ready(std::size_t bytes) const { return connected_ && window_.has_room(bytes); }

  /// Fills a half of the window; returns when it is full, and with it all that was asked of this
  /// device before.
  State stage(const SentSpan& span, const void* send) {
    if (!is_ready(span.bytes())) return State::no_room;
    half_ = 1 - half_;
    const bool full = attempt([&] {
      if (span.bytes() > 0) {
        copy(window_.data() + window_.offset_of(half_),
             static_cast<const std::byte*>(send) + span.begin, span.bytes(),
             "a copy into the window");
      }
      memory().wait();
    });
    return full ? State::ready : State::failed;
  }

  /// Tells every other rank how it stands here and where its part lies; hears the same from each.
  /// Returns the worst of all states; throws on all ranks where one failed.
  State meet(const Exchange& plan, const SentSpan& span, State own) {
    for (std::size_t r = 0; r < told_.size(); ++r)
      told_[r] = {own, window_.offset_of(half_) + plan.send_offset[r] - span.begin};
    host().exchange(notes_, told_.data(), heard_.data());
    State worst = own;
    for (int r = 0; r < size(); ++r) {
      if (r != rank()) worst = std::max(worst, heard_[static_cast<std::size_t>(r)].state);
    }
    if (worst == State::failed) agree("an exchange");
    return worst;
  }

  /// Gives this rank's window room for `bytes` and opens those of all others anew; collective, with
  /// any `bytes` on any rank.
  void connect(std::size_t bytes) {
    connected_ = false;
    attempt([&] {
      memory().wait();  // copies out of the windows that are closed now
      close();
    });
    agree("closing windows");
    cudaIpcMemHandle_t handle = {};
    attempt([&] {
      window_.make_room(bytes);  // nobody has the old one open any more
      check(cudaIpcGetMemHandle(&handle, window_.data()), ExitCode::communication,
            "sharing GPU memory", sharing_advice);
    });
    agree("making windows");
    const auto handles =
        host().all_gather(std::string(reinterpret_cast<const char*>(&handle), sizeof handle));
    attempt([&] { open(handles); });
    agree("opening windows");
    connected_ = true;
  }

  void open(const std::vector<std::string>& handles) {
    for (std::size_t r = 0; r < opened_.size(); ++r) {
      if (static_cast<int>(r) == rank()) continue;
      cudaIpcMemHandle_t handle;
      std::memcpy(&handle, handles[r].data(), sizeof handle);
      void* pointer = nullptr;
      check(cudaIpcOpenMemHandle(&pointer, handle, cudaIpcMemLazyEnablePeerAccess),
            ExitCode::communication, fmt::format("opening the GPU memory of rank {}", r),
            sharing_advice);
      opened_[r] = static_cast<const std::byte*>(pointer);
    }
  }

  void close() {
    for (const std::byte*& pointer : opened_) {
      if (pointer == nullptr) continue;
      const auto* const closing = std::exchange(pointer, nullptr);
      check(cudaIpcCloseMemHandle(const_cast<std::byte*>(closing)), ExitCode::communication,
            "closing the GPU memory of another rank", copy_advice);
    }
  }

  /// Closes what is open on all ranks, then releases the window: CUDA does not define what happens
  /// to memory that is released while another process has it open. Collective.
  void disconnect() noexcept {
    connected_ = false;
    const auto tried = [](auto&& work) {
      try {
        work();
        return true;
      } catch (const std::exception&) {
        return false;  // what happened before is more worth telling
      }
    };
    tried([&] { memory().wait(); });
    tried([&] { close(); });
    if (tried([&] { host().barrier(); })) {
      window_.release();
    } else {
      window_.abandon();
    }
  }

  /// Does `work`; where it fails, keeps the problem for agree().
  template <class Work>
  bool attempt(Work&& work) {
    try {
      work();
      return true;
    } catch (const Error& error) {
      problem_ = error.what();
      problem_code_ = error.code();
      return false;
    }
  }

  /// All ranks go on, or all throw the first rank's problem; collective.
  void agree(const char* phase) {
    const auto problem = first_problem(std::exchange(problem_, ""));
    if (problem.empty()) return;
    const auto code = std::exchange(problem_code_, ExitCode::success);
    const auto agreed = static_cast<ExitCode>(host().max(static_cast<std::int64_t>(code)));
    disconnect();
    fail(agreed, "{} between the {} ranks of a job group (parallel.exchange: peer) failed: {}",
         phase, size(), problem);
  }

  ExchangeWindow window_;
  std::vector<const std::byte*> opened_;  // windows of the others; null: its own, or none
  bool connected_ = false;
  int half_ = 0;  // of the window: filled last
  Exchange notes_;
  std::vector<Note> told_, heard_;
  std::string problem_;
  ExitCode problem_code_ = ExitCode::success;
};

}  // namespace

std::unique_ptr<Communicator> make_peer_communicator(std::unique_ptr<Communicator> host,
                                                     Memory& memory) {
  return std::make_unique<PeerCommunicator>(std::move(host), memory);
}

}  // namespace causeway
