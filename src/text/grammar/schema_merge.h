// Merging schemas: one that allows what both allow, for allOf and for keywords that stand beside anyOf or $ref. For the
// schema compiler.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <string_view>

#include "cairn/status.h"

namespace cairn::grammar {

// kInvalidArgument: the two contradict each other, or have a keyword that is not merged; the sentence names it.
Result<boost::json::object> merge_schemas(const boost::json::object& first,
                                          const boost::json::object& second);

// Keywords that only tell something, or hold schemas for others to refer to.
[[nodiscard]] bool is_annotation(std::string_view keyword);

// How many values there are in a schema: what copying it costs.
[[nodiscard]] size_t value_count(const boost::json::value& value);

}  // namespace cairn::grammar
