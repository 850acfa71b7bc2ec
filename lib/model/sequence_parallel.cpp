// Cutting tokens and heads over the ranks of a job group.
#include "model/sequence_parallel.hpp"

#include <algorithm>

namespace causeway {

TokenRange token_part(std::int64_t tokens, int ranks, int rank) {
  expects(ranks >= 1 && rank >= 0 && rank < ranks, "the rank belongs to the group");
  const std::int64_t first = tokens * rank / ranks;
  return {first, tokens * (rank + 1) / ranks - first};
}

RankGrid::RankGrid(int ranks, int rank, std::int64_t heads)
    : ranks_(ranks), rank_(rank), head_parts_(1), heads_(heads) {
  expects(ranks >= 1 && rank >= 0 && rank < ranks && heads >= 1, "a grid has ranks and heads");
  for (int parts = 1; parts <= ranks; ++parts) {
    if (ranks % parts == 0 && heads % parts == 0) head_parts_ = parts;
  }
}

ChunkLayout::ChunkLayout(const RankGrid& grid, std::int64_t tokens, std::int64_t head_dim,
                         std::int64_t element_bytes)
    : grid_(grid),
      tokens_(tokens),
      width_(grid.local_heads() * head_dim),
      element_bytes_(element_bytes) {
  const auto ranks = static_cast<std::size_t>(grid.ranks());
  for (auto* plan : {&query_key_value_, &key_value_, &query_, &key_, &value_, &output_}) {
    for (auto* numbers :
         {&plan->send_bytes, &plan->send_offset, &plan->receive_bytes, &plan->receive_offset}) {
      numbers->assign(ranks, 0);
    }
  }
  const std::int64_t n = own().count;
  for (int other = 0; other < grid.ranks(); ++other) {
    if (other == grid.rank()) continue;
    const auto r = static_cast<std::size_t>(other);
    const std::int64_t m = part(other).count;
    const bool mate = grid.same_row(other, grid.rank());
    const std::int64_t segment = grid.head_part_of(other) * send_stride();
    const int first = mate ? 0 : 1;  // of q, k and v that go there and come from there
    const auto take = [&](Exchange& plan, int begin, int end) {
      begin = std::max(begin, first);
      if (begin >= end) return;
      const std::int64_t part = width_ * element_bytes;  // bytes of a token
      plan.send_bytes[r] = (end - begin) * n * part;
      plan.send_offset[r] = segment * element_bytes + begin * n * part;
      plan.receive_bytes[r] = (end - begin) * m * part;
      plan.receive_offset[r] = receive_size_ * element_bytes + (begin - first) * m * part;
    };
    take(query_key_value_, 0, 3);
    take(key_value_, 1, 3);
    take(query_, 0, 1);
    take(key_, 1, 2);
    take(value_, 2, 3);
    receive_size_ += (3 - first) * m * width_;
    if (!mate) continue;
    output_.send_bytes[r] = m * width_ * element_bytes;
    output_.send_offset[r] = output_send_size_ * element_bytes;
    output_send_size_ += m * width_;
    output_.receive_bytes[r] = n * width_ * element_bytes;
    output_.receive_offset[r] = output_receive_size_ * element_bytes;
    output_receive_size_ += n * width_;
  }
}

std::int64_t ChunkLayout::own_offset(int which) const {
  return grid_.head_part() * send_stride() + which * own().count * width_;
}

std::int64_t ChunkLayout::received_offset(int source, int which) const {
  const bool mate = grid_.same_row(source, grid_.rank());
  expects(source != grid_.rank() && (mate || which != 0), "q arrives from row mates only");
  const std::int64_t start =
      query_key_value_.receive_offset[static_cast<std::size_t>(source)] / element_bytes_;
  return start + (mate ? which : which - 1) * part(source).count * width_;
}

std::int64_t ChunkLayout::output_send_offset(int mate) const {
  return output_.send_offset[static_cast<std::size_t>(mate)] / element_bytes_;
}

std::int64_t ChunkLayout::output_received_offset(int mate) const {
  return output_.receive_offset[static_cast<std::size_t>(mate)] / element_bytes_;
}

std::int64_t bytes_sent_per_layer(int ranks, int rank, std::int64_t heads, std::int64_t head_dim,
                                  std::int64_t tokens, std::int64_t element_bytes) {
  const RankGrid grid(ranks, rank, heads);
  const std::int64_t n = token_part(tokens, ranks, rank).count;
  const int row = rank / grid.head_parts() * grid.head_parts();
  const std::int64_t row_tokens = token_part(tokens, ranks, row + grid.head_parts() - 1).end() -
                                  token_part(tokens, ranks, row).first;
  const std::int64_t width = grid.local_heads() * head_dim;
  return element_bytes * width *
         (n * (grid.head_parts() - 1) + 2 * n * (ranks - 1) + (row_tokens - n));
}

}  // namespace causeway
