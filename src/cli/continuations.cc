#include "cli/continuations.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/console.h"
#include "cli/terminal_input.h"
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
  if (!engine.cache().keeps_rows()) return 0;
  return static_cast<uint64_t>(KvGeometry::blocks_for(positions)) * engine.cache().geometry().block_bytes();
}

std::string text_of(const Tokenizer& tokenizer, const std::vector<TokenId>& tokens) {
  StreamDecoder decoder(tokenizer, {.position = TextPosition::kContinuation});
  std::string text;
  for (const TokenId token : tokens) text += decoder.push(token);
  return text + decoder.flush();
}

bool must_stop(const ReplyPlace& place) {
  return place.interrupt.is_raised() || !place.console.out_status().ok();
}

// Of one sample, whose callbacks write to `to` and count `running` down.
Request sample_request(const Request& request, size_t index, Continuation& to, int64_t& running) {
  Request sample = request;
  sample.sampling.sample_index = index;
  sample.on_token = [&to](TokenId token) { to.tokens.push_back(token); };
  sample.on_text = [&to](std::string_view part) { to.text += part; };
  sample.on_finish = [&to, &running](const RequestResult& result) {
    to.reason = result.reason;
    to.status = result.status;
    --running;
  };
  return sample;
}

// "3", "3 and 5", "3, 5 and 6".
std::string listed(const std::vector<size_t>& numbers) {
  std::string text = fmt::format("{}", numbers.front());
  for (size_t i = 1; i < numbers.size(); ++i) {
    text += fmt::format("{} {}", i + 1 < numbers.size() ? "," : " and", numbers[i]);
  }
  return text;
}

}  // namespace

Result<Continuations> run_samples(const ReplyPlace& place, const Request& request, int64_t count) {
  Engine& engine = place.engine;
  Continuations all;
  all.list.resize(static_cast<size_t>(count));
  int64_t running = count;
  std::vector<Request> samples;
  for (size_t i = 0; i < all.list.size(); ++i) {
    samples.push_back(sample_request(request, i, all.list[i], running));
  }
  const auto prompt_count = std::ssize(request.prompt);
  ProgressBar bar(place.console, "samples");
  CAIRN_ASSIGN_OR_RETURN(const std::vector<RequestId> ids, submit_samples(engine, std::move(samples)));
  while (running > 0) {
    if (must_stop(place)) {
      for (const RequestId id : ids) engine.cancel(id);
    }
    engine.step();
    uint64_t apart = 0;
    for (const Continuation& one : all.list) apart += bytes_of(engine, prompt_count + std::ssize(one.tokens));
    watch_memory(engine, apart, all);
    bar.update(all.list.front().tokens.size(), static_cast<uint64_t>(request.max_tokens.value_or(1)));
  }
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

// Texts that failed in the same way are named together.
Status failures_of(const Continuations& all) {
  std::vector<std::pair<Status, std::vector<size_t>>> failures;
  for (size_t i = 0; i < all.list.size(); ++i) {
    const Status& status = all.list[i].status;
    if (status.ok()) continue;
    auto same = std::ranges::find(failures, status, &std::pair<Status, std::vector<size_t>>::first);
    if (same == failures.end()) same = failures.insert(same, {status, {}});
    same->second.push_back(i + 1);
  }
  if (failures.empty()) return {};
  std::string message;
  for (const auto& [status, numbers] : failures) {
    message +=
        fmt::format("{}text{} {} of {} failed: {}", message.empty() ? "" : "; ",
                    numbers.size() == 1 ? "" : "s", listed(numbers), all.list.size(), status.message());
  }
  return {failures.front().first.code(), message};
}

}  // namespace cairn
