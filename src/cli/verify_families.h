// The made models of cairn verify --families: a tiny one of each family, and every weight type.
#pragma once

#include <span>
#include <vector>

#include "cairn/status.h"
#include "cli/verify_report.h"
#include "engine/verify/laws.h"

namespace cairn {

class Console;

// Writes each model to a temporary folder, checks it under each of `isas`, and removes it. `laws`: thread
// counts, row types, the seed, and a position count where one is asked for.
Result<std::vector<VerifiedModel>> verify_families(std::span<const Isa> isas, const LawOptions& laws,
                                                   Console& console);

}  // namespace cairn
