// The face of lib/comm: ranks are given, never asked for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/error.hpp"

namespace causeway {

class Memory;

/// Who sends how much to whom in one exchange; all numbers in bytes, one entry per rank.
/// A rank's own entries must be 0: what stays at home is read from the send buffer.
struct Exchange {
  std::vector<std::int64_t> send_bytes, send_offset;  ///< send regions may overlap
  std::vector<std::int64_t> receive_bytes, receive_offset;
};

/// The ranks that work on one thing together (a job group, or all of them).
class Communicator {
 public:
  virtual ~Communicator() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;

  /// Every rank sends its own bytes to every other rank; collective. Both buffers are in
  /// `memory()`. On a device the exchange takes its turn after the work that was asked of it
  /// before, and may still be under way on return.
  void exchange(const Exchange& plan, const void* send, void* receive);
  /// Whether an exchange begun beside so much other work of the device (FLOP of one rank) is likely
  /// to be over sooner than one that follows it. Ranks that ask the same get the same answer.
  virtual bool overlaps(double /*flop*/) const { return false; }
  /// As `exchange`, but what is asked of the device afterwards need not wait for it. Until `join`
  /// the receive regions must be left alone and the send regions unchanged. Where nothing
  /// ever overlaps it is an exchange.
  void exchange_beside(const Exchange& plan, const void* send, void* receive);
  /// What is asked of the device from now on waits for all exchanges begun beside. An `exchange`
  /// joins before it takes its turn.
  virtual void join() {}
  /// Takes the memory that an exchange of this plan needs, which it would else take in its midst;
  /// collective. All ranks succeed, or all throw Error(device) and may go on with other plans.
  virtual void make_room(const Exchange&) {}
  /// Where the buffers of `exchange` are; everything else here is in the host's memory.
  virtual Memory& memory() const;
  /// Returns when all exchanges have arrived, those beside too. Throws Error(communication) where a
  /// rank does not answer.
  virtual void finish() {}
  /// Root's bytes reach everybody; collective.
  virtual void broadcast(void* data, std::size_t bytes, int root) = 0;
  /// Bytes of all ranks arrive at root in rank order; `bytes_of_rank` is known to all; collective.
  virtual void gather(const void* send, void* receive,
                      const std::vector<std::int64_t>& bytes_of_rank, int root) = 0;
  virtual void barrier() = 0;
  /// The largest value of all ranks; collective.
  virtual std::int64_t max(std::int64_t value) = 0;

  /// Variable-length helpers built on the above.
  std::string broadcast(std::string text, int root);
  std::vector<std::string> gather(const std::string& text, int root);
  /// The texts of all ranks, at all ranks.
  std::vector<std::string> all_gather(const std::string& text);
  /// True where every rank says true. Before a rank leaves a collective phase by throwing, all
  /// agree.
  bool all_agree(bool ok) { return max(ok ? 0 : 1) == 0; }

  /// Bytes that this rank has sent to others in exchanges, of either form, since the start.
  std::int64_t exchanged_bytes() const { return exchanged_bytes_; }
  /// Messages (non-empty, to others) of those exchanges.
  std::int64_t exchanged_messages() const { return exchanged_messages_; }

 protected:
  virtual void do_exchange(const Exchange& plan, const void* send, void* receive) = 0;
  virtual void do_exchange_beside(const Exchange& plan, const void* send, void* receive) {
    do_exchange(plan, send, receive);
  }

 private:
  void check_and_count(const Exchange& plan);

  std::int64_t exchanged_bytes_ = 0;
  std::int64_t exchanged_messages_ = 0;
};

/// One rank on its own: the readable specification.
std::unique_ptr<Communicator> make_solo_communicator();

/// A short message between two ranks outside all collectives (the scheduler's requests and
/// answers).
struct Message {
  int from = 0;
  std::string text;
};

/// Point-to-point messages on a communicator of their own, safe beside collectives of other
/// threads. Two independent lanes: `request` (to a server) and `answer` (back).
class Mailbox {
 public:
  enum class Lane : int { request = 1, answer = 2 };
  virtual ~Mailbox() = default;
  virtual void send(int to, Lane lane, const std::string& text) = 0;
  /// The next message on that lane from anybody, or nothing at the moment; never blocks.
  virtual std::optional<Message> poll(Lane lane) = 0;
  /// Waits for a message on that lane (sleeping between looks, so that a core stays free).
  Message wait(Lane lane);
};

/// This process among the others; made once in main(), handed down. MPI lives from its making to
/// its end.
class Process {
 public:
  virtual ~Process() = default;
  virtual Communicator& world() = 0;
  virtual int ranks_on_node() const = 0;  ///< ranks of this job on this machine
  virtual int rank_on_node() const = 0;
  virtual std::string host_name() const = 0;
  /// Ranks with the same colour form a communicator, ordered by world rank; collective over the
  /// world.
  virtual std::unique_ptr<Communicator> split(int colour) = 0;
  virtual Mailbox& mailbox() = 0;
  /// Ends the whole job at once with this exit code; for errors inside a collective phase, where
  /// other ranks would wait for ever. Does not return.
  [[noreturn]] virtual void abort(ExitCode code) = 0;
};

/// MPI with MPI_THREAD_MULTIPLE; without a launcher, rank 0 of 1. Throws Error(communication).
std::unique_ptr<Process> make_mpi_process(int* argc, char*** argv);

/// A process that knows no MPI: rank 0 of 1.
std::unique_ptr<Process> make_solo_process();

}  // namespace causeway
