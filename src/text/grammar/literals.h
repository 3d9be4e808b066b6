// Literals: a choice of fixed texts, added to a graph with their common beginnings shared. For the compiler's files.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "text/grammar/graph.h"

namespace cairn::grammar {

void add_literals(Graph& graph, State from, std::vector<std::string> texts, State to);

// A value as JSON without white space, numbers as people write them. kInvalidArgument: nested past kNestingMax.
Result<std::string> compact_json(const boost::json::value& value);

}  // namespace cairn::grammar
