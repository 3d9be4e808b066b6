// Ids that nobody can guess: of replies, and of tool calls in them.
#pragma once

#include <string>
#include <string_view>

#include "server/openai/call.h"

namespace cairn {

// 24 letters and digits from the system's random source. Thread-safe.
[[nodiscard]] std::string new_reply_id();
// "call_" and likewise.
[[nodiscard]] std::string new_call_id();
// As the replies of an interface carry it, the log and X-Request-Id too: "chatcmpl-", "cmpl-" or "resp_" and the id; Ollama's
// have no more than the id.
[[nodiscard]] std::string shown_reply_id(ApiFace face, std::string_view id);
// What stands behind "chatcmpl-", "cmpl-" or "resp_"; another id is returned as it is.
[[nodiscard]] std::string_view bare_reply_id(std::string_view id);

}  // namespace cairn
