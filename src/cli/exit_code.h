// ExitCode: how `cairn` tells a script what became of it. Documented in `cairn --help`.
#pragma once

#include "cairn/status.h"

namespace cairn {

enum class ExitCode : int {
  kDone = 0,
  kFailed = 1,         // a file, the machine or the model is at fault
  kBadUsage = 2,       // what was asked for makes no sense: an option, an empty prompt, invalid UTF-8
  kInterrupted = 130,  // Ctrl-C, as shells number it (128 + SIGINT)
};

// kBadUsage where the caller's own value is wrong, kFailed for all other errors.
[[nodiscard]] inline ExitCode exit_code_of(const Status& status) {
  if (status.ok()) return ExitCode::kDone;
  return status.code() == StatusCode::kInvalidArgument ? ExitCode::kBadUsage : ExitCode::kFailed;
}

}  // namespace cairn
