// ModelFacts of an open model, and of one that is only looked at.
#pragma once

#include <string>
#include <vector>

#include "cairn/model_facts.h"
#include "cairn/status.h"
#include "engine/open_engine.h"
#include "model/file_facts.h"
#include "text/tokenizer.h"

namespace cairn {

// What ends a reply, by ascending id.
[[nodiscard]] std::vector<EndOfReply> ends_of_replies(const Tokenizer& tokenizer);
[[nodiscard]] ModelFacts model_facts(const LoadedModel& loaded);
// What load_model would load; reads no weight, and does not ask whether it would fit. Errors: those of load_model but
// for memory and the instruction set.
Result<ModelDescription> describe_model(const std::string& path, const OpenOptions& options);

}  // namespace cairn
