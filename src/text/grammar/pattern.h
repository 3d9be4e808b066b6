// Pattern: the keyword `pattern`, a regular expression, as an automaton over the text of a JSON string. The subset:
// characters, `.`, classes, \d \w \s and their opposites, groups, alternatives, ? * + {m,n}, and ^ and $ at the ends of
// the whole or of one of its outermost alternatives. For the compiler's files.
#pragma once

#include <string_view>

#include "cairn/status.h"
#include "text/grammar/graph.h"
#include "text/grammar/json_text.h"

namespace cairn::grammar {

// A string in quotes that the pattern is found in (anywhere, where it has no ^ and $). kInvalidArgument: not a regular
// expression, or not of the subset; the sentence says what.
Status add_pattern(Graph& graph, JsonText& text, State from, std::string_view pattern, State to);

// The pattern of a `format` that is written as such; empty: the format is not looked at.
[[nodiscard]] std::string_view pattern_of_format(std::string_view format);

}  // namespace cairn::grammar
