// Ids that nobody can guess: of replies, and of tool calls in them.
#pragma once

#include <string>
#include <string_view>

namespace cairn {

// 24 letters and digits from the system's random source. Thread-safe.
[[nodiscard]] std::string new_reply_id();
// "call_" and likewise.
[[nodiscard]] std::string new_call_id();
// What stands behind "chatcmpl-", "cmpl-" or "resp_"; another id is returned as it is.
[[nodiscard]] std::string_view bare_reply_id(std::string_view id);

}  // namespace cairn
