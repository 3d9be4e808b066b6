// The parts of a request that the command line gives: the prompt, and how the next tokens are chosen.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/ids.h"
#include "cairn/status.h"
#include "engine/request.h"
#include "engine/sampler.h"
#include "text/tokenizer.h"

namespace cairn {

// Where a prompt comes from. At most one of the three is set.
struct PromptOptions {
  std::optional<std::string> text;             // -p; "-": standard input
  std::optional<std::string> file;             // -f
  std::optional<std::vector<TokenId>> tokens;  // --prompt-tokens: ids as they are
};

// The text of `options.text` or `options.file`. A file, or `echo x |`, ends with a line end that its author does not
// mean: one is dropped ("\n" or "\r\n"); all others stay as they are. kInvalidArgument: none of the sources is set, or two are;
// kNotFound, kInternal: the file; kResourceExhausted: more than kPromptBytesMax.
Result<std::string> read_prompt_text(const PromptOptions& options);
inline constexpr size_t kPromptBytesMax = size_t{256} << 20;

struct Prompt {
  std::string text;  // empty for ids that were given as they are
  std::vector<TokenId> tokens;
};

// The text is read before a model is loaded, so that a mistake is reported at once. This turns it into ids.
Result<Prompt> make_prompt(const PromptOptions& options, std::string text, const Tokenizer& tokenizer);

// What an end token of the model does.
enum class EndTokens : uint8_t { kEndTheReply, kAreIgnored };

// How the next token is chosen, with defaults that suit most models.
struct SamplingOptions {
  double temperature = 0.8;  // --temp; 0: always the most likely token
  int64_t top_k = 40;        // --top-k; 0 or -1: all
  double top_p = 0.95;
  double min_p = 0.05;
  double repeat_penalty = 1;  // --repeat-penalty; 1: none
  double frequency_penalty = 0;
  double presence_penalty = 0;
  std::vector<LogitBias> logit_bias;
  std::optional<uint64_t> seed;  // absent: a new one for each run, which is printed
  std::vector<std::string> stop_strings;
  EndTokens end_tokens = EndTokens::kEndTheReply;
};

// Sets the parts of `request` that these options decide. `seed` is used where the options have none.
void apply_sampling(const SamplingOptions& options, uint64_t seed, Request& request);

// The same of a beam search, which draws nothing: how tokens are drawn does not count.
void apply_to_search(const SamplingOptions& options, Request& request);

// What no model could run with. kInvalidArgument names it.
Status check_sampling(const SamplingOptions& options);

// A seed that differs from run to run.
[[nodiscard]] uint64_t fresh_seed();

}  // namespace cairn
