// cairn bench constrained: what a constraint costs: compiling it, a mask, and the time of a token beside one without it.
#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <memory>
#include <optional>
#include <string>
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
#include "engine/engine.h"
#include "engine/token_constraint.h"

namespace cairn {
namespace {

constexpr int64_t kPairs = 15;         // of replies with a constraint and without
constexpr int64_t kReplyTokens = 192;  // of each
constexpr int64_t kMaskTokens = 400;   // of the reply whose masks are measured
constexpr int64_t kLargeVocabulary = 150'000;
constexpr double kBar = 1.05;  // the most that a constraint may make a token longer

// Long enough that no reply of this bench is complete.
constexpr const char* kSchema = R"({"type":"array","minItems":1000,"items":{"type":"object","properties":{
  "name":{"type":"string"},"age":{"type":"integer","minimum":0,"maximum":130},
  "kind":{"enum":["child","parent","animal","other"]},"tags":{"type":"array","items":{"type":"string"},"maxItems":4},
  "note":{"type":["string","null"],"maxLength":80},"size":{"type":"number"}},
  "required":["name","age","kind"],"additionalProperties":false}})";

struct Form {
  std::string name;
  GuideSpec spec;
};

std::vector<Form> forms() {
  GuideSpec schema;
  schema.answer = {AnswerSpec::Kind::kJsonSchema, boost::json::parse(kSchema)};
  GuideSpec object;
  object.answer.kind = AnswerSpec::Kind::kJsonObject;
  GuideSpec tools;
  tools.tools = ToolCallSpec{};
  tools.tools->form = hermes_tool_form();
  tools.tools->need = ToolCallSpec::Need::kMay;
  tools.tools->text_before = ToolCallSpec::TextBefore::kFree;
  tools.tools->tools = {
      {"search", boost::json::parse(R"({"type":"object","properties":{"query":{"type":"string"},
      "count":{"type":"integer","minimum":1,"maximum":50}},"required":["query"]})")}};
  return {{"a list of records", std::move(schema)},
          {"any JSON object", std::move(object)},
          {"tools, or text", std::move(tools)}};
}

// All bytes, words with and without a blank before them, and what JSON is written with: as many tokens, of as many
// bytes, as the vocabularies of current models have.
Result<std::shared_ptr<const TokenTrie>> large_vocabulary() {
  PlainVocabulary vocabulary;
  for (int byte = 0; byte < 256; ++byte) vocabulary.texts.emplace_back(1, static_cast<char>(byte));
  for (const char* text :
       {"{\"",  "\":",   "\",",  "\":\"",  "\",\"", "\"}", "}}",      "},",     "],",
        "[]",   "{}",    "\"]",  " \"",    " {",    " [",  "\n ",     "\n  ",   "\n    ",
        "true", "false", "null", "\":{\"", "\":[",  ",\"", "\"},{\"", "\": \"", "\", \""}) {
    vocabulary.texts.emplace_back(text);
  }
  constexpr std::string_view kParts[] = {
      "a",  "an",  "be",  "con", "de", "er",  "fi",       "ge",       "ing",         "jo",
      "ka", "la",  "mer", "no",  "or", "pre", "qu",       "re",       "st",          "tion",
      "un", "ver", "wa",  "xi",  "y",  "zo",  "\xC3\xA9", "\xD0\xB0", "\xE4\xBD\xA0"};
  for (uint64_t i = 0; std::ssize(vocabulary.texts) < kLargeVocabulary; ++i) {
    std::string word(random_bits(3, i, 0) % 2, ' ');
    const uint64_t parts = 1 + random_bits(3, i, 1) % 4;
    for (uint64_t part = 0; part < parts; ++part)
      word += kParts[random_bits(3, i, 2 + part) % std::size(kParts)];
    constexpr std::string_view kEnds[] = {"\"", "\",", ".", ",", ")", "();", ":", "s"};
    if (random_bits(3, i, 9) % 8 == 0) word += kEnds[random_bits(3, i, 10) % std::size(kEnds)];
    vocabulary.texts.push_back(std::move(word));
  }
  vocabulary.texts.emplace_back();
  vocabulary.end_tokens = {static_cast<TokenId>(kLargeVocabulary)};
  return TokenTrie::build(vocabulary);
}

double quantile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  const auto at = static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::ranges::nth_element(values, values.begin() + at);
  return values[static_cast<size_t>(at)];
}

struct MaskCost {
  std::string form;
  int64_t vocab_size = 0;
  double compile_ms = 0;
  std::vector<double> cold_us, warm_us, closing_us;  // of each token: its mask, and moving on
  uint64_t guide_bytes = 0;
};

// One reply of random tokens, each from its mask; the time of each. `tokens`: those to take, drawn where it is empty.
std::vector<double> time_masks(const std::shared_ptr<const Guide>& guide, int64_t remaining,
                               std::vector<TokenId>& tokens) {
  const SteadyClock clock;
  const bool draws = tokens.empty();
  GuideWalk walk(guide);
  TokenMask mask(guide->trie().vocab_size());
  std::vector<double> times_us;
  for (int64_t i = 0; i < kMaskTokens && remaining > i && !walk.has_ended(); ++i) {
    mask.allow_all();
    const uint64_t begin_ns = clock.now_ns();
    walk.restrict(mask, remaining - i);
    uint64_t spent_ns = clock.now_ns() - begin_ns;
    if (draws) {
      // From a random token on, the first that is allowed; in free text and strings that is nearly any.
      const int64_t size = mask.size();
      auto token =
          static_cast<int64_t>(random_bits(5, 0, static_cast<uint64_t>(i)) % static_cast<uint64_t>(size));
      for (int64_t tried = 0; tried < size && !mask.allows(static_cast<TokenId>(token)); ++tried)
        token = (token + 1) % size;
      tokens.push_back(static_cast<TokenId>(token));
    }
    if (i >= std::ssize(tokens)) break;
    const uint64_t take_ns = clock.now_ns();
    if (!walk.take(tokens[static_cast<size_t>(i)])) break;
    spent_ns += clock.now_ns() - take_ns;
    times_us.push_back(static_cast<double>(spent_ns) * 1e-3);
  }
  return times_us;
}

Result<MaskCost> measure_masks(const Form& form, const std::shared_ptr<const TokenTrie>& trie) {
  MaskCost cost{.form = form.name, .vocab_size = trie->vocab_size()};
  const SteadyClock clock;
  const uint64_t begin_ns = clock.now_ns();
  CAIRN_ASSIGN_OR_RETURN(const auto guide, Guide::compile(trie, form.spec));
  cost.compile_ms = static_cast<double>(clock.now_ns() - begin_ns) * 1e-6;
  constexpr int64_t kNoEnd = int64_t{1} << 40;
  std::vector<TokenId> tokens, closing;
  cost.cold_us = time_masks(guide, kNoEnd, tokens);
  cost.warm_us = time_masks(guide, kNoEnd, tokens);
  // So few that each token must lead towards the end.
  const int64_t least = guide->shortest_reply_tokens();
  cost.closing_us = time_masks(guide, least < kMaskTokens ? least + 3 : kMaskTokens, closing);
  cost.guide_bytes = guide->used_bytes();
  return cost;
}

// Generates with or without a constraint; nanoseconds from one token to the next.
Result<double> tpot_of(const OpenModel& opened, const std::shared_ptr<const Guide>& guide, uint64_t seed) {
  CAIRN_ASSIGN_OR_RETURN(const auto engine,
                         Engine::create(opened.model, *opened.threads, opened.engine_options));
  Request request{.prompt = {opened.model->tokenizer().bos().value_or(TokenId{0})},
                  .max_tokens = kReplyTokens};
  request.ignore_end_tokens = true;
  request.sampling.temperature = 1;
  request.sampling.seed = seed;
  if (guide != nullptr) request.constraint = std::make_shared<GuideConstraint>(guide);
  RequestResult result;
  request.on_finish = [&result](const RequestResult& ended) { result = ended; };
  CAIRN_RETURN_IF_ERROR(engine->submit(std::move(request)).status());
  while (!engine->idle()) engine->step();
  CAIRN_RETURN_IF_ERROR(result.status);
  return result.stats.tpot_ns;
}

struct TpotCost {
  std::string name;
  double plain_ms = 0, constrained_ms = 0, ratio = 0;  // medians
  int64_t pairs = 0;
};

enum class Memory : uint8_t { kCold, kWarm };  // whether the guide has seen a reply before

Result<TpotCost> measure_tpot(const OpenModel& opened, const std::shared_ptr<const TokenTrie>& trie,
                              Memory memory, const BenchRun& run) {
  TpotCost cost{.name = memory == Memory::kCold ? "its first reply" : "later replies"};
  const GuideSpec spec = forms()[0].spec;
  LongRun progress(run.console, run.interrupt, cost.name);
  CAIRN_ASSIGN_OR_RETURN(auto guide, Guide::compile(trie, spec));
  if (memory == Memory::kWarm) CAIRN_RETURN_IF_ERROR(tpot_of(opened, guide, kPairs).status());
  std::vector<double> plain, constrained, ratios;
  for (int64_t pair = 0; pair < kPairs && !progress.is_stopped(); ++pair) {
    progress.update(static_cast<uint64_t>(pair), static_cast<uint64_t>(kPairs));
    if (memory == Memory::kCold) {
      CAIRN_ASSIGN_OR_RETURN(guide, Guide::compile(trie, spec));
    }
    // Who goes first changes, so that neither always finds the machine as the other left it.
    double with_ns = 0, without_ns = 0;
    for (int turn = 0; turn < 2; ++turn) {
      const bool is_constrained = (turn == 0) == (pair % 2 == 0);
      CAIRN_ASSIGN_OR_RETURN((is_constrained ? with_ns : without_ns),
                             tpot_of(opened, is_constrained ? guide : nullptr, static_cast<uint64_t>(pair)));
    }
    plain.push_back(without_ns * 1e-6);
    constrained.push_back(with_ns * 1e-6);
    ratios.push_back(with_ns / without_ns);
  }
  cost.pairs = std::ssize(ratios);
  cost.plain_ms = quantile(plain, 0.5);
  cost.constrained_ms = quantile(constrained, 0.5);
  cost.ratio = quantile(ratios, 0.5);
  return cost;
}

void report_json(const std::vector<TpotCost>& tokens, const std::vector<MaskCost>& masks, Console& console) {
  boost::json::array token_list, mask_list;
  for (const TpotCost& cost : tokens) {
    token_list.push_back(boost::json::object{{"replies", cost.name},
                                             {"pairs", cost.pairs},
                                             {"plain_ms", cost.plain_ms},
                                             {"constrained_ms", cost.constrained_ms},
                                             {"ratio", cost.ratio},
                                             {"bar", kBar}});
  }
  for (const MaskCost& cost : masks) {
    mask_list.push_back(boost::json::object{{"form", cost.form},
                                            {"vocabulary", cost.vocab_size},
                                            {"compile_ms", cost.compile_ms},
                                            {"cold_median_us", quantile(cost.cold_us, 0.5)},
                                            {"cold_max_us", quantile(cost.cold_us, 1)},
                                            {"warm_median_us", quantile(cost.warm_us, 0.5)},
                                            {"closing_median_us", quantile(cost.closing_us, 0.5)},
                                            {"guide_bytes", cost.guide_bytes}});
  }
  console.write(json_line({{"tpot", std::move(token_list)}, {"masks", std::move(mask_list)}}));
}

void report_tables(const std::vector<TpotCost>& tokens, const std::vector<MaskCost>& masks, TableForm form,
                   Console& console) {
  RowWriter times(console, form,
                  {{"a guide's", Align::kLeft, 16},
                   {"pairs", Align::kRight},
                   {"plain ms", Align::kRight},
                   {"constrained ms", Align::kRight},
                   {"ratio", Align::kRight, 6},
                   {"bar", Align::kRight, 5}});
  for (const TpotCost& cost : tokens) {
    times.add_row({cost.name, std::to_string(cost.pairs), fmt::format("{:.3f}", cost.plain_ms),
                   fmt::format("{:.3f}", cost.constrained_ms), fmt::format("{:.3f}", cost.ratio),
                   fmt::format("{:.2f}", kBar)});
  }
  console.write("\n");
  RowWriter costs(console, form,
                  {{"form", Align::kLeft, 18},
                   {"vocabulary", Align::kRight},
                   {"compile ms", Align::kRight},
                   {"cold us", Align::kRight, 8},
                   {"cold mean us", Align::kRight},
                   {"cold max us", Align::kRight},
                   {"warm us", Align::kRight, 8},
                   {"closing us", Align::kRight},
                   {"guide", Align::kRight, 9}});
  for (const MaskCost& cost : masks) {
    double sum_us = 0;
    for (const double us : cost.cold_us) sum_us += us;
    costs.add_row(
        {cost.form, grouped_count(cost.vocab_size), fmt::format("{:.1f}", cost.compile_ms),
         fmt::format("{:.1f}", quantile(cost.cold_us, 0.5)),
         fmt::format("{:.1f}", sum_us / static_cast<double>(std::max<size_t>(cost.cold_us.size(), 1))),
         fmt::format("{:.1f}", quantile(cost.cold_us, 1)), fmt::format("{:.1f}", quantile(cost.warm_us, 0.5)),
         fmt::format("{:.1f}", quantile(cost.closing_us, 0.5)), human_bytes(cost.guide_bytes)});
  }
}

}  // namespace

Status bench_constrained(const BenchOptions& options, const BenchRun& run) {
  CAIRN_ASSIGN_OR_RETURN(const OpenModel opened, open_model(options.common, run.console));
  const SteadyClock clock;
  CAIRN_ASSIGN_OR_RETURN(const auto own, TokenTrie::build(opened.model->tokenizer()));
  const uint64_t begin_ns = clock.now_ns();
  CAIRN_ASSIGN_OR_RETURN(const auto large, large_vocabulary());
  const double build_ms = static_cast<double>(clock.now_ns() - begin_ns) * 1e-6;
  std::vector<TpotCost> tokens;
  std::vector<MaskCost> masks;
  for (const Memory memory : {Memory::kCold, Memory::kWarm}) {
    if (run.interrupt.is_raised()) break;
    CAIRN_ASSIGN_OR_RETURN(TpotCost cost, measure_tpot(opened, own, memory, run));
    tokens.push_back(std::move(cost));
  }
  for (const auto& trie : {own, large}) {
    for (const Form& form : forms()) {
      if (run.interrupt.is_raised()) break;
      CAIRN_ASSIGN_OR_RETURN(MaskCost cost, measure_masks(form, trie));
      masks.push_back(std::move(cost));
    }
  }
  if (options.common.output_form == OutputForm::kJson) {
    report_json(tokens, masks, run.console);
    return {};
  }
  report_tables(tokens, masks, options.table_form, run.console);
  if (options.table_form == TableForm::kAligned) {
    run.console.write(fmt::format("\nThe vocabulary of {}: {} for its trie, built in {:.0f} ms.\n",
                                  grouped_count(large->vocab_size()), human_bytes(large->used_bytes()),
                                  build_ms));
  }
  return {};
}

}  // namespace cairn
