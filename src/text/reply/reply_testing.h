// For tests of prompts and replies: a vocabulary of bytes and control tokens, and the families' templates.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <vector>

#include "text/reply/chat_prompt.h"
#include "text/tokenizer.h"

namespace cairn {

// Each character of a text is a token of its own for each byte; <s>, </s> and `controls` are control tokens.
Tokenizer byte_tokenizer(const std::vector<std::string>& controls = {});

// Relative to src/text.
std::string read_text_file(const std::string& path);

// The control tokens of all families.
const std::vector<std::string>& family_controls();

// With the family's template, e.g. "jinja/testdata/qwen3.jinja".
ChatPrompter family_prompter(const std::string& path);

// As OpenAI's interface sends them.
ChatTurn turn_of(const boost::json::object& message);
ToolSpec tool_of(const boost::json::object& tool);
ToolSpec simple_tool(const std::string& name);

}  // namespace cairn
