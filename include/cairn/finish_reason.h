// FinishReason: how a request ended.
#pragma once

#include <cstdint>
#include <string_view>

namespace cairn {

enum class FinishReason : uint8_t {
  kLength,       // as many tokens as requested have been generated
  kContextFull,  // the context is full before that
  kEndToken,     // the model generated an end token
  kStopString,   // a stop string appeared
  kCancelled,
  kDeadline,  // its time was up
  kError,     // the result's status says what
};
// "length", "context full", "end token", "stop string", "cancelled", "deadline", "error".
[[nodiscard]] std::string_view finish_reason_name(FinishReason reason);

}  // namespace cairn
