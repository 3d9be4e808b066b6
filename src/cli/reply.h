// Requests run to their end for a command: one reply, with its text written as it comes, or several
// continuations of one prompt.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "engine/engine.h"
#include "text/tokenizer.h"

namespace cairn {

class Console;
class Interrupt;

// What one request of generate or chat gave.
struct Reply {
  std::vector<TokenId> tokens;
  std::string text;
  RequestResult result;
  // With ReplyLogits::kDigested: over each sampled step's raw logits, little-endian f32, in order.
  std::string logits_sha256;
  int64_t sampled_steps = 0;
  uint64_t kv_pool_bytes = 0;  // the most that the cache had taken
};

// Where a reply is made.
struct ReplyPlace {
  Engine& engine;
  Console& console;
  const Interrupt& interrupt;  // ends the reply when raised
};

// Whether its text goes to standard output while it comes, and whether its logits are digested (which takes
// time).
enum class ReplyText : uint8_t { kKept, kKeptAndWritten };
enum class ReplyLogits : uint8_t { kDropped, kDigested };

struct ReplyForm {
  ReplyText text = ReplyText::kKeptAndWritten;
  ReplyLogits logits = ReplyLogits::kDropped;
  std::string opening;  // written in bold before the text, once the prompt has been run
};

// The request's callbacks are set here. It ends early (kCancelled) where the interrupt is raised or the
// output cannot be written. Errors: those of Engine::submit, and what the request itself ended with.
Result<Reply> run_reply(const ReplyPlace& place, Request request, const ReplyForm& form);

// "12 prompt tokens, first token after ...": one line for standard error.
[[nodiscard]] std::string describe_statistics(const Reply& reply);

// One of several continuations of a prompt, sampled side by side or found by beam search. They share the
// prompt's rows in the cache.
struct Continuation {
  std::vector<TokenId> tokens;
  std::string text;
  FinishReason reason = FinishReason::kLength;
  std::optional<double> log_probability;  // of beams
};

struct Continuations {
  std::vector<Continuation> list;  // samples in their order; beams, the likeliest first
  uint64_t kv_bytes = 0;           // the most that all of them took together
  uint64_t kv_bytes_apart = 0;     // what they would have taken without sharing then
};

// `request` is each sample's, but for its sample index. Errors: those of Engine::submit, and of a sample.
Result<Continuations> run_samples(const ReplyPlace& place, const Request& request, int64_t count);
// Of the request's parameters only prompt, max_tokens and end_tokens count.
Result<Continuations> run_beams(const ReplyPlace& place, const Request& request, int64_t width,
                                const Tokenizer& tokenizer);

}  // namespace cairn
