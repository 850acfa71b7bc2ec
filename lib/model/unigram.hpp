// The unigram model of a tokenizer: scored pieces, and the best way to cut a word into them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace causeway {

/// The prefix tree of a list of byte strings; the value of a string is its index in the list.
class PrefixTree {
 public:
  /// A string that comes twice keeps its last index; empty strings are in no tree.
  explicit PrefixTree(const std::vector<std::string>& strings);

  /// Calls `visit(length in bytes, index)` for every string that `text` begins with, shortest
  /// first.
  template <class Visit>
  void for_each_prefix(std::string_view text, Visit visit) const {
    std::uint32_t node = 0;
    for (std::size_t length = 0; length < text.size();) {
      node = child(node, static_cast<std::uint8_t>(text[length]));
      if (node == 0) return;
      ++length;
      if (nodes_[node].index >= 0) visit(length, nodes_[node].index);
    }
  }

 private:
  struct Node {
    std::uint32_t first_child = 0;
    std::uint16_t children = 0;  ///< up to 256; they lie side by side, sorted by their byte
    std::int32_t index = -1;     ///< of the string that ends here, or -1
  };

  /// The child of `node` under this byte; 0, the root, which is nobody's child, when there is none.
  std::uint32_t child(std::uint32_t node, std::uint8_t byte) const;

  std::vector<Node> nodes_;
  std::vector<std::uint8_t> bytes_;  ///< of each node, the byte that leads to it
};

/// Cuts words into pieces by maximal total score (Kudo 2018, "Subword Regularization": the Viterbi
/// path), with the rules of the Hugging Face `tokenizers` library where paths tie and where a
/// character is unknown.
class UnigramModel {
 public:
  /// `pieces` are valid UTF-8, `scores` their log-probabilities, one each; `unknown_id` is an
  /// index.
  UnigramModel(const std::vector<std::string>& pieces, std::vector<double> scores,
               std::int32_t unknown_id);

  /// Appends the ids of a word (valid UTF-8). A character that no piece of one character covers may
  /// stand alone as unknown, at the lowest score of the vocabulary less 10; neighbouring unknown
  /// characters become one unknown id. Pieces for single bytes are not used for them.
  void segment(std::string_view word, std::vector<std::int32_t>& ids) const;

 private:
  PrefixTree tree_;
  std::vector<double> scores_;
  std::int32_t unknown_id_;
  double unknown_score_;
};

}  // namespace causeway
