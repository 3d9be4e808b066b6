// Detokenizer: tokens to text as they come, in whole UTF-8 characters.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "cairn/ids.h"

namespace cairn {

// SentencePiece models put a space before the first word of a text; it is removed again, but not from tokens that
// continue another text (a reply that continues its prompt).
enum class TextPosition : uint8_t { kStart, kContinuation };

// Made by Llm::detokenizer, which it may outlive. All parts together are what Llm::detokenize makes of all tokens (for
// kStart). Not for two threads at once.
class Detokenizer {
 public:
  ~Detokenizer();
  // One that was moved from may only be destroyed or assigned to.
  Detokenizer(Detokenizer&&) noexcept;
  Detokenizer& operator=(Detokenizer&&) noexcept;

  // The characters that are complete with this token: valid UTF-8, empty while one is unfinished. Special tokens and
  // ids outside the vocabulary add nothing; bytes that are not UTF-8 become U+FFFD.
  [[nodiscard]] std::string push(TokenId token);
  // At the end: an unfinished character becomes U+FFFD. The next push begins behind it.
  [[nodiscard]] std::string flush();

 private:
  friend class Llm;
  struct Impl;
  explicit Detokenizer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
