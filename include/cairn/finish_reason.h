// FinishReason: how a request ended.
#pragma once

#include <cstdint>
#include <string_view>

namespace cairn {

enum class FinishReason : uint8_t {
  kLength,      // as many tokens as requested have been generated, or the context is full
  kEndToken,    // the model generated an end token
  kStopString,  // a stop string appeared
  kCancelled,
  kError,  // the result's status says what
};
// "length", "end token", "stop string", "cancelled", "error".
[[nodiscard]] std::string_view finish_reason_name(FinishReason reason);

}  // namespace cairn
