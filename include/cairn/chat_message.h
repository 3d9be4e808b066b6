// The parts of a conversation, and what a chat template may read beside them. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace cairn {

struct ChatMessage {
  std::string role;     // "system", "user", "assistant", or what else the template knows
  std::string content;  // UTF-8

  friend bool operator==(const ChatMessage&, const ChatMessage&) = default;
};

// A local date and time; months and days count from 1.
struct CivilTime {
  int year = 1970;
  int month = 1;
  int day = 1;
  int hour = 0;
  int minute = 0;
  int second = 0;
};

using TemplateVariable = std::variant<bool, int64_t, std::string>;

// How messages become a prompt.
struct ChatPromptOptions {
  // A name of chat_template_names(), or a template's source in Jinja. Absent: the model's own; where that does not run,
  // the named one that it resembles; where there is none, "plain".
  std::optional<std::string> chat_template = {};
  std::vector<std::pair<std::string, TemplateVariable>> variables = {};  // {"enable_thinking", false}
  std::optional<CivilTime> now = {};  // for templates that name the date; absent: they use one of their own
};

// What happens where a conversation is longer than the context.
enum class WhenFull : uint8_t {
  kDropOldest,  // the oldest turns are not sent any more
  kStop,        // the turn is refused
};

}  // namespace cairn
