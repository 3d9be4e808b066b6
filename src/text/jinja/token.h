// The tokens of a template.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"

namespace cairn::jinja {

enum class TokenKind {
  kData,           // text outside of tags; `text` after whitespace control
  kVariableBegin,  // {{
  kVariableEnd,    // }}
  kBlockBegin,     // {%
  kBlockEnd,       // %}
  kName,
  kString,  // `text` without quotes, escapes decoded
  kInteger,
  kFloat,
  kOperator,  // `text` spells it
  kEnd,
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  std::string text;
  int64_t integer = 0;
  double real = 0;
  int line = 1;

  [[nodiscard]] bool is_operator(std::string_view spelling) const {
    return kind == TokenKind::kOperator && text == spelling;
  }
  [[nodiscard]] bool is_name(std::string_view name) const { return kind == TokenKind::kName && text == name; }
};

// Puts "line 3 of the chat template: ..." before the message.
Status at_line(int line, const Status& status);

}  // namespace cairn::jinja
