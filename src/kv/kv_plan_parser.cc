#include "kv/kv_plan_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

#include "base/printable.h"
#include "base/utf8.h"

namespace cairn {
namespace {

constexpr std::string_view kLayerNumber = "a layer's number stands here: 0, 1, ..., or -1 for the last layer";

// More than any model has; KvGeometry's limit.
constexpr int64_t kMaxLayer = 65535;

bool is_word_character(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

}  // namespace

Result<KvPlan> KvPlan::parse(std::string_view text) {
  CAIRN_ASSIGN_OR_RETURN(std::vector<Rule> rules, Parser(text, "KV plan").whole_plan());
  KvPlan plan;
  plan.rules_ = std::move(rules);
  return plan;
}

KvPlan::Choice KvPlan::Parser::CodecWords::choice() const {
  if (!axis.has_value() && transform == KvTransform::kNone) return choice_of(format);
  const KvAxis best_axis = kv_is_integer(format) ? KvAxis::kChannel : KvAxis::kToken;  // of what is rotated
  return KvCodec{format, axis.value_or(best_axis), transform};
}

Result<std::vector<KvPlan::Rule>> KvPlan::Parser::whole_plan() {
  if (text_.size() > kKvPlanBytesMax) {
    return invalid_argument(
        fmt::format("{} has {} bytes; at most {} are read", where_, text_.size(), kKvPlanBytesMax));
  }
  std::vector<Rule> rules;
  do {
    CAIRN_ASSIGN_OR_RETURN(rules.emplace_back(), rule());
  } while (take(';'));
  CAIRN_RETURN_IF_ERROR(end(fmt::format("{}\";\" and another rule, or the end", rule_end_)));
  return rules;
}

Result<KvPlan::Rule> KvPlan::Parser::whole_selector() {
  Rule rule;
  const std::string_view word = peek_word();
  if (word == "all" || word == "rest") {
    at_ += word.size();
    rule.selector = word == "all" ? Selector::kAll : Selector::kRest;
  } else {
    rule.selector = Selector::kRanges;
    CAIRN_ASSIGN_OR_RETURN(rule.ranges, ranges());
  }
  CAIRN_RETURN_IF_ERROR(end("\",\" and more layers, or the end"));
  return rule;
}

Result<KvPlan::Choices> KvPlan::Parser::whole_codecs() {
  CAIRN_ASSIGN_OR_RETURN(const Choices read, codecs());
  CAIRN_RETURN_IF_ERROR(end("the end"));
  return read;
}

Result<KvPlan::Choice> KvPlan::Parser::whole_codec() {
  CAIRN_ASSIGN_OR_RETURN(const Choice read, codec());
  CAIRN_RETURN_IF_ERROR(end("the end"));
  return read;
}

Result<KvPlan::Rule> KvPlan::Parser::rule() {
  Rule rule;
  const std::string_view word = peek_word();
  const bool is_selector = word == "all" || word == "rest" || word == "layer" || word == "layers";
  if (is_selector) {
    at_ += word.size();
    if (word == "rest") rule.selector = Selector::kRest;
    if (word.starts_with("layer")) {
      rule.selector = Selector::kRanges;
      CAIRN_ASSIGN_OR_RETURN(rule.ranges, ranges());
    }
    if (!take(':')) {
      return error(at_, fmt::format("{}, where \":\" and codecs are expected{}", found(at_),
                                    rule.ranges.empty() ? "" : ", or \",\" and more layers"));
    }
  }
  CAIRN_RETURN_IF_ERROR(what(rule));
  return rule;
}

Status KvPlan::Parser::what(Rule& rule) {
  const std::string_view word = peek_word();
  if (!is_kv_retention_word(word)) {
    if (word_ends_with('=') && word != "k" && word != "v") {
      return error(at_, fmt::format("{}, where \"k=\", \"sinks=\" or \"window=\" is expected", found(at_)));
    }
    CAIRN_ASSIGN_OR_RETURN(rule.codecs, codecs());
    rule_end_ = "\":\" and a word, \",\" and \"sinks=\" or \"window=\", ";
    if (!take(',')) return {};
  }
  CAIRN_ASSIGN_OR_RETURN(rule.retention, retention());
  return {};
}

Result<std::vector<KvPlan::Range>> KvPlan::Parser::ranges() {
  std::vector<Range> ranges;
  do {
    CAIRN_ASSIGN_OR_RETURN(ranges.emplace_back(), range());
  } while (take(','));
  return ranges;
}

Result<KvPlan::Range> KvPlan::Parser::range() {
  skip_spaces();
  const size_t begin = at_;
  CAIRN_ASSIGN_OR_RETURN(const int64_t first, layer());
  if (!take('-')) return Range{first, first};
  CAIRN_ASSIGN_OR_RETURN(const int64_t last, layer());
  if ((first < 0) == (last < 0) && first > last) {
    return error(begin, fmt::format("layers {}-{} run backwards; the lower one comes first", first, last));
  }
  return Range{first, last};
}

Result<int64_t> KvPlan::Parser::layer() {
  skip_spaces();
  const size_t begin = at_;
  const bool from_end = take('-');
  const std::string_view digits = peek_word();
  const bool is_number = std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
  if (digits.empty() || !is_number) {
    return error(begin, fmt::format("{} is not a layer; {}", found(begin), kLayerNumber));
  }
  int64_t number = 0;
  for (const char digit : digits) {
    number = 10 * number + (digit - '0');
    if (number > kMaxLayer)
      return error(begin, fmt::format("no model has more than {} layers", kMaxLayer + 1));
  }
  if (from_end && number == 0) return error(begin, fmt::format("\"-0\" is not a layer; {}", kLayerNumber));
  at_ += digits.size();
  return from_end ? -number : number;
}

Result<KvPlan::Choices> KvPlan::Parser::codecs() {
  const std::string_view word = peek_word();
  if (word_ends_with('=')) {
    CAIRN_ASSIGN_OR_RETURN(const Choice keys, side("k"));
    if (!take(',')) {
      return error(at_, fmt::format("{}, where \",v=\" and the codec of values is expected", found(at_)));
    }
    CAIRN_ASSIGN_OR_RETURN(const Choice values, side("v"));
    return Choices{keys, values};
  }
  if (!kv_format_from_name(word).has_value() && word_ends_with(':')) {
    return error(at_, fmt::format("{} is neither a format nor a choice of layers; {}; layers are chosen by "
                                  "\"all:\", \"rest:\" and \"layers 0-3,-1:\"",
                                  found(at_), kv_formats_sentence()));
  }
  CAIRN_ASSIGN_OR_RETURN(const Choice both, codec());
  return Choices{both, both};
}

Result<KvPlan::Choice> KvPlan::Parser::side(std::string_view name) {
  const std::string_view word = peek_word();
  if (word != name || !word_ends_with('=')) {
    return error(at_, fmt::format("{}, where \"{}=\" and a codec are expected: keys and values are given as "
                                  "\"k=int8,v=int4\"",
                                  found(at_), name));
  }
  at_ += word.size();
  take('=');
  return codec();
}

Result<KvPlan::Choice> KvPlan::Parser::codec() {
  const std::string_view word = peek_word();
  const std::optional<KvFormat> format = kv_format_from_name(word);
  if (!format.has_value()) {
    return error(at_, fmt::format("{} is not a format; {}", found(at_), kv_formats_sentence()));
  }
  at_ += word.size();
  CodecWords codec{.format = *format};
  while (take(':')) CAIRN_RETURN_IF_ERROR(add_word(codec));
  return codec.choice();
}

Status KvPlan::Parser::add_word(CodecWords& codec) {
  const std::string_view word = peek_word();
  if (word == "hadamard") {
    if (codec.transform == KvTransform::kHadamard) return error(at_, "\"hadamard\" stands here twice");
    codec.transform = KvTransform::kHadamard;
  } else if (word == "token" || word == "channel") {
    if (!kv_is_integer(codec.format)) {
      return error(at_, fmt::format("\"{}\" is for integer formats ({}); the others have no scales, and take "
                                    "\"hadamard\" only",
                                    word, kv_integer_format_names()));
    }
    if (codec.axis.has_value())
      return error(at_, fmt::format("\"{}\" is a second axis; one is enough", word));
    codec.axis = word == "token" ? KvAxis::kToken : KvAxis::kChannel;
  } else {
    return error(at_, fmt::format("{} is not a word of a codec; there {}", found(at_),
                                  kv_is_integer(codec.format) ? "are token, channel and hadamard"
                                                              : "is only hadamard"));
  }
  at_ += word.size();
  return {};
}

Status KvPlan::Parser::end(std::string_view allowed) {
  skip_spaces();
  if (at_ == text_.size()) return {};
  return error(at_, fmt::format("{}, where only {} can stand", found(at_), allowed));
}

void KvPlan::Parser::skip_spaces() {
  constexpr std::string_view kSpaces = " \t\r\n";
  while (at_ < text_.size() && kSpaces.find(text_[at_]) != std::string_view::npos) ++at_;
}

std::string_view KvPlan::Parser::peek_word() {
  skip_spaces();
  size_t end = at_;
  while (end < text_.size() && is_word_character(text_[end])) ++end;
  return text_.substr(at_, end - at_);
}

bool KvPlan::Parser::word_ends_with(char c) {
  const size_t begin = at_;
  at_ += peek_word().size();
  const bool ends = take(c);
  at_ = begin;
  skip_spaces();
  return ends;
}

bool KvPlan::Parser::take(char c) {
  skip_spaces();
  const bool stands_there = at_ < text_.size() && text_[at_] == c;
  if (stands_there) ++at_;
  return stands_there;
}

std::string KvPlan::Parser::found(size_t at) const {
  if (at >= text_.size()) return "the end";
  size_t end = at + (text_[at] == '-' ? 1 : 0);
  while (end < text_.size() && is_word_character(text_[end])) ++end;
  if (end == at) end += first_character(text_.substr(at)).bytes;  // no word's
  return fmt::format("\"{}\"", printable(text_.substr(at, end - at)));
}

Status KvPlan::Parser::error(size_t at, std::string_view message) const {
  return invalid_argument(fmt::format("{}, column {}: {}", where_, at + 1, message));
}

}  // namespace cairn
