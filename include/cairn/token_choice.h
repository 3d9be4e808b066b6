// What can be seen and changed of the choice of a token: TokenChoice, TokenMask. Plain data.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "cairn/ids.h"

namespace cairn {

struct TokenProbability {
  TokenId token = 0;
  double log_probability = 0;  // natural logarithm, <= 0
};

// A token that was chosen. Probabilities are the model's own: softmax of the row of logits as the model gave it,
// before mask, bias, penalties and temperature, over the whole vocabulary.
struct TokenChoice {
  TokenId token = 0;  // an end token too, which is no part of the text
  double log_probability = 0;
  std::span<const TokenProbability> likeliest = {};  // the likeliest first, ties by id; valid during the call
};

// Which tokens may be chosen, by id in [0, size()). Ids outside of that are ignored by all functions.
class TokenMask {
 public:
  static constexpr int64_t kWordBits = 64;

  [[nodiscard]] static uint64_t bytes_for(int64_t size) {
    return static_cast<uint64_t>((size + kWordBits - 1) / kWordBits) * sizeof(uint64_t);
  }
  // All tokens are allowed.
  explicit TokenMask(int64_t size) : size_(size) {
    words_.resize(bytes_for(size) / sizeof(uint64_t));
    allow_all();
  }
  TokenMask(const TokenMask&) = delete;
  TokenMask& operator=(const TokenMask&) = delete;

  [[nodiscard]] int64_t size() const { return size_; }
  [[nodiscard]] bool allows(TokenId token) const { return has(token) && (word(token) & bit(token)) != 0; }
  [[nodiscard]] bool allows_any() const {
    for (int64_t token = 0; token < size_; ++token) {
      if (allows(static_cast<TokenId>(token))) return true;
    }
    return false;
  }

  void allow_all() { std::fill(words_.begin(), words_.end(), ~uint64_t{0}); }
  void forbid_all() { std::fill(words_.begin(), words_.end(), uint64_t{0}); }
  void allow(TokenId token) {
    if (has(token)) words_[index(token)] |= bit(token);
  }
  void forbid(TokenId token) {
    if (has(token)) words_[index(token)] &= ~bit(token);
  }
  void allow_only(std::span<const TokenId> tokens) {
    forbid_all();
    for (const TokenId token : tokens) allow(token);
  }

  // The mask itself: token t is bit t % 64 of word t / 64; bits behind the last token mean nothing.
  [[nodiscard]] std::span<uint64_t> words() { return words_; }
  [[nodiscard]] std::span<const uint64_t> words() const { return words_; }

 private:
  [[nodiscard]] bool has(TokenId token) const { return token >= 0 && token < size_; }
  [[nodiscard]] static size_t index(TokenId token) { return static_cast<size_t>(token) / kWordBits; }
  [[nodiscard]] static uint64_t bit(TokenId token) {
    return uint64_t{1} << (static_cast<uint64_t>(token) % kWordBits);
  }
  [[nodiscard]] uint64_t word(TokenId token) const { return words_[index(token)]; }

  int64_t size_;
  std::vector<uint64_t> words_;
};

}  // namespace cairn
