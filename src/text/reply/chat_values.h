// Turns and tools as the values that chat templates read: what the Python library that templates are published for
// passes. All texts are marked (text/control_marks.h). For ChatPrompter.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "cairn/status.h"
#include "text/control_marks.h"
#include "text/jinja/value.h"
#include "text/reply/chat_turn.h"
#include "text/reply/reply_format.h"

namespace cairn {

// Where templates differ in what they read.
enum class ArgumentsAs : uint8_t { kObject, kJsonText };     // of a call
enum class NoContentAs : uint8_t { kEmptyText, kNone };      // of a turn that only calls
enum class CallIdsAs : uint8_t { kGiven, kNineCharacters };  // Mistral's refuse any others
enum class ToolsIn : uint8_t { kVariable, kSystemMessage };  // Phi-4-mini: JSON text in the system message

// Phi-4-mini's template knows no calls: they are a part of what the assistant said, as the model writes them.
enum class CallsIn : uint8_t { kVariable, kContent };

struct TurnForm {
  ArgumentsAs arguments = ArgumentsAs::kObject;
  NoContentAs no_content = NoContentAs::kEmptyText;
  CallIdsAs call_ids = CallIdsAs::kGiven;
  ToolsIn tools_in = ToolsIn::kVariable;
  CallsIn calls_in = CallsIn::kVariable;
  ReplyMarks call_marks = {};  // kContent: what a list of calls stands between
};

// The deepest that arguments and tools may nest: what a template's values and ours around them leave.
inline constexpr int kMostJsonDepth = 48;

// What else the turns say.
struct TurnAdditions {
  std::string_view system_tools;  // not empty: the variable `tools` of the first system message
  std::string_view behind_last;   // behind the last turn's content, as it is
};

// The roles are "system", "user", "assistant" and "tool". kInvalidArgument: arguments that are no JSON object; text that
// is not UTF-8.
[[nodiscard]] Result<jinja::Value> value_of_turns(std::span<const ChatTurn> turns, const TurnForm& form,
                                                  const ControlMarks& marks, const TurnAdditions& additions);
// A list of what the client sent; none where there are no tools.
[[nodiscard]] Result<jinja::Value> value_of_tools(std::span<const ToolSpec> tools, const ControlMarks& marks);
// The functions as JSON text, not marked.
[[nodiscard]] std::string json_of_tools(std::span<const ToolSpec> tools);

// Nine letters and digits that depend on the id alone; an id of that form stays.
[[nodiscard]] std::string nine_characters(std::string_view id);

}  // namespace cairn
