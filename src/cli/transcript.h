// A conversation in a file: a JSON object whose "messages" are objects with "role" and "content", as other programs
// write them too.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "text/chat_template.h"

namespace cairn {

struct Transcript {
  std::optional<std::string> system;
  std::vector<ChatMessage> messages;  // of "user" and "assistant"
};

// Replaces the file if there is one. It is private to the user (mode 0600).
Status save_transcript(const std::string& path, const Transcript& transcript);
// kInvalidData: no such object, or another role (a system message may only come first).
Result<Transcript> load_transcript(const std::string& path);

}  // namespace cairn
