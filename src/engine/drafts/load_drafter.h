// Loading the small model of a ModelDrafter.
#pragma once

#include <memory>
#include <string>

#include "engine/drafts/drafter.h"
#include "engine/open_engine.h"

namespace cairn {

// For an engine over `large` with its engine_options; on its threads, which must outlive the drafter. Errors: those of
// Model::load and ModelDrafter::create; kResourceExhausted, before a weight is read, where both do not fit into free memory.
Result<std::shared_ptr<Drafter>> load_drafter(const std::string& path, const LoadedModel& large,
                                              const TokenizerOptions& tokenizer);

}  // namespace cairn
