#include "cli/reply.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "base/sha256.h"
#include "cli/console.h"
#include "cli/output_format.h"
#include "cli/terminal_input.h"
#include "cli/window_words.h"
#include "engine/match_words.h"

namespace cairn {
namespace {

// Little-endian f32, whatever this machine's order is.
void digest(std::span<const float> logits, Sha256& sha) {
  if constexpr (std::endian::native == std::endian::little) {
    sha.update(std::as_bytes(logits));
  } else {
    for (const float logit : logits) {
      auto bytes = std::bit_cast<std::array<std::byte, sizeof(float)>>(logit);
      std::ranges::reverse(bytes);
      sha.update(bytes);
    }
  }
}

double per_second(double count, double ns) { return ns > 0 ? count * 1e9 / ns : 0; }

std::string describe_end(const Reply& reply) {
  switch (reply.result.reason) {
    case FinishReason::kLength: return "ended at its length";
    case FinishReason::kContextFull: return "ended because the context is full (--endless goes on)";
    case FinishReason::kEndToken: return "ended by the model";
    case FinishReason::kStopString: return "ended at a stop text";
    case FinishReason::kCancelled: return "stopped";
    case FinishReason::kDeadline: return "stopped at its deadline";
    case FinishReason::kError: break;
  }
  return "failed";
}

// Of what was not computed, what was not in memory.
std::string sources(const LoadReport& load) {
  std::string text;
  for (const Tier tier : {Tier::kDisk, Tier::kRemote}) {
    const int64_t count = load.positions[static_cast<size_t>(tier)];
    if (count == 0) continue;
    text += fmt::format("{} {} {}", text.empty() ? ":" : ",", count,
                        tier == Tier::kDisk ? "from disk" : "from the store");
  }
  return text;
}

std::vector<int64_t> passed_blocks_of(const KvCache& cache) {
  std::vector<int64_t> passed;
  passed.reserve(static_cast<size_t>(cache.geometry().group_count()));
  for (int32_t group = 0; group < cache.geometry().group_count(); ++group) {
    passed.push_back(cache.block_counts(group).passed_blocks);
  }
  return passed;
}

}  // namespace

Result<Reply> run_reply_as_far_as_it_goes(const ReplyPlace& place, Request request, const ReplyForm& form) {
  Engine& engine = place.engine;
  Reply reply;
  Sha256 sha;
  bool is_done = false;
  ProgressBar bar(place.console, "prompt");

  if (form.logits == ReplyLogits::kDigested) {
    request.on_logits = [&](int64_t, std::span<const float> row) {
      ++reply.sampled_steps;
      digest(row, sha);
    };
  }
  request.on_token = [&](TokenId token) {
    reply.tokens.push_back(token);
    reply.kv_pool_bytes = std::max(reply.kv_pool_bytes, engine.cache().pool_bytes());
  };
  // Not before the bar is gone: on a terminal it would be written over.
  bool opening_is_written = false;
  const auto write_opening = [&] {
    bar.clear();
    if (!std::exchange(opening_is_written, true)) place.console.write_opening(form.opening);
  };
  request.on_text = [&](std::string_view part) {
    reply.text += part;
    if (form.text == ReplyText::kKept) return;
    write_opening();
    place.console.write_foreign(part);
  };
  request.on_finish = [&](const RequestResult& result) {
    reply.result = result;
    is_done = true;
  };

  const auto prompt_count = static_cast<uint64_t>(request.prompt.size());
  const auto chunk = static_cast<uint64_t>(engine.pass().max_rows());
  reply.kv_pool_bytes = engine.cache().pool_bytes();
  const std::vector<int64_t> passed_before = passed_blocks_of(engine.cache());
  CAIRN_ASSIGN_OR_RETURN(const RequestId id, engine.submit(std::move(request)));
  uint64_t begun = 0;  // of the prompt, at most: rows of a session are not run again
  while (!is_done) {
    if (reply.tokens.empty()) bar.update(begun, prompt_count);
    begun = std::min(begun + chunk, prompt_count);
    if (place.interrupt.is_raised() || !place.console.out_status().ok()) engine.cancel(id);
    engine.step();
  }
  write_opening();
  reply.passed_blocks = passed_blocks_of(engine.cache());
  for (size_t group = 0; group < passed_before.size(); ++group) {
    reply.passed_blocks[group] -= passed_before[group];
  }
  if (form.logits == ReplyLogits::kDigested) reply.logits_sha256 = to_hex(sha.finish());
  return reply;
}

Result<Reply> run_reply(const ReplyPlace& place, Request request, const ReplyForm& form) {
  CAIRN_ASSIGN_OR_RETURN(Reply reply, run_reply_as_far_as_it_goes(place, std::move(request), form));
  if (!reply.result.status.ok()) return reply.result.status;
  return reply;
}

void explain_reply(const ReplyPlace& place, const Reply& reply, const Tokenizer& tokenizer,
                   PrefixSharing sharing) {
  place.console.note(with_flags(explain_match(reply.result.stats.match, tokenizer, sharing)));
  for (const std::string& line : explain_windows(place.engine.cache().geometry(), reply)) {
    place.console.note(line);
  }
}

std::string describe_statistics(const Reply& reply) {
  const RequestStats& stats = reply.result.stats;
  const auto ran = static_cast<double>(stats.prompt_tokens - stats.reused_tokens);
  std::string line = fmt::format("{} prompt tokens", stats.prompt_tokens);
  if (stats.reused_tokens > 0)
    line += fmt::format(" ({} from the cache{})", stats.reused_tokens, sources(stats.match.load));
  if (stats.ttft_ns > 0) {
    const auto ttft_ns = static_cast<double>(stats.ttft_ns);
    line += fmt::format(", TTFT {} ({:.1f} tokens/s)", human_ns(ttft_ns), per_second(ran, ttft_ns));
  }
  line += fmt::format("; {} tokens", stats.generated_tokens);
  if (stats.tpot_ns > 0) {
    line += fmt::format(", TPOT {} ({:.1f} tokens/s)", human_ns(stats.tpot_ns), per_second(1, stats.tpot_ns));
  }
  if (stats.draft_tokens > 0) {
    line += fmt::format(", {} of {} guesses right", stats.accepted_draft_tokens, stats.draft_tokens);
  }
  return line + fmt::format("; KV {} of {}; {}", human_bytes(stats.kv_bytes),
                            human_bytes(reply.kv_pool_bytes), describe_end(reply));
}

}  // namespace cairn
