#include "cli/bench_serve_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <charconv>
#include <cmath>
#include <numbers>
#include <utility>

#include "base/mapped_file.h"
#include "base/random.h"
#include "files/json.h"

namespace cairn {
namespace {

// Streams of random numbers, so that a change of one option leaves what another draws as it is. Words of call i: kWords + i.
enum Stream : uint64_t { kGaps, kShared, kPromptLength, kAnswerLength, kPrefix, kWords };

constexpr double kLengthMost = 1e6;
constexpr int64_t kWhenNothingIsSaid = 50;  // requests

// Short and common, so that a word is about one token in most vocabularies.
constexpr std::string_view kCommonWords[] = {
    "the",  "of",    "and",   "to",    "in",    "is",    "you",   "that",  "it",   "he",    "was",
    "for",  "on",    "are",   "as",    "with",  "his",   "they",  "at",    "be",   "this",  "have",
    "from", "or",    "one",   "had",   "by",    "word",  "but",   "not",   "what", "all",   "were",
    "we",   "when",  "your",  "can",   "said",  "there", "use",   "an",    "each", "which", "she",
    "do",   "how",   "their", "if",    "will",  "up",    "other", "about", "out",  "many",  "then",
    "them", "these", "so",    "some",  "her",   "would", "make",  "like",  "him",  "into",  "time",
    "has",  "look",  "two",   "more",  "write", "go",    "see",   "no",    "way",  "could", "people",
    "my",   "than",  "first", "water", "been",  "call",  "who",   "oil",   "its",  "now",   "find",
    "long", "down",  "day",   "did",   "get",   "come",  "made",  "may",   "part", "over"};

std::string words(uint64_t seed, uint64_t stream, int64_t count) {
  std::string text;
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t bits = random_bits(seed, stream, static_cast<uint64_t>(i));
    if (i > 0) text += ' ';
    text += kCommonWords[bits % std::size(kCommonWords)];
  }
  return text;
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc() || parsed.ptr != end || !std::isfinite(value)) return std::nullopt;
  return value;
}

// A line of a trace; its prompt is made up later where it gives only a number of words.
struct TraceLine {
  PlannedCall call;
  std::optional<int64_t> words;
};

std::optional<int64_t> count_of(const boost::json::object& line, std::string_view key) {
  const auto* value = line.if_contains(key);
  if (value == nullptr || !value->is_int64() || value->get_int64() < 0) return std::nullopt;
  if (value->get_int64() > static_cast<int64_t>(kLengthMost)) return std::nullopt;
  return value->get_int64();
}

Result<TraceLine> read_line(std::string_view text, const LoadOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(const boost::json::value value,
                         parse_json(text, {.bytes_max = 16 << 20, .depth_max = 8}));
  if (!value.is_object()) return invalid_data("it is no JSON object");
  const boost::json::object& line = value.get_object();
  TraceLine read;
  const auto* at_ms = line.if_contains("at_ms");
  if (at_ms != nullptr && at_ms->is_number()) read.call.at_s = at_ms->to_number<double>() / 1000;
  const bool has_time = at_ms != nullptr && at_ms->is_number() && read.call.at_s >= 0 && read.call.at_s < 1e9;
  if (!has_time && !options.users) return invalid_data("at_ms, when it arrives, is missing or no number");
  const auto max_tokens = count_of(line, "max_tokens");
  if (line.contains("max_tokens") && !max_tokens) return invalid_data("max_tokens is no count");
  read.call.max_tokens = max_tokens.value_or(0);
  read.words = count_of(line, "prompt_words");
  const auto* prompt = line.if_contains("prompt");
  if ((prompt == nullptr) == !read.words) return invalid_data("it needs either prompt or prompt_words");
  if (prompt == nullptr) return read;
  if (prompt->is_string()) {
    read.call.prompt = std::string(prompt->get_string());
    return read;
  }
  std::vector<int64_t> tokens;
  if (!prompt->is_array()) return invalid_data("prompt is neither a text nor a list of token ids");
  for (const auto& token : prompt->get_array()) {
    if (!token.is_int64() || token.get_int64() < 0) return invalid_data("prompt holds what is no token id");
    tokens.push_back(token.get_int64());
  }
  read.call.prompt = std::move(tokens);
  return read;
}

Status check(const LoadOptions& options) {
  if (options.rate && options.users) {
    return invalid_argument(
        "--rate and --users exclude each other: requests arrive either at random or in turn");
  }
  if (options.rate && options.trace_path) {
    return invalid_argument("--rate and --trace exclude each other: the trace says when requests arrive");
  }
  return {};
}

}  // namespace

Result<Lengths> Lengths::parse(std::string_view text) {
  constexpr std::string_view kLogNormal = "lognormal:";
  const Status bad = invalid_argument(fmt::format(
      "'{}' is no length: give a number (100), a range (50-200) or a distribution (lognormal:100,0.5)",
      text));
  Lengths lengths(1);
  const bool is_lognormal = text.starts_with(kLogNormal);
  const std::string_view numbers = is_lognormal ? text.substr(kLogNormal.size()) : text;
  const size_t middle = numbers.find(is_lognormal ? ',' : '-');
  if (is_lognormal && middle == std::string_view::npos) return bad;
  const auto first = number(numbers.substr(0, middle));
  const auto second = middle == std::string_view::npos ? first : number(numbers.substr(middle + 1));
  if (!first || !second || *first < 1 || *first > kLengthMost || *second < 0 || *second > kLengthMost)
    return bad;
  if (is_lognormal && *second > 5) return bad;
  if (!is_lognormal && *second < *first) return bad;
  lengths.shape_ = is_lognormal ? Shape::kLogNormal : Shape::kUniform;
  lengths.low_ = *first;
  lengths.high_ = *second;
  return lengths;
}

int64_t Lengths::draw(uint64_t seed, uint64_t stream, uint64_t counter) const {
  const double u = random_double(seed, stream, 2 * counter);
  if (shape_ == Shape::kUniform) {
    return static_cast<int64_t>(low_) + static_cast<int64_t>(u * (std::floor(high_) - std::floor(low_) + 1));
  }
  const double v = random_double(seed, stream, 2 * counter + 1);
  const double normal = std::sqrt(-2 * std::log1p(-u)) * std::cos(2 * std::numbers::pi * v);
  return static_cast<int64_t>(std::clamp(std::round(low_ * std::exp(high_ * normal)), 1.0, kLengthMost));
}

LoadPlan::LoadPlan(const LoadOptions& options) : options_(options) {
  if (options.shared_share > 0) prefix_ = words(options.seed, kPrefix, options.prefix_words);
}

Result<LoadPlan> LoadPlan::create(const LoadOptions& options) {
  CAIRN_RETURN_IF_ERROR(check(options));
  if (options.trace_path) {
    CAIRN_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(*options.trace_path));
    const auto bytes = file.bytes();
    auto plan = of_trace({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, options);
    if (plan.ok()) return plan;
    return Status(plan.status().code(), fmt::format("{}: {}", *options.trace_path, plan.status().message()));
  }
  LoadPlan plan(options);
  plan.arrivals_ = options.rate ? Arrivals::kPlanned : Arrivals::kClosedLoop;
  plan.size_ = options.request_count;
  if (!options.request_count && !options.seconds) plan.size_ = kWhenNothingIsSaid;
  return plan;
}

Result<LoadPlan> LoadPlan::of_trace(std::string_view text, const LoadOptions& options) {
  LoadPlan plan(options);
  int64_t line_number = 0;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++line_number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    auto read = read_line(line, options);
    if (!read.ok()) {
      return invalid_data(fmt::format("line {} of the trace: {}", line_number, read.status().message()));
    }
    const auto index = static_cast<uint64_t>(line_number);
    if (read->words) read->call.prompt = words(options.seed, kWords + index, *read->words);
    if (read->call.max_tokens == 0) {
      read->call.max_tokens = options.answer_tokens.draw(options.seed, kAnswerLength, index);
    }
    plan.trace_.push_back(std::move(read->call));
  }
  if (plan.trace_.empty()) return invalid_data("the trace has no requests");
  if (!options.users) std::ranges::stable_sort(plan.trace_, {}, &PlannedCall::at_s);
  plan.arrivals_ = options.users ? Arrivals::kClosedLoop : Arrivals::kPlanned;
  const auto count = static_cast<int64_t>(plan.trace_.size());
  plan.size_ = std::min(options.request_count.value_or(count), count);
  return plan;
}

std::string LoadPlan::made_up_prompt(uint64_t call) const {
  const int64_t own = options_.prompt_words.draw(options_.seed, kPromptLength, call);
  if (options_.shared_share <= 0) return words(options_.seed, kWords + call, own);
  const bool is_shared = random_double(options_.seed, kShared, call) < options_.shared_share;
  if (!is_shared) return words(options_.seed, kWords + call, options_.prefix_words + own);
  return prefix_ + ' ' + words(options_.seed, kWords + call, own);
}

PlannedCall LoadPlan::next() {
  const uint64_t index = next_++;
  if (!trace_.empty()) return trace_[index % trace_.size()];
  if (options_.rate) {
    const double u = random_double(options_.seed, kGaps, index);
    if (index > 0) last_at_s_ += -std::log1p(-u) / *options_.rate;
  }
  return {.prompt = made_up_prompt(index),
          .max_tokens = options_.answer_tokens.draw(options_.seed, kAnswerLength, index),
          .at_s = last_at_s_};
}

}  // namespace cairn
