// TokenTrie: the bytes of a vocabulary's ordinary tokens as a trie, in the form that masks are made from: nodes in
// the order of a walk, so that all tokens that begin alike are refused or skipped together.
//
// Always true: immutable, so one serves any number of guides and threads; special tokens, tokens without bytes and
// end tokens are not in it. Built once for a tokenizer. Memory: some 12 bytes for each node, and 4 for each token.
// Anyone from the text room upwards may call it.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/ids.h"
#include "cairn/status.h"
#include "text/tokenizer.h"

namespace cairn {

// A vocabulary by hand: for tests and benches without a tokenizer.
struct PlainVocabulary {
  std::vector<std::string> texts;   // by id; an empty one is a token that is never allowed
  std::vector<TokenId> special;     // allowed where a guide names them, or in free text
  std::vector<TokenId> end_tokens;  // allowed where the text may end
};

class TokenTrie {
 public:
  using Node = uint32_t;
  static constexpr Node kRoot = 0;
  static constexpr size_t kTokenBytesMax = 1024;  // a longer token is never allowed

  // kInvalidArgument: no token ends a reply.
  static Result<std::shared_ptr<const TokenTrie>> build(const Tokenizer& tokenizer);
  static Result<std::shared_ptr<const TokenTrie>> build(const PlainVocabulary& vocabulary);

  [[nodiscard]] int64_t vocab_size() const { return static_cast<int64_t>(texts_.size()); }
  [[nodiscard]] std::span<const TokenId> end_tokens() const { return end_tokens_; }
  [[nodiscard]] std::span<const TokenId> special_tokens() const {
    return special_;
  }  // ascending, no end tokens
  [[nodiscard]] bool is_end(TokenId token) const;
  [[nodiscard]] bool is_special(TokenId token) const;
  // Of an ordinary token; empty for all others, and for ids outside the vocabulary.
  [[nodiscard]] std::string_view text(TokenId token) const;
  // Whether a token is this one byte: such a byte can be written wherever it is needed.
  [[nodiscard]] bool has_byte(uint8_t byte) const { return has_byte_[byte]; }
  [[nodiscard]] uint64_t used_bytes() const;

  // Nodes are numbered in the order of a walk that goes down first: the nodes below `node` are those in
  // (node, end(node)). The root has no byte.
  [[nodiscard]] Node node_count() const { return static_cast<Node>(bytes_.size()); }
  [[nodiscard]] uint8_t byte(Node node) const { return bytes_[node]; }
  [[nodiscard]] uint16_t depth(Node node) const { return depths_[node]; }
  [[nodiscard]] Node end(Node node) const { return ends_[node]; }
  // Tokens whose text ends at this node; those of node and all below it; both in the order of the walk.
  [[nodiscard]] std::span<const TokenId> tokens(Node node) const {
    return std::span(tokens_).subspan(first_token_[node], first_token_[node + 1] - first_token_[node]);
  }
  [[nodiscard]] std::span<const TokenId> tokens_below(Node node) const {
    return std::span(tokens_).subspan(first_token_[node], first_token_[ends_[node]] - first_token_[node]);
  }

 private:
  TokenTrie() = default;
  static Result<std::shared_ptr<const TokenTrie>> finish(std::shared_ptr<TokenTrie> trie);
  void add_nodes(std::vector<TokenId> order);

  std::vector<std::string> texts_;  // by id
  std::vector<uint8_t> bytes_;
  std::vector<uint16_t> depths_;
  std::vector<Node> ends_;
  std::vector<uint32_t> first_token_;  // one more than nodes
  std::vector<TokenId> tokens_;
  std::vector<TokenId> special_, end_tokens_;
  bool has_byte_[256] = {};
};

}  // namespace cairn
