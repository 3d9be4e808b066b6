// GuideSpec: what a reply may look like, as plain data: an answer (free text, JSON, JSON by a schema), tool calls in
// the form of a model's family, and a block of reasoning before them. What a guide (text/grammar/guide.h) is compiled from.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cairn/ids.h"

namespace cairn {

class Tokenizer;

// Text that a family writes around things: plain characters, or exactly one (special) token.
struct MarkerPiece {
  std::string text;                   // what is written, where `token` is absent
  std::optional<TokenId> token = {};  // then exactly this token
};
using Marker = std::vector<MarkerPiece>;  // one after the other; empty: nothing is written

// A reply of a reasoning model begins with a block of free text.
struct ReasoningForm {
  enum class Start : uint8_t {
    kMayOpen,  // the reply may begin with `open`
    kIsOpen,   // the prompt ends with `open`: the reply begins inside the block
  };
  Marker open;   // may be empty with kIsOpen
  Marker close;  // not empty; free text ends where its first piece does
  Start start = Start::kMayOpen;
};

// How a family writes calls:
//   call  = before_name NAME before_arguments ARGUMENTS after_arguments       (kNameInMarker)
//         | {"name_key": NAME, "arguments_key": ARGUMENTS}                    (kObject)
//   calls = begin call end (between begin call end)*                          (kEach)
//         | begin [call, call] end                                            (kArray)
struct ToolForm {
  enum class Call : uint8_t { kObject, kNameInMarker };
  enum class List : uint8_t { kEach, kArray };
  Marker begin;  // empty: a reply that begins with "{" or "[" is a call
  Marker end;
  Marker between;  // kEach: what stands between one call's end and the next one's begin
  Call call = Call::kObject;
  List list = List::kEach;
  std::string name_key = "name";
  std::string arguments_key = "arguments";
  Marker before_name, before_arguments, after_arguments;  // kNameInMarker
};

// <tool_call>\n{"name": ..., "arguments": ...}\n</tool_call>, as plain text.
[[nodiscard]] ToolForm hermes_tool_form();
// {"name": ..., "parameters": ...}, one call.
[[nodiscard]] ToolForm llama3_tool_form();
// [TOOL_CALLS][{"name": ..., "arguments": ...}]; `marker`: the token of "[TOOL_CALLS]", where it is a special one.
[[nodiscard]] ToolForm mistral_tool_form(std::optional<TokenId> marker);

// The same form where each piece that is the name of a special token is that token.
[[nodiscard]] ToolForm with_tokens(ToolForm form, const Tokenizer& tokenizer);
[[nodiscard]] ReasoningForm with_tokens(ReasoningForm form, const Tokenizer& tokenizer);

struct ToolSignature {
  std::string name;
  boost::json::value parameters;  // a JSON Schema of an object; null: an object without fields
};

struct ToolCallSpec {
  enum class Need : uint8_t {
    kMust,  // tool_choice "required", or a named one (then `tools` has only that one)
    kMay,   // tool_choice "auto": the reply is an answer or calls
  };
  enum class TextBefore : uint8_t {
    kNone,  // a reply with calls begins with the first one
    kFree,  // free text up to the first call; with kMay the reply may also end with it
  };
  std::vector<ToolSignature> tools;  // at least one
  ToolForm form;
  Need need = Need::kMust;
  TextBefore text_before = TextBefore::kNone;
  int64_t calls_max = 1;  // at least 1 is written where there are calls
};

// What a reply says where it is no tool call.
struct AnswerSpec {
  enum class Kind : uint8_t {
    kFreeText,
    kJsonObject,  // any JSON object
    kJsonSchema,
  };
  Kind kind = Kind::kFreeText;
  boost::json::value schema;  // kJsonSchema
};

struct GuideSpec {
  std::optional<ReasoningForm> reasoning;
  AnswerSpec answer;                  // means nothing where calls are a must
  std::optional<ToolCallSpec> tools;  // with TextBefore::kFree and kMay, the answer must be kFreeText
};

}  // namespace cairn
