// A request run to its end for a command: one reply, with its text written as it comes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cairn/prefix_sharing.h"
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
  // By layer group: blocks that windows went past meanwhile (KvBlockCounts::passed_blocks).
  std::vector<int64_t> passed_blocks;
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
// The same, but of a request that failed midway what there is is returned: Reply::result says why it ended.
Result<Reply> run_reply_as_far_as_it_goes(const ReplyPlace& place, Request request, const ReplyForm& form);

// What --explain says of a reply that has ended: its prompt's match with a cache that shares so, and what windows have let
// go.
void explain_reply(const ReplyPlace& place, const Reply& reply, const Tokenizer& tokenizer,
                   PrefixSharing sharing);

// "12 prompt tokens, first token after ...": one line for standard error.
[[nodiscard]] std::string describe_statistics(const Reply& reply);

}  // namespace cairn
