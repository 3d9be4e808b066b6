// Compiling: from a GuideSpec to the graph of all replies that fit it.
// Guide::compile calls compile_spec; the rest is for the compiler's own files.
#pragma once

#include "cairn/status.h"
#include "text/grammar/graph.h"
#include "text/grammar/guide_spec.h"

namespace cairn::grammar {

// Rule 0 is a whole reply. kInvalidArgument as Guide::compile says.
Result<Graph> compile_spec(const GuideSpec& spec);

}  // namespace cairn::grammar
