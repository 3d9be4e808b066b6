// cairn verify: the laws, held up against the user's own model and machine.
#pragma once

#include "cli/common_options.h"
#include "cli/exit_code.h"

namespace cairn {

class Console;

struct VerifyOptions {
  CommonOptions common;  // isa and thread_count absent: all that the machine has are compared
  std::optional<int64_t>
      position_count;  // -n: positions to compare in each row; absent: the command's choice
  uint64_t seed = 1;   // of the made-up prompt
};

// Prints a table: what was varied, how much was compared, equal or the first difference.
ExitCode run_verify(const VerifyOptions& options, Console& console);

}  // namespace cairn
