// Isa: the instruction sets that kernels are written for, and which of them this machine has.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace cairn {

// In ascending order of preference. kAmx requires kAvx512, which requires kAvx2.
enum class Isa { kScalar, kNeon, kAvx2, kAvx512, kAmx };

[[nodiscard]] std::string_view isa_name(Isa isa);  // as in --isa: "scalar", "neon", "avx2", "avx512", "amx"
[[nodiscard]] std::optional<Isa> isa_from_name(std::string_view name);

// What this processor and operating system can run, ascending; never empty. The first call requests the
// AMX permission from the system, which threads started later inherit: call before starting threads.
[[nodiscard]] const std::vector<Isa>& available_isas();

}  // namespace cairn
