// What + - * / // % ** and comparisons do, by Python's rules.
#pragma once

#include <string_view>

#include "text/jinja/budget.h"
#include "text/jinja/value.h"

namespace cairn::jinja {

Result<Value> binary(Budget& budget, std::string_view op, const Value& left, const Value& right);
Result<Value> negate(const Value& value);
// op: == != < <= > >= in, not in.
Result<bool> compare(Budget& budget, std::string_view op, const Value& left, const Value& right);

bool equal(const Value& left, const Value& right);
Result<int> order(const Value& left, const Value& right);  // -1, 0, 1; 2 where NaN is in it

// Explains why an undefined value cannot be used; ok for any other value.
Status check_defined(const Value& value);

}  // namespace cairn::jinja
