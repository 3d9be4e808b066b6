// The methods of strings, dicts, lists and loops: x.strip(), m.items(), loop.cycle('a', 'b').
#pragma once

#include <string_view>

#include "text/jinja/arguments.h"
#include "text/jinja/budget.h"

namespace cairn::jinja {

bool has_method(const Value& self, std::string_view name);
Result<Value> call_method(Budget& budget, const Value& self, std::string_view name,
                          const Arguments& arguments);

Result<Value> call_string_method(Budget& budget, const std::string& self, std::string_view name,
                                 const Arguments& arguments);
// Those of fixed width and of parts: zfill, center, ljust, rjust, partition, rpartition.
bool is_field_method(std::string_view name);
Result<Value> call_field_method(Budget& budget, const std::string& self, std::string_view name,
                                const Arguments& arguments);
// Every occurrence of `from`, or the first `count` of them where count is not negative.
Result<Value> replace_text(Budget& budget, std::string_view text, std::string_view from, std::string_view to,
                           int64_t count);
// Strings joined by `between`; items that are not strings are printed first.
Result<Value> join_texts(Budget& budget, std::string_view between, const Items& items);

}  // namespace cairn::jinja
