// TurnRenderer: turns and tools to the marked text of a prompt (text/control_marks.h), by a chat template or as plain
// lines. Plain data and what it does with it; for ChatPrompter and its probing.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "text/chat_template.h"
#include "text/control_marks.h"
#include "text/conversation.h"
#include "text/reply/chat_turn.h"
#include "text/reply/chat_values.h"

namespace cairn {

using TemplateVariables = std::vector<std::pair<std::string, TemplateVariable>>;

// What a prompt ends with.
enum class PromptEnd : uint8_t {
  kQuestion,  // what opens the assistant's turn
  kGoOn       // the last turn's content: the assistant's, which is gone on with
};

struct TurnRenderer {
  ControlMarks marks;
  std::optional<ChatTemplate> chat_template;  // absent: plain lines
  TurnForm form = {};
  SystemPlace system_place = SystemPlace::kOwnMessage;

  // The roles are "system", "user", "assistant", "tool"; what the template cannot write is not checked here.
  // kInvalidArgument: where the template has no way to go on, besides the template's own errors.
  [[nodiscard]] Result<std::string> render(std::span<const ChatTurn> turns, std::span<const ToolSpec> tools,
                                           const TemplateVariables& variables,
                                           const std::optional<CivilTime>& now, PromptEnd end) const;
};

}  // namespace cairn
