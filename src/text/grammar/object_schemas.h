// Whether a JSON Schema lets an object be a value: what a tool's parameters must do, since arguments are an object. Pure;
// anyone may call.
#pragma once

#include <boost/json/value.hpp>

namespace cairn {

// `root` is what $ref points into. True also where it cannot be told, and for what is no schema at all: compiling says
// what is wrong with those. Linear in the schema, whatever refers to what.
[[nodiscard]] bool may_be_object(const boost::json::value& schema, const boost::json::value& root);

}  // namespace cairn
