#include "cli/continuations.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/clock.h"
#include "cli/console.h"
#include "cli/output_format.h"
#include "cli/terminal_input.h"
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

bool must_stop(const ReplyPlace& place) {
  return place.interrupt.is_raised() || !place.console.out_status().ok();
}

// The speed of all texts together. The step that brings the first tokens runs the prompt, so it does not count.
class Pace {
 public:
  // After each step: tokens of all texts so far.
  void note(int64_t token_count) {
    token_count_ = token_count;
    if (token_count == 0) return;
    last_ns_ = clock_.now_ns();
    if (first_count_ > 0) return;
    first_count_ = token_count;
    first_ns_ = last_ns_;
  }
  void report(Continuations& all) const {
    all.token_count = token_count_;
    if (first_count_ == 0) return;
    all.ttft_ns = first_ns_ - begin_ns_;
    if (last_ns_ == first_ns_) return;
    all.tokens_per_second =
        static_cast<double>(token_count_ - first_count_) * 1e9 / static_cast<double>(last_ns_ - first_ns_);
  }

 private:
  SteadyClock clock_;
  uint64_t begin_ns_ = clock_.now_ns();
  uint64_t first_ns_ = 0;
  uint64_t last_ns_ = 0;
  int64_t first_count_ = 0;
  int64_t token_count_ = 0;
};

// Writes texts in their order, as far as they are there.
class TextWriter {
 public:
  TextWriter(Console& console, const std::vector<Continuation>& list) : console_(console), list_(list) {}

  // `ended`: how many texts, from the first on, will not grow any more.
  void follow(size_t ended) {
    for (; current_ < list_.size(); ++current_, written_ = 0) {
      if (current_ >= ended && list_[current_].text.empty()) return;
      write_more();
      if (current_ >= ended) return;
      console_.write(list_[current_].text.ends_with('\n') ? "" : "\n");
      has_heading_ = false;
    }
  }

 private:
  void write_more() {
    const Continuation& one = list_[current_];
    if (!std::exchange(has_heading_, true)) {
      const std::string likelihood =
          one.log_probability.has_value() ? fmt::format(", log p {:.2f}", *one.log_probability) : "";
      console_.write_opening(fmt::format("[{} of {}{}]", current_ + 1, list_.size(), likelihood));
    }
    console_.write_foreign(std::string_view(one.text).substr(written_));
    written_ = one.text.size();
  }

  Console& console_;
  const std::vector<Continuation>& list_;
  size_t current_ = 0;
  size_t written_ = 0;  // of the current text
  bool has_heading_ = false;
};

// Samples that run. Their callbacks refer to it.
struct Running {
  std::vector<Continuation>& list;
  std::vector<bool> has_ended;
  int64_t running = 0;
  int64_t token_count = 0;

  explicit Running(std::vector<Continuation>& all)
      : list(all), has_ended(all.size(), false), running(std::ssize(all)) {}
  Request request_of(const Request& request, size_t index);
  [[nodiscard]] size_t ended_from_the_first() const {
    return static_cast<size_t>(std::ranges::find(has_ended, false) - has_ended.begin());
  }
};

Request Running::request_of(const Request& request, size_t index) {
  Request sample = request;
  Continuation& to = list[index];
  sample.sampling.sample_index = index;
  sample.on_token = [this, &to](TokenId token) {
    to.tokens.push_back(token);
    ++token_count;
  };
  sample.on_text = [&to](std::string_view part) { to.text += part; };
  sample.on_finish = [this, &to, index](const RequestResult& result) {
    to.reason = result.reason;
    to.status = result.status;
    has_ended[index] = true;
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

// Texts that failed in the same way are named together. The code is the first one's.
Status failures_of(const std::vector<Continuation>& list) {
  using Failure = std::pair<Status, std::vector<size_t>>;
  std::vector<Failure> failures;
  for (size_t i = 0; i < list.size(); ++i) {
    const Status& status = list[i].status;
    if (status.ok()) continue;
    auto same = std::ranges::find(failures, status, &Failure::first);
    if (same == failures.end()) same = failures.insert(same, {status, {}});
    same->second.push_back(i + 1);
  }
  if (failures.empty()) return {};
  std::string message;
  for (const auto& [status, numbers] : failures) {
    message += fmt::format("{}text{} {} of {} failed: {}", message.empty() ? "" : "; ",
                           numbers.size() == 1 ? "" : "s", listed(numbers), list.size(), status.message());
  }
  return {failures.front().first.code(), message};
}

uint64_t bytes_apart(const Engine& engine, const Continuations& all) {
  uint64_t bytes = 0;
  for (const Continuation& one : all.list)
    bytes += bytes_of(engine, all.prompt_tokens + std::ssize(one.tokens));
  return bytes;
}

}  // namespace

Result<Continuations> run_samples(const ReplyPlace& place, const Request& request, int64_t count,
                                  ReplyText text) {
  Engine& engine = place.engine;
  Continuations all{.prompt_tokens = std::ssize(request.prompt)};
  all.list.resize(static_cast<size_t>(count));
  Running running(all.list);
  std::vector<Request> samples;
  for (size_t i = 0; i < all.list.size(); ++i) samples.push_back(running.request_of(request, i));
  ProgressBar bar(place.console, "samples");
  TextWriter writer(place.console, all.list);
  Pace pace;
  CAIRN_ASSIGN_OR_RETURN(const std::vector<RequestId> ids, submit_samples(engine, std::move(samples)));
  while (running.running > 0) {
    if (must_stop(place)) {
      all.is_stopped = true;
      for (const RequestId id : ids) engine.cancel(id);
    }
    engine.step();
    pace.note(running.token_count);
    watch_memory(engine, bytes_apart(engine, all), all);
    if (text == ReplyText::kKept || running.token_count == 0) {
      bar.update(all.list.front().tokens.size(),
                 static_cast<uint64_t>(request.max_tokens.value_or(engine.context())));
      continue;
    }
    bar.clear();
    writer.follow(running.ended_from_the_first());
  }
  bar.clear();
  if (text == ReplyText::kKeptAndWritten) writer.follow(all.list.size());
  pace.report(all);
  all.failure = failures_of(all.list);
  return all;
}

Result<Continuations> run_beams(const ReplyPlace& place, const Request& request, const Tokenizer& tokenizer,
                                const BeamOptions& options, ReplyText text) {
  Engine& engine = place.engine;
  Continuations all{.prompt_tokens = std::ssize(request.prompt)};
  ProgressBar bar(place.console, "beams");
  Pace pace;
  CAIRN_ASSIGN_OR_RETURN(BeamSearch search, BeamSearch::start(engine, tokenizer, request, options));
  while (true) {
    all.is_stopped = must_stop(place);
    if (all.is_stopped) break;
    const Result<bool> goes_on = search.step();
    if (!goes_on.ok()) all.failure = goes_on.status();
    if (!goes_on.ok() || !*goes_on) break;
    pace.note(search.token_count());
    watch_memory(engine,
                 static_cast<uint64_t>(options.width) * bytes_of(engine, all.prompt_tokens + search.length()),
                 all);
    bar.update(static_cast<uint64_t>(search.length()),
               static_cast<uint64_t>(request.max_tokens.value_or(engine.context())));
  }
  bar.clear();
  pace.report(all);
  for (Beam& beam : search.beams()) {
    all.list.push_back({.tokens = std::move(beam.tokens),
                        .text = std::move(beam.text),
                        .reason = beam.reason,
                        .log_probability = beam.log_probability});
  }
  if (text == ReplyText::kKeptAndWritten) TextWriter(place.console, all.list).follow(all.list.size());
  return all;
}

std::string describe_statistics(const Continuations& all) {
  std::string line = fmt::format("{} prompt tokens", all.prompt_tokens);
  if (all.ttft_ns > 0) line += fmt::format(", TTFT {}", human_ns(static_cast<double>(all.ttft_ns)));
  line += fmt::format("; {} text{}, {} tokens", all.list.size(), all.list.size() == 1 ? "" : "s",
                      all.token_count);
  if (all.tokens_per_second > 0) line += fmt::format(" ({:.1f} tokens/s)", all.tokens_per_second);
  return line + fmt::format("; KV {} together, {} apart", human_bytes(all.kv_bytes),
                            human_bytes(all.kv_bytes_apart));
}

}  // namespace cairn
