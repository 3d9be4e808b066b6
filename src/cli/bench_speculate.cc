// cairn bench speculate: what guessing tokens ahead gains on texts that repeat, and costs on texts that do not.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <memory>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "cli/bench.h"
#include "cli/console.h"
#include "cli/long_run.h"
#include "cli/open_model.h"
#include "cli/output_format.h"
#include "cli/row_writer.h"
#include "engine/drafts/drafter.h"
#include "engine/engine.h"

namespace cairn {
namespace {

constexpr int kPairs = 5;  // of runs with guesses and without; odd, for the median
constexpr int64_t kPrompt = 256;
constexpr int64_t kTokens = 160;  // of each sequence
constexpr int64_t kMany = 8;      // sequences at once
constexpr int64_t kEditEvery = 12;
constexpr int64_t kMisleadingWords = 24;
constexpr double kRepeatsBar = 1.5;
constexpr double kOtherBar = 0.97;

struct SpeculateText {
  std::string_view name;
  int64_t sequence_count = 1;
  std::vector<TokenId> prompt;
  std::vector<TokenId> forced;  // the tokens that follow; empty: the model's own
  double bar = kOtherBar;
};

// A document, and the same again with some tokens changed: what a model writes that quotes, or edits code.
SpeculateText repeating(int64_t vocab_size, int64_t sequence_count) {
  std::vector<TokenId> prompt = varied_tokens(kPrompt, vocab_size);
  std::vector<TokenId> again(prompt.begin(), prompt.begin() + kTokens);
  for (size_t i = kEditEvery / 2; i < again.size(); i += kEditEvery) {
    again[i] = (again[i] + 1) % static_cast<TokenId>(vocab_size);
  }
  const bool is_alone = sequence_count == 1;
  return {is_alone ? "repeats its prompt, edited" : "the same, several at once", sequence_count,
          std::move(prompt), std::move(again), is_alone ? kRepeatsBar : kOtherBar};
}

// So few words that two of them have often stood together before, and hardly ever is the next one the same.
SpeculateText misleading(int64_t vocab_size) {
  std::vector<TokenId> words(kPrompt + kTokens);
  for (size_t i = 0; i < words.size(); ++i) {
    words[i] = static_cast<TokenId>(random_bits(5, 0, i) %
                                    static_cast<uint64_t>(std::min(vocab_size, kMisleadingWords)));
  }
  std::vector<TokenId> rest(words.begin() + kPrompt, words.end());
  words.resize(kPrompt);
  return {"misleads", 1, std::move(words), std::move(rest)};
}

std::vector<SpeculateText> texts(int64_t vocab_size) {
  return {repeating(vocab_size, 1),
          repeating(vocab_size, kMany),
          misleading(vocab_size),
          {"the model's own", 1, varied_tokens(kPrompt, vocab_size, kPrompt), {}}};
}

struct Decoded {
  double tokens_per_second = 0;
  int64_t draft_tokens = 0;
  int64_t accepted_tokens = 0;
};

// From the moment when every sequence has its first token.
Result<Decoded> decode(Engine& engine, const SpeculateText& text) {
  std::vector<int64_t> counts(static_cast<size_t>(text.sequence_count), 0);
  Decoded decoded;
  Status failed;
  for (int64_t& count : counts) {
    Request request{.prompt = text.prompt,
                    .max_tokens = kTokens,
                    .ignore_end_tokens = true,
                    .forced_tokens = text.forced};
    request.sampling.temperature = 0;
    request.on_token = [&count](TokenId) { ++count; };
    request.on_finish = [&](const RequestResult& result) {
      decoded.draft_tokens += result.stats.draft_tokens;
      decoded.accepted_tokens += result.stats.accepted_draft_tokens;
      if (!result.status.ok()) failed = result.status;
    };
    CAIRN_RETURN_IF_ERROR(engine.submit(std::move(request)).status());
  }
  const auto sum = [&] { return std::accumulate(counts.begin(), counts.end(), int64_t{0}); };
  while (!engine.idle() && std::ranges::find(counts, 0) != counts.end()) engine.step();
  const int64_t before = sum();
  const SteadyClock clock;
  const uint64_t begin_ns = clock.now_ns();
  while (!engine.idle()) engine.step();
  CAIRN_RETURN_IF_ERROR(failed);
  const double seconds = static_cast<double>(clock.now_ns() - begin_ns) * 1e-9;
  decoded.tokens_per_second = static_cast<double>(sum() - before) / seconds;
  return decoded;
}

struct SpeculateRow {
  std::string_view name;
  double plain = 0;    // tokens/s, medians
  double guessed = 0;  // likewise
  double ratio = 0;    // median of the pairs', and their least and most
  double least_ratio = 0;
  double most_ratio = 0;
  double bar = 0;
  int64_t pair_count = 0;  // fewer than kPairs: it was stopped
  Decoded last;
};

class SpeculateBench {
 public:
  SpeculateBench(Engine& plain, Engine& guessing) : plain_(plain), guessing_(guessing) {}

  Result<SpeculateRow> measure(const SpeculateText& text, LongRun& progress) {
    SpeculateRow row{.name = text.name, .bar = text.bar};
    std::vector<double> plain;
    std::vector<double> guessed;
    std::vector<double> ratios;
    for (int pair = 0; pair < kPairs && (pair == 0 || !progress.is_stopped()); ++pair) {
      const bool plain_first = pair % 2 == 0;
      CAIRN_ASSIGN_OR_RETURN(const Decoded first, decode(plain_first ? plain_ : guessing_, text));
      CAIRN_ASSIGN_OR_RETURN(const Decoded second, decode(plain_first ? guessing_ : plain_, text));
      row.last = plain_first ? second : first;
      plain.push_back((plain_first ? first : second).tokens_per_second);
      guessed.push_back(row.last.tokens_per_second);
      ratios.push_back(guessed.back() / plain.back());
      progress.update(static_cast<uint64_t>(pair) + 1, kPairs);
    }
    row.pair_count = std::ssize(ratios);
    row.least_ratio = std::ranges::min(ratios);
    row.most_ratio = std::ranges::max(ratios);
    row.plain = median(std::move(plain));
    row.guessed = median(std::move(guessed));
    row.ratio = median(std::move(ratios));
    return row;
  }

 private:
  Engine& plain_;
  Engine& guessing_;
};

void add_row(const SpeculateRow& row, RowWriter& table) {
  const Decoded& last = row.last;
  table.add_row(
      {row.pair_count == kPairs ? std::string(row.name)
                                : fmt::format("{} (stopped: {} pairs)", row.name, row.pair_count),
       fmt::format("{:.1f}", row.plain), fmt::format("{:.1f}", row.guessed), fmt::format("{:.2f}", row.ratio),
       fmt::format("{:.2f}-{:.2f}", row.least_ratio, row.most_ratio), fmt::format("{:.2f}", row.bar),
       fmt::format("{}", last.draft_tokens), fmt::format("{}", last.accepted_tokens)});
}

boost::json::object json_of(const SpeculateRow& row) {
  return {{"text", row.name},
          {"plain_tokens_per_second", row.plain},
          {"tokens_per_second", row.guessed},
          {"ratio", row.ratio},
          {"ratio_least", row.least_ratio},
          {"ratio_most", row.most_ratio},
          {"ratio_bar", row.bar},
          {"pairs", row.pair_count},
          {"draft_tokens", row.last.draft_tokens},
          {"accepted_draft_tokens", row.last.accepted_tokens}};
}

Result<EngineOptions> settings_of(const OpenModel& opened) {
  constexpr int64_t kContext = kPrompt + kTokens + kBlockSize;
  EngineOptions settings = opened.engine_options;
  if (settings.context < kContext) {
    return invalid_argument(fmt::format(
        "bench speculate needs a context of at least {} positions: give a larger --context", kContext));
  }
  settings.storage = KvStorageKind::kPaged;
  settings.context = kContext;
  settings.max_sequences = kMany;
  settings.pool_bytes.reset();
  return settings;
}

}  // namespace

Status bench_speculate(const BenchOptions& options, const BenchRun& run) {
  CAIRN_ASSIGN_OR_RETURN(const OpenModel opened, open_model(options.common, run.console, kMany));
  CAIRN_ASSIGN_OR_RETURN(EngineOptions settings, settings_of(opened));
  std::shared_ptr<Drafter> drafter = std::exchange(settings.drafter, nullptr);
  if (drafter == nullptr) drafter = make_drafter(Speculation::kPromptLookup);
  CAIRN_ASSIGN_OR_RETURN(const auto plain, Engine::create(opened.model, *opened.threads, settings));
  settings.drafter = std::move(drafter);
  CAIRN_ASSIGN_OR_RETURN(const auto guessing, Engine::create(opened.model, *opened.threads, settings));
  SpeculateBench bench(*plain, *guessing);
  RowWriter table(run.console, options.table_form,
                  {{"a text that", Align::kLeft, 26},
                   {"tokens/s without", Align::kRight},
                   {"with", Align::kRight, 7},
                   {"times", Align::kRight, 6},
                   {"of pairs", Align::kRight, 10},
                   {"bar", Align::kRight, 5},
                   {"guessed", Align::kRight},
                   {"right", Align::kRight}});
  boost::json::array list;
  for (const SpeculateText& text : texts(opened.model->config().vocab_size)) {
    if (run.interrupt.is_raised()) break;
    LongRun progress(run.console, run.interrupt, text.name);
    CAIRN_ASSIGN_OR_RETURN(const SpeculateRow row, bench.measure(text, progress));
    if (options.common.output_form == OutputForm::kJson) {
      list.push_back(json_of(row));
    } else {
      add_row(row, table);
    }
  }
  if (options.common.output_form == OutputForm::kJson) {
    run.console.write(json_line({{"speculate", std::move(list)}}));
  }
  return {};
}

}  // namespace cairn
