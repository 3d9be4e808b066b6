// ControlMarks: how words that others wrote go through a chat template without becoming control tokens.
//
// A name of a control token ("<|im_end|>") in such a text is replaced by a mark, which a template does not touch; the
// prompt that the template makes is encoded with the template's own control names as tokens and those of the marks as
// plain characters. Always true: immutable, cheap to copy; its work is linear in the text.
// For what makes prompts: Conversation, ChatPrompter.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/ids.h"
#include "cairn/status.h"
#include "text/tokenizer.h"

namespace cairn {

class ControlMarks {
 public:
  explicit ControlMarks(const Tokenizer& tokenizer);

  [[nodiscard]] const Tokenizer& tokenizer() const { return tokenizer_; }
  // A character of the kind that marks are made of is taken out of the text.
  [[nodiscard]] std::string mark(std::string_view text) const;
  // The text with the names in place of their marks.
  [[nodiscard]] std::string unmark(std::string_view marked) const;
  // With one BOS where the tokenizer adds one. `unmarked` is how control names outside of marks are read.
  [[nodiscard]] Result<std::vector<TokenId>> encode(std::string_view marked, SpecialText unmarked) const;

  // Stands for no name and nothing that mark() makes: for finding a place in what a template wrote.
  [[nodiscard]] std::string place_mark() const;

 private:
  struct Names;

  Tokenizer tokenizer_;
  std::shared_ptr<const Names> names_;
  bool adds_bos_;
};

// Whether the tokenizer begins a text with its BOS.
[[nodiscard]] bool adds_bos(const Tokenizer& tokenizer);

// The token's name; absent where there is no token.
[[nodiscard]] std::optional<std::string> name_of(const Tokenizer& tokenizer, std::optional<TokenId> id);

}  // namespace cairn
