// cairn chat: turn by turn; what was said before stays in the cache.
#pragma once

#include "cli/common_options.h"
#include "cli/exit_code.h"
#include "cli/sampling_options.h"

namespace cairn {

class Console;

struct ChatOptions {
  CommonOptions common;
  SamplingOptions sampling;
  std::optional<std::string> system;  // --system: what the model is told about its task
  bool explains = false;              // --explain: how each prompt was matched with the cache
  std::optional<int64_t> max_tokens;  // -n, of one reply; absent: until the model or the context ends it
};

Result<ExitCode> run_chat(const ChatOptions& options, Console& console);

}  // namespace cairn
