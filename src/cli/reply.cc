#include "cli/reply.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "base/sha256.h"
#include "cli/console.h"
#include "cli/output_format.h"
#include "cli/terminal_input.h"
#include "engine/beam_search.h"
#include "engine/samples.h"

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
    case FinishReason::kEndToken: return "ended by the model";
    case FinishReason::kStopString: return "ended at a stop text";
    case FinishReason::kCancelled: return "stopped";
    case FinishReason::kError: break;
  }
  return "failed";
}

// Bytes in blocks now, as they are and as if nothing were shared.
void watch_memory(const Engine& engine, uint64_t apart, Continuations& all) {
  const uint64_t used = engine.cache().used_bytes();
  if (used < all.kv_bytes) return;
  all.kv_bytes = used;
  all.kv_bytes_apart = std::max(apart, used);
}

uint64_t bytes_of(const Engine& engine, int64_t positions) {
  return static_cast<uint64_t>(KvGeometry::blocks_for(positions)) * engine.cache().geometry().block_bytes();
}

std::string text_of(const Tokenizer& tokenizer, const std::vector<TokenId>& tokens) {
  StreamDecoder decoder(tokenizer, {.position = TextPosition::kContinuation});
  std::string text;
  for (const TokenId token : tokens) text += decoder.push(token);
  return text + decoder.flush();
}

}  // namespace

Result<Reply> run_reply(const ReplyPlace& place, Request request, const ReplyForm& form) {
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
  CAIRN_ASSIGN_OR_RETURN(const RequestId id, engine.submit(std::move(request)));
  uint64_t begun = 0;  // of the prompt, at most: rows of a session are not run again
  while (!is_done) {
    if (reply.tokens.empty()) bar.update(begun, prompt_count);
    begun = std::min(begun + chunk, prompt_count);
    if (place.interrupt.is_raised() || !place.console.out_status().ok()) engine.cancel(id);
    engine.step();
  }
  if (!reply.result.status.ok()) return reply.result.status;
  write_opening();
  if (form.logits == ReplyLogits::kDigested) reply.logits_sha256 = to_hex(sha.finish());
  return reply;
}

std::string describe_statistics(const Reply& reply) {
  const RequestStats& stats = reply.result.stats;
  const auto ran = static_cast<double>(stats.prompt_tokens - stats.reused_tokens);
  std::string line = fmt::format("{} prompt tokens", stats.prompt_tokens);
  if (stats.reused_tokens > 0) line += fmt::format(" ({} from the cache)", stats.reused_tokens);
  if (stats.ttft_ns > 0) {
    const auto ttft_ns = static_cast<double>(stats.ttft_ns);
    line += fmt::format(", TTFT {} ({:.1f} tokens/s)", human_ns(ttft_ns), per_second(ran, ttft_ns));
  }
  line += fmt::format("; {} tokens", stats.generated_tokens);
  if (stats.tpot_ns > 0) {
    line += fmt::format(", TPOT {} ({:.1f} tokens/s)", human_ns(stats.tpot_ns), per_second(1, stats.tpot_ns));
  }
  return line + fmt::format("; KV {} of {}; {}", human_bytes(stats.kv_bytes),
                            human_bytes(reply.kv_pool_bytes), describe_end(reply));
}

Result<Continuations> run_samples(const ReplyPlace& place, const Request& request, int64_t count) {
  Engine& engine = place.engine;
  Continuations all;
  all.list.resize(static_cast<size_t>(count));
  Status status;
  int64_t running = count;
  std::vector<Request> samples;
  for (int64_t i = 0; i < count; ++i) {
    Request sample = request;
    sample.sampling.sample_index = static_cast<uint64_t>(i);
    Continuation& to = all.list[static_cast<size_t>(i)];
    sample.on_token = [&to](TokenId token) { to.tokens.push_back(token); };
    sample.on_text = [&to](std::string_view part) { to.text += part; };
    sample.on_finish = [&](const RequestResult& result) {
      to.reason = result.reason;
      if (status.ok()) status = result.status;
      --running;
    };
    samples.push_back(std::move(sample));
  }
  const auto prompt_count = std::ssize(request.prompt);
  ProgressBar bar(place.console, "samples");
  CAIRN_RETURN_IF_ERROR(submit_samples(engine, std::move(samples)).status());
  while (running > 0 && !place.interrupt.is_raised()) {
    engine.step();
    uint64_t apart = 0;
    for (const Continuation& one : all.list) apart += bytes_of(engine, prompt_count + std::ssize(one.tokens));
    watch_memory(engine, apart, all);
    bar.update(all.list.front().tokens.size(), static_cast<uint64_t>(request.max_tokens.value_or(1)));
  }
  if (running > 0) {
    for (Continuation& one : all.list) one.reason = FinishReason::kCancelled;
  }
  CAIRN_RETURN_IF_ERROR(status);
  return all;
}

Result<Continuations> run_beams(const ReplyPlace& place, const Request& request, int64_t width,
                                const Tokenizer& tokenizer) {
  Engine& engine = place.engine;
  BeamOptions options{.width = width, .end_tokens = request.end_tokens, .salt = request.salt};
  options.max_tokens = request.max_tokens.value_or(options.max_tokens);
  Continuations all;
  ProgressBar bar(place.console, "beams");
  CAIRN_ASSIGN_OR_RETURN(BeamSearch search, BeamSearch::start(engine, tokenizer, request.prompt, options));
  uint64_t length = 0;
  while (!place.interrupt.is_raised()) {
    CAIRN_ASSIGN_OR_RETURN(const bool goes_on, search.step());
    if (!goes_on) break;
    ++length;
    const auto positions = std::ssize(request.prompt) + static_cast<int64_t>(length);
    watch_memory(engine, static_cast<uint64_t>(width) * bytes_of(engine, positions), all);
    bar.update(length, static_cast<uint64_t>(options.max_tokens));
  }
  for (const Beam& beam : search.beams()) {
    all.list.push_back(
        {.tokens = beam.tokens,
         .text = text_of(tokenizer, beam.tokens),
         .reason = beam.end_token.has_value() ? FinishReason::kEndToken : FinishReason::kLength,
         .log_probability = beam.log_probability});
  }
  if (place.interrupt.is_raised()) all.list.push_back({.reason = FinishReason::kCancelled});
  return all;
}

}  // namespace cairn
