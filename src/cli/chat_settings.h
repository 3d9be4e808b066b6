// What /set changes while a chat runs: names and values as on the command line, without dashes. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "cairn/chat_message.h"
#include "cairn/status.h"
#include "cli/request_options.h"

namespace cairn {

Result<WhenFull> parse_when_full(std::string_view name);

struct ChatSettings {
  SamplingOptions sampling;
  std::optional<int64_t> max_tokens;  // of one reply; absent: no limit
  WhenFull when_full = WhenFull::kDropOldest;
  bool shows_statistics = true;  // after each reply
};

// "temp 0.2", "temp=0.2". An error, and no change, where there is no such setting or it cannot have that value.
// `check` says whether the engine takes the new sampling.
Status change_setting(std::string_view text, const std::function<Status(const SamplingOptions&)>& check,
                      ChatSettings& settings);

// All of them, one a line.
[[nodiscard]] std::string describe_settings(const ChatSettings& settings);

}  // namespace cairn
