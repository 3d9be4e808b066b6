#include "text/tokenizer/json_steps.h"

#include <algorithm>
#include <array>

#include "base/printable.h"
#include "text/tokenizer/json_fields.h"
#include "text/tokenizer/pre_patterns.h"

namespace cairn {
namespace {

using namespace json_fields;  // NOLINT: this file does nothing else

constexpr int kMaxDepth = 8;  // of sequences inside sequences
constexpr std::string_view kMetaspace = "\xE2\x96\x81";

struct Section {
  std::string_view name;       // "normalizer"
  std::string_view list_name;  // the field of a Sequence that holds its steps
  std::string_view supported;
};
constexpr Section kNormalizer{"the normalizer", "normalizers",
                              "Sequence, Prepend, Replace, NFC, NFD, NFKC, NFKD, Lowercase, Strip"};
constexpr Section kPreTokenizer{"the pre_tokenizer", "pretokenizers",
                                "Sequence, ByteLevel, Split, Punctuation, Metaspace, Digits"};
constexpr Section kDecoder{"the decoder", "decoders",
                           "Sequence, ByteLevel, Metaspace, ByteFallback, Fuse, Replace, Strip"};

Status unsupported_step(const Section& section, std::string_view type) {
  return unsupported("tokenizer.json has the step \"" + printable(type) + "\" in " +
                     std::string(section.name) + ", which Cairn does not support; it supports " +
                     std::string(section.supported));
}

// Calls step(object, type) for each step of the section in order, those in sequences too.
template <typename Step>
Status for_each_step(const json::value* value, const Section& section, int depth, Step step) {
  if (value == nullptr || value->is_null()) return {};
  if (!value->is_object())
    return invalid_data(std::string(section.name) + " in tokenizer.json is not an object");
  if (depth > kMaxDepth)
    return invalid_data(std::string(section.name) + " in tokenizer.json is nested too deeply");
  const json::object& object = value->get_object();
  CAIRN_ASSIGN_OR_RETURN(const std::string_view type, string_or(object, section.name, "type", ""));
  if (type != "Sequence") return step(object, type);
  CAIRN_ASSIGN_OR_RETURN(const json::array* list, need_array(object, section.name, section.list_name));
  for (const json::value& inner : *list)
    CAIRN_RETURN_IF_ERROR(for_each_step(&inner, section, depth + 1, step));
  return {};
}

Result<std::variant<std::string, Regex>> read_pattern(const json::object& object, const Section& section) {
  using Pattern = std::variant<std::string, Regex>;
  CAIRN_ASSIGN_OR_RETURN(const json::object* pattern, need_object(object, section.name, "pattern"));
  CAIRN_ASSIGN_OR_RETURN(const std::string_view literal, string_or(*pattern, section.name, "String", ""));
  if (!literal.empty()) return Pattern(std::string(literal));
  CAIRN_ASSIGN_OR_RETURN(const std::string_view regex, string_or(*pattern, section.name, "Regex", ""));
  if (regex.empty()) return wrong(section.name, "pattern", "a String or Regex that is not empty");
  CAIRN_ASSIGN_OR_RETURN(Regex compiled, Regex::compile(regex));
  return Pattern(std::move(compiled));
}

Status add_normalize_step(const json::object& object, std::string_view type,
                          std::vector<NormalizeStep>& steps) {
  static constexpr std::array<std::pair<std::string_view, NormalForm>, 4> kForms{
      {{"NFC", NormalForm::kNfc},
       {"NFD", NormalForm::kNfd},
       {"NFKC", NormalForm::kNfkc},
       {"NFKD", NormalForm::kNfkd}}};
  for (const auto& [name, form] : kForms) {
    if (type == name) steps.emplace_back(FormStep{form});
    if (type == name) return {};
  }
  const std::string_view where = kNormalizer.name;
  if (type == "Prepend") {
    CAIRN_ASSIGN_OR_RETURN(const std::string_view text, string_or(object, where, "prepend", ""));
    steps.emplace_back(PrependStep{std::string(text)});
  } else if (type == "Replace") {
    CAIRN_ASSIGN_OR_RETURN(auto pattern, read_pattern(object, kNormalizer));
    CAIRN_ASSIGN_OR_RETURN(const std::string_view content, string_or(object, where, "content", ""));
    steps.emplace_back(ReplaceStep{std::move(pattern), std::string(content)});
  } else if (type == "Lowercase") {
    steps.emplace_back(LowercaseStep{});
  } else if (type == "Strip") {
    CAIRN_ASSIGN_OR_RETURN(const bool left, bool_or(object, where, "strip_left", true));
    CAIRN_ASSIGN_OR_RETURN(const bool right, bool_or(object, where, "strip_right", true));
    steps.emplace_back(StripStep{left, right});
  } else if (type == "Precompiled") {
    CAIRN_ASSIGN_OR_RETURN(const std::string_view map, string_or(object, where, "precompiled_charsmap", ""));
    if (!map.empty()) return unsupported_step(kNormalizer, type);
  } else {
    return unsupported_step(kNormalizer, type);
  }
  return {};
}

// "prepend_scheme", or the older "add_prefix_space".
Result<PrependScheme> read_prepend_scheme(const json::object& object, const Section& section) {
  CAIRN_ASSIGN_OR_RETURN(const bool prefix, bool_or(object, section.name, "add_prefix_space", true));
  CAIRN_ASSIGN_OR_RETURN(const std::string_view scheme,
                         string_or(object, section.name, "prepend_scheme", prefix ? "always" : "never"));
  if (scheme == "always") return PrependScheme::kAlways;
  if (scheme == "first") return PrependScheme::kFirst;
  if (scheme == "never") return PrependScheme::kNever;
  return wrong(section.name, "prepend_scheme", "always, first or never");
}

Result<std::string> read_replacement(const json::object& object, const Section& section) {
  CAIRN_ASSIGN_OR_RETURN(const std::string_view text,
                         string_or(object, section.name, "replacement", kMetaspace));
  if (text.empty()) return wrong(section.name, "replacement", "a character");
  return std::string(text);
}

Result<SplitBehavior> read_behavior(const json::object& object, std::string_view absent) {
  static constexpr std::array<std::pair<std::string_view, SplitBehavior>, 5> kBehaviors{
      {{"Removed", SplitBehavior::kRemoved},
       {"Isolated", SplitBehavior::kIsolated},
       {"MergedWithPrevious", SplitBehavior::kMergedWithPrevious},
       {"MergedWithNext", SplitBehavior::kMergedWithNext},
       {"Contiguous", SplitBehavior::kContiguous}}};
  CAIRN_ASSIGN_OR_RETURN(const std::string_view behavior,
                         string_or(object, kPreTokenizer.name, "behavior", absent));
  for (const auto& [name, value] : kBehaviors) {
    if (behavior == name) return value;
  }
  return wrong(kPreTokenizer.name, "behavior",
               "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

Result<SplitStep> read_split(const json::object& object) {
  CAIRN_ASSIGN_OR_RETURN(auto pattern, read_pattern(object, kPreTokenizer));
  CAIRN_ASSIGN_OR_RETURN(const SplitBehavior behavior, read_behavior(object, ""));
  CAIRN_ASSIGN_OR_RETURN(const bool invert, bool_or(object, kPreTokenizer.name, "invert", false));
  return SplitStep{std::move(pattern), behavior, invert};
}

// Each character of Unicode's punctuation, and ASCII's symbols too.
Result<SplitStep> read_punctuation(const json::object& object) {
  CAIRN_ASSIGN_OR_RETURN(Regex regex, Regex::compile(R"([\p{P}$+<=>^`|~])"));
  CAIRN_ASSIGN_OR_RETURN(const SplitBehavior behavior, read_behavior(object, "Isolated"));
  return SplitStep{std::move(regex), behavior};
}

Status add_byte_level(const json::object& object, PreTokenizerSection& out) {
  CAIRN_ASSIGN_OR_RETURN(const bool prefix, bool_or(object, kPreTokenizer.name, "add_prefix_space", true));
  CAIRN_ASSIGN_OR_RETURN(const bool use_regex, bool_or(object, kPreTokenizer.name, "use_regex", true));
  if (prefix) out.steps.emplace_back(PrefixSpaceStep{});
  if (use_regex) {
    CAIRN_ASSIGN_OR_RETURN(Regex regex, Regex::compile(kGpt2Pattern));
    out.steps.emplace_back(SplitStep{std::move(regex), SplitBehavior::kIsolated});
  }
  out.byte_level = true;
  return {};
}

Status add_pre_tokenize_step(const json::object& object, std::string_view type, PreTokenizerSection& out) {
  if (out.byte_level)
    return unsupported(
        "tokenizer.json has a step after ByteLevel in the pre_tokenizer, which Cairn does not support");
  if (type == "ByteLevel") return add_byte_level(object, out);
  if (type == "Split") {
    CAIRN_ASSIGN_OR_RETURN(SplitStep split, read_split(object));
    out.steps.emplace_back(std::move(split));
  } else if (type == "Punctuation") {
    CAIRN_ASSIGN_OR_RETURN(SplitStep split, read_punctuation(object));
    out.steps.emplace_back(std::move(split));
  } else if (type == "Metaspace") {
    MetaspaceStep step;
    CAIRN_ASSIGN_OR_RETURN(step.replacement, read_replacement(object, kPreTokenizer));
    CAIRN_ASSIGN_OR_RETURN(step.scheme, read_prepend_scheme(object, kPreTokenizer));
    CAIRN_ASSIGN_OR_RETURN(step.split, bool_or(object, kPreTokenizer.name, "split", true));
    out.steps.emplace_back(std::move(step));
  } else if (type == "Digits") {
    CAIRN_ASSIGN_OR_RETURN(const bool individual,
                           bool_or(object, kPreTokenizer.name, "individual_digits", false));
    out.steps.emplace_back(DigitsStep{individual});
  } else {
    return unsupported_step(kPreTokenizer, type);
  }
  return {};
}

// Strip after Fuse: spaces off the beginning of the whole text.
Status add_strip(const json::object& object, DecoderSection& out) {
  CAIRN_ASSIGN_OR_RETURN(const std::string_view content, string_or(object, kDecoder.name, "content", " "));
  const json::value* start = find(object, "start");
  const json::value* stop = find(object, "stop");
  const std::optional<int64_t> count = start == nullptr ? 0 : as_integer(*start);
  const std::optional<int64_t> end = stop == nullptr ? 0 : as_integer(*stop);
  if (content != " " || !count || !end || *count < 0 || *count > 16 || *end != 0) {
    return unsupported("the decoder of tokenizer.json strips something other than a few leading spaces");
  }
  out.drop_leading_spaces = static_cast<int>(*count);
  return {};
}

Status add_decode_step(const json::object& object, std::string_view type, bool& fused, DecoderSection& out) {
  if (type == "ByteLevel") {
    out.byte_level = true;
  } else if (type == "ByteFallback") {
    out.byte_fallback = true;
  } else if (type == "Fuse") {
    fused = true;
  } else if (type == "Strip" && fused) {
    return add_strip(object, out);
  } else if (type == "Replace" && !fused) {
    CAIRN_ASSIGN_OR_RETURN(auto pattern, read_pattern(object, kDecoder));
    CAIRN_ASSIGN_OR_RETURN(const std::string_view content, string_or(object, kDecoder.name, "content", ""));
    if (!std::holds_alternative<std::string>(pattern))
      return unsupported("the decoder of tokenizer.json replaces a Regex, which Cairn does not support");
    out.replacements.emplace_back(std::get<std::string>(pattern), std::string(content));
  } else if (type == "Metaspace") {
    CAIRN_ASSIGN_OR_RETURN(std::string replacement, read_replacement(object, kDecoder));
    CAIRN_ASSIGN_OR_RETURN(const PrependScheme scheme, read_prepend_scheme(object, kDecoder));
    out.replacements.emplace_back(std::move(replacement), " ");
    if (scheme != PrependScheme::kNever) out.drop_leading_spaces = 1;
  } else {
    return unsupported_step(kDecoder, type);
  }
  return {};
}

}  // namespace

Result<std::vector<NormalizeStep>> read_normalizer(const json::value* section) {
  std::vector<NormalizeStep> steps;
  CAIRN_RETURN_IF_ERROR(
      for_each_step(section, kNormalizer, 0, [&](const json::object& object, std::string_view type) {
        return add_normalize_step(object, type, steps);
      }));
  return steps;
}

Result<PreTokenizerSection> read_pre_tokenizer(const json::value* section) {
  PreTokenizerSection out;
  CAIRN_RETURN_IF_ERROR(
      for_each_step(section, kPreTokenizer, 0, [&](const json::object& object, std::string_view type) {
        return add_pre_tokenize_step(object, type, out);
      }));
  return out;
}

Result<DecoderSection> read_decoder(const json::value* section) {
  DecoderSection out;
  bool fused = false;
  CAIRN_RETURN_IF_ERROR(
      for_each_step(section, kDecoder, 0, [&](const json::object& object, std::string_view type) {
        return add_decode_step(object, type, fused, out);
      }));
  return out;
}

}  // namespace cairn
