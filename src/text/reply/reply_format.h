// ReplyFormat: what a reply of one model looks like: where its reasoning stands, and how it calls a tool. Found from the
// chat template's text and the vocabulary, once; plain data.
//
// A mark is text. Where the vocabulary has a token for it, the model writes that token, and if that is a special one a
// StreamDecoder hides it: a ReplyReader must be told of it all the same (ReplyDecoder does).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/ids.h"
#include "text/tokenizer.h"

namespace cairn {

// What opens a part of a reply, and what closes it.
struct ReplyMarks {
  std::string open;   // "<think>"
  std::string close;  // "</think>"; empty: the reply's end closes it

  friend bool operator==(const ReplyMarks&, const ReplyMarks&) = default;
};

enum class CallForm : uint8_t {
  kNone,    // no tools
  kMarked,  // between ReplyFormat::call_marks (Qwen, Hermes, Mistral, Phi-4): `payload` says what
  kBare,    // Llama 3: the whole reply is {"name": ..., "parameters": {...}}, perhaps after <|python_tag|>
  kHarmony  // gpt-oss: <|channel|>commentary to=functions.NAME <|constrain|>json<|message|>{...}<|call|>
};

// What this model's template writes for a call. A ReplyReader takes any of them behind a mark.
enum class CallPayload : uint8_t {
  kObject,            // {"name": ..., "arguments": {...}}; each call has its own marks
  kList,              // [{"name": ..., "arguments": {...}}, ...]
  kNameThenArguments  // NAME[ARGS]{...}
};

struct ReplyFormat {
  // Absent: the template marks no reasoning. With kHarmony the channel "analysis" is the reasoning, and this is absent.
  std::optional<ReplyMarks> reasoning;
  bool has_harmony_channels = false;

  CallForm call_form = CallForm::kNone;
  ReplyMarks call_marks;  // kMarked: both; kBare: open is "<|python_tag|>", which may be missing
  CallPayload payload = CallPayload::kObject;
  std::string name_key = "name";            // of a call's object
  std::string arguments_key = "arguments";  // "parameters" for Llama 3
  // What stands between a mark and the JSON in what the template writes ("\n" for Qwen, else empty).
  std::string space_inside_marks;
  bool takes_many_calls = true;  // in one reply

  // The template writes earlier turns otherwise than the model wrote them (reasoning removed), so a cached reply is
  // not a prefix of the next prompt.
  bool rewrites_earlier_turns = false;
  // The template writes the tools at another place once there is a further question (Mistral: before the last one).
  bool moves_tools = false;

  // Special tokens that a StreamDecoder hides and that a ReplyReader must see; by ascending id.
  std::vector<TokenId> mark_tokens;
  // Tokens that end a reply in this format, whether the model's files say so or not ("<|call|>", "<|eom_id|>").
  std::vector<TokenId> end_tokens;

  [[nodiscard]] bool is_mark(TokenId id) const;
  // No marks at all: a reply is its content.
  [[nodiscard]] bool is_plain() const {
    return !reasoning.has_value() && !has_harmony_channels && call_form == CallForm::kNone;
  }
};

// What the text and the vocabulary show. Whether the template runs with tools, and whether it rewrites earlier turns,
// is found by running it: ChatPrompter::format() has all.
[[nodiscard]] ReplyFormat find_reply_format(std::string_view template_source, const Tokenizer& tokenizer);

}  // namespace cairn
