// cairn verify: the laws, held up against the user's own model and machine.
#pragma once

#include "cli/common_options.h"
#include "cli/exit_code.h"

namespace cairn {

class Console;

enum class VerifyScope : uint8_t {
  kModel,     // the model, with the weights of its file
  kFamilies,  // and made models: a tiny one of each family, and every weight type
};

struct VerifyOptions {
  CommonOptions common;  // isa and thread_count absent: all that the machine has are compared
  VerifyScope scope = VerifyScope::kModel;  // --families
  // -n: positions to compare in each row; absent: the command's choice
  std::optional<int64_t> position_count;
  uint64_t seed = 1;  // of made-up texts
};

// Prints a table: what was varied, how much was compared, equal or the first difference. kFailed where
// anything differs.
Result<ExitCode> run_verify(const VerifyOptions& options, Console& console);

}  // namespace cairn
