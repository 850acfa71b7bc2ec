// Exchanges of device memory by way of the host.
#include <algorithm>
#include <cstddef>

#include "comm/device_comm.hpp"
#include "tensor/tensor.hpp"

namespace causeway {
namespace {

/// Bytes from a buffer's start to the end of the last of some regions.
std::size_t extent(const std::vector<std::int64_t>& offset,
                   const std::vector<std::int64_t>& bytes) {
  std::int64_t end = 0;
  for (std::size_t r = 0; r < bytes.size(); ++r) {
    if (bytes[r] > 0) end = std::max(end, offset[r] + bytes[r]);
  }
  return static_cast<std::size_t>(end);
}

class StagedCommunicator final : public DeviceCommunicator {
 public:
  using DeviceCommunicator::DeviceCommunicator;

 protected:
  void do_exchange(const Exchange& plan, const void* send, void* receive) override {
    // The buffers stay from exchange to exchange: each has the size of the largest one.
    std::byte* const send_stage = stage(send_, extent(plan.send_offset, plan.send_bytes));
    std::byte* const receive_stage =
        stage(receive_, extent(plan.receive_offset, plan.receive_bytes));
    for (std::size_t r = 0; r < plan.send_bytes.size(); ++r) {
      if (plan.send_bytes[r] == 0) continue;
      memory().copy_out(send_stage + plan.send_offset[r],
                        static_cast<const std::byte*>(send) + plan.send_offset[r],
                        static_cast<std::size_t>(plan.send_bytes[r]));
    }
    host().exchange(plan, send_stage, receive_stage);
    for (std::size_t r = 0; r < plan.receive_bytes.size(); ++r) {
      if (plan.receive_bytes[r] == 0) continue;
      memory().copy_in(static_cast<std::byte*>(receive) + plan.receive_offset[r],
                       receive_stage + plan.receive_offset[r],
                       static_cast<std::size_t>(plan.receive_bytes[r]));
    }
  }

 private:
  static std::byte* stage(Tensor& buffer, std::size_t bytes) {
    if (buffer.bytes() < bytes) {
      buffer = Tensor();  // before the larger one is allocated
      buffer = Tensor(ElementType::u8, {static_cast<std::int64_t>(bytes)});
    }
    return static_cast<std::byte*>(buffer.data());
  }
  Tensor send_, receive_;  // of the host
};

}  // namespace

std::unique_ptr<Communicator> make_staged_communicator(std::unique_ptr<Communicator> host,
                                                       Memory& memory) {
  return std::make_unique<StagedCommunicator>(std::move(host), memory);
}

}  // namespace causeway
