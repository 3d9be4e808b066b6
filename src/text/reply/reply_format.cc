#include "text/reply/reply_format.h"

#include <algorithm>
#include <array>

namespace cairn {
namespace {

struct KnownMarks {
  std::string_view open, close;
};

constexpr std::array<KnownMarks, 4> kReasoning{{
    {"<think>", "</think>"},  // Qwen3, DeepSeek-R1, SmolLM3 and most others
    {"[THINK]", "[/THINK]"},  // Magistral
    {"<|START_THINKING|>", "<|END_THINKING|>"},
    {"<seed:think>", "</seed:think>"},
}};

constexpr std::array<std::string_view, 7> kHarmonyMarks{
    "<|start|>", "<|channel|>", "<|constrain|>", "<|message|>", "<|end|>", "<|call|>", "<|return|>"};
constexpr std::array<std::string_view, 2> kMistralMarks{"[CALL_ID]", "[ARGS]"};

class Finder {
 public:
  Finder(std::string_view source, const Tokenizer& tokenizer) : source_(source), tokenizer_(tokenizer) {}

  ReplyFormat find() {
    if (writes("<|channel|>") && writes("<|message|>")) {
      find_harmony();
      return finished();
    }
    for (const KnownMarks& marks : kReasoning) {
      if (format_.reasoning.has_value()) break;
      if (writes(marks.open) || writes(marks.close) || (has_token(marks.open) && has_token(marks.close))) {
        format_.reasoning = ReplyMarks{std::string(marks.open), std::string(marks.close)};
        add_mark(marks.open);
        add_mark(marks.close);
      }
    }
    find_calls();
    return finished();
  }

 private:
  [[nodiscard]] bool writes(std::string_view text) const {
    return source_.find(text) != std::string_view::npos;
  }
  [[nodiscard]] bool has_token(std::string_view text) const { return tokenizer_.find(text).has_value(); }

  void add_mark(std::string_view text) {
    const auto token = tokenizer_.find(text);
    if (token.has_value() && tokenizer_.is_special(*token)) format_.mark_tokens.push_back(*token);
  }
  void add_end(std::string_view text) {
    const auto token = tokenizer_.find(text);
    if (token.has_value() && tokenizer_.is_special(*token)) format_.end_tokens.push_back(*token);
  }

  void find_harmony() {
    format_.has_harmony_channels = true;
    format_.call_form = CallForm::kHarmony;
    format_.payload = CallPayload::kNameThenArguments;
    format_.takes_many_calls = false;  // <|call|> ends a reply
    for (const std::string_view mark : kHarmonyMarks) add_mark(mark);
    add_end("<|call|>");
    add_end("<|return|>");
  }

  void find_calls() {
    if (writes("[TOOL_CALLS]")) {
      use_marks("[TOOL_CALLS]", "", writes("[ARGS]") ? CallPayload::kNameThenArguments : CallPayload::kList);
      for (const std::string_view mark : kMistralMarks) add_mark(mark);
    } else if (writes("<tool_call>")) {
      if (writes("<function=")) return;  // calls in a language of its own (Qwen3-Coder), which is not read
      use_marks("<tool_call>", "</tool_call>", CallPayload::kObject);
      format_.space_inside_marks = "\n";
    } else if (writes("<|tool|>") && has_token("<|tool_call|>") && has_token("<|/tool_call|>")) {
      use_marks("<|tool_call|>", "<|/tool_call|>", CallPayload::kList);
    } else if (writes("<|start_header_id|>") && (writes("\"parameters\": ") || writes("<|python_tag|>"))) {
      format_.call_form = CallForm::kBare;
      format_.call_marks.open = "<|python_tag|>";
      format_.arguments_key = "parameters";
      format_.takes_many_calls = false;
      add_mark("<|python_tag|>");
      add_end("<|eom_id|>");
    }
  }

  void use_marks(std::string_view open, std::string_view close, CallPayload payload) {
    format_.call_form = CallForm::kMarked;
    format_.call_marks = {std::string(open), std::string(close)};
    format_.payload = payload;
    add_mark(open);
    if (!close.empty()) add_mark(close);
  }

  ReplyFormat finished() {
    std::ranges::sort(format_.mark_tokens);
    std::ranges::sort(format_.end_tokens);
    return std::move(format_);
  }

  std::string_view source_;
  const Tokenizer& tokenizer_;
  ReplyFormat format_;
};

}  // namespace

bool ReplyFormat::is_mark(TokenId id) const { return std::ranges::binary_search(mark_tokens, id); }

ReplyFormat find_reply_format(std::string_view template_source, const Tokenizer& tokenizer) {
  return Finder(template_source, tokenizer).find();
}

}  // namespace cairn
