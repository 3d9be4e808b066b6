// Reaching into values: x.name, x[key], x[a:b:c], and walking over one.
#pragma once

#include <string_view>

#include "text/jinja/budget.h"
#include "text/jinja/value.h"

namespace cairn::jinja {

// Both give an undefined value for what is not there, and fail on an undefined subject.
Result<Value> get_attribute(const Value& subject, std::string_view name);
Result<Value> get_item(Budget& budget, const Value& subject, const Value& key);
// A bound that is None counts as left out.
Result<Value> get_slice(Budget& budget, const Value& subject, const Value& start, const Value& stop,
                        const Value& step);

// The items that a loop over the value sees: characters of a string, keys of a dict. A generator is used up.
Result<Items> iterate(Budget& budget, const Value& value);
Result<int64_t> length(Budget& budget, const Value& value);
bool is_iterable(const Value& value);

}  // namespace cairn::jinja
