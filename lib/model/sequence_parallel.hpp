// Which rank of a job group holds which tokens and heads, and what it sends to whom.
#pragma once

#include <cstdint>

#include "comm/comm.hpp"

namespace causeway {

/// A contiguous run of tokens of one chunk.
struct TokenRange {
  std::int64_t first = 0, count = 0;
  std::int64_t end() const { return first + count; }
};

/// Part `rank` of `tokens` cut into `ranks` contiguous parts that differ by at most one token; the
/// cuts fall anywhere, also inside a frame.
TokenRange token_part(std::int64_t tokens, int ranks, int rank);

/// A job group of P ranks as a grid of `head_parts` × `query_parts`: heads are split `head_parts`
/// ways (the largest divisor of P that divides the number of heads), query tokens `query_parts` = P
/// / head_parts ways. Rank r owns head part r mod head_parts and works in row r / head_parts; a row
/// is `head_parts` consecutive ranks, so its queries are consecutive tokens. Every rank keeps K and
/// V of its heads for all tokens.
class RankGrid {
 public:
  RankGrid(int ranks, int rank, std::int64_t heads);

  int ranks() const { return ranks_; }
  int rank() const { return rank_; }
  int head_parts() const { return head_parts_; }
  int query_parts() const { return ranks_ / head_parts_; }
  int head_part() const { return head_part_of(rank_); }
  int head_part_of(int rank) const { return rank % head_parts_; }
  bool same_row(int a, int b) const { return a / head_parts_ == b / head_parts_; }
  std::int64_t local_heads() const { return heads_ / head_parts_; }

 private:
  int ranks_, rank_, head_parts_;
  std::int64_t heads_;
};

/// How one chunk's Q, K, V and attention outputs lie in a rank's buffers, and the exchanges of a
/// layer. Let w = local_heads·head_dim be one head part's width and n the tokens of a rank; all in
/// elements.
///
/// Send buffer: per head part g, [q | k | v] with n·w each. Ranks of the own row get all three in
/// one message, ranks of other rows only k and v (one message too); or each of the three goes in a
/// message of its own. Receive buffer: per source rank the same. Output: a rank attends for the
/// queries of its row; the results for a row mate's tokens, n_mate·w, go back to it in one message.
class ChunkLayout {
 public:
  /// `element_bytes` is the size of an exchanged element (2 for bf16, 4 for fp32).
  ChunkLayout(const RankGrid& grid, std::int64_t tokens, std::int64_t head_dim,
              std::int64_t element_bytes);

  const RankGrid& grid() const { return grid_; }
  std::int64_t tokens() const { return tokens_; }
  TokenRange part(int rank) const { return token_part(tokens_, grid_.ranks(), rank); }
  TokenRange own() const { return part(grid_.rank()); }
  std::int64_t part_width() const { return width_; }

  // Q, K, V exchange, elements.
  std::int64_t send_size() const { return grid_.head_parts() * send_stride(); }
  std::int64_t send_stride() const { return 3 * own().count * width_; }
  std::int64_t own_offset(
      int which) const;  ///< of q (0), k (1) or v (2) of the own head part in `send`
  std::int64_t receive_size() const { return receive_size_; }
  std::int64_t received_offset(int source,
                               int which) const;  ///< which as above; q only from row mates

  // Attention output exchange, elements.
  std::int64_t output_send_size() const { return output_send_size_; }
  std::int64_t output_send_offset(int mate) const;
  std::int64_t output_receive_size() const { return output_receive_size_; }
  std::int64_t output_received_offset(int mate) const;

  const Exchange& query_key_value() const { return query_key_value_; }
  const Exchange& key_value() const {
    return key_value_;
  }  ///< without q, for a pass that ends there
  /// The parts of `query_key_value`, each as an exchange of its own over the same regions.
  const Exchange& query() const { return query_; }
  const Exchange& key() const { return key_; }
  const Exchange& value() const { return value_; }
  const Exchange& output() const { return output_; }

 private:
  RankGrid grid_;
  std::int64_t tokens_, width_, element_bytes_;
  std::int64_t receive_size_ = 0, output_send_size_ = 0, output_receive_size_ = 0;
  Exchange query_key_value_, key_value_, query_, key_, value_, output_;
};

/// Bytes that rank `rank` sends in one layer of a full pass, by formula (a test compares the
/// count): e·w·( n·(row mates) [q] + 2·n·(P − 1) [k, v] + (tokens of the row − n) [output] ), w =
/// width / head parts.
std::int64_t bytes_sent_per_layer(int ranks, int rank, std::int64_t heads, std::int64_t head_dim,
                                  std::int64_t tokens, std::int64_t element_bytes);

}  // namespace causeway
