// Prompts: where a command's text comes from, and how it becomes token ids.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/ids.h"
#include "cairn/status.h"
#include "text/tokenizer.h"

namespace cairn {

// At most one of the three is there.
struct PromptOptions {
  std::optional<std::string> text;             // -p; "-": standard input
  std::optional<std::string> file;             // -f
  std::optional<std::vector<TokenId>> tokens;  // --prompt-tokens: ids as they are
};

// A file or `echo x |` ends with a line end that its author does not mean: a prompt drops one.
enum class LastLineEnd { kKeep, kDrop };

// The text of `options.text` or `options.file`. kInvalidArgument: none of the sources is there, or two are;
// kNotFound, kInternal: the file; kResourceExhausted: more than kPromptBytesMax.
Result<std::string> read_prompt_text(const PromptOptions& options, LastLineEnd last_line_end);
inline constexpr size_t kPromptBytesMax = size_t{256} << 20;

struct Prompt {
  std::string text;  // empty for ids that were given as they are
  std::vector<TokenId> tokens;
};

// The text is read before a model is loaded, so that a mistake is told at once; this makes ids of it.
Result<Prompt> make_prompt(const PromptOptions& options, std::string text, const Tokenizer& tokenizer);

}  // namespace cairn
