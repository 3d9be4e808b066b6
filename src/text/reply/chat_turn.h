// What a client of a chat interface sends: the turns of a conversation with their tool calls and reasoning, and the
// tools that the model may call. Plain data; nothing here is checked yet (text/reply/chat_prompt.h does that).
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <vector>

namespace cairn {

// A call that the assistant made in an earlier turn, or makes in a reply.
struct ToolCall {
  std::string id;         // what the tool's answer names; made by the server in a reply
  std::string name;       // the function's
  std::string arguments;  // JSON text, as in OpenAI's interface; in a reply, as the model wrote it

  friend bool operator==(const ToolCall&, const ToolCall&) = default;
};

struct ChatTurn {
  // "system", "developer" (the same), "user", "assistant", "tool", or "function" (the same as "tool").
  std::string role;
  std::string content;               // UTF-8; text parts joined
  std::string reasoning;             // an assistant's: what it thought before the content
  std::vector<ToolCall> tool_calls;  // an assistant's
  std::string tool_call_id;          // a tool's: the call that it answers; may be empty
  std::string name;  // a tool's: the function; where empty, that of the call with tool_call_id. Else unused

  friend bool operator==(const ChatTurn&, const ChatTurn&) = default;
};

struct ToolSpec {
  std::string name;
  std::string description;
  boost::json::object parameters;  // JSON Schema; empty: no parameters
  boost::json::object raw;         // as the client sent it: {"type":"function","function":{...}}
};

}  // namespace cairn
