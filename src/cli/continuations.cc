#include "cli/continuations.h"

#include <algorithm>
#include <utility>

#include "cli/console.h"
#include "cli/interrupt.h"
#include "engine/beam_search.h"
#include "engine/samples.h"

namespace cairn {
namespace {

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
