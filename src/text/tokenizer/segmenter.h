// Segmenter: turns one word (what the pre-tokenizer left together) into token ids. Three kinds: BPE with
// ranked merges (bpe.h), BPE with scored tokens (spm.h), unigram (unigram.h). All are immutable.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cairn/ids.h"
#include "cairn/status.h"
#include "text/tokenizer/merge.h"

namespace cairn {

// Tokens by their text. The views must outlive the index; the first of equal texts is kept.
using TokenIndex = std::unordered_map<std::string_view, TokenId>;

inline std::optional<TokenId> find_token(const TokenIndex& index, std::string_view text) {
  const auto it = index.find(text);
  if (it == index.end()) return std::nullopt;
  return it->second;
}

// The longest token that is accepted: real ones end near 256 bytes, and the cost of a lookup grows with it.
inline constexpr size_t kMaxTokenBytes = 4096;

// The ids for a character that no token covers: its bytes, if every byte has a token; else the unknown token,
// one for a run of such characters if `fuse_unknown`.
struct Fallback {
  std::optional<std::array<TokenId, 256>> bytes;
  std::optional<TokenId> unknown;
  bool fuse_unknown = true;
};

// "<0x41>" -> 0x41.
std::optional<uint8_t> parse_byte_token(std::string_view text);

Status no_token_for(std::string_view character);

class Segmenter {
 public:
  virtual ~Segmenter() = default;
  // Appends the ids of `word` (valid UTF-8, not empty).
  virtual Status segment(std::string_view word, MergeScratch& scratch, std::vector<TokenId>& ids) const = 0;
};

}  // namespace cairn
