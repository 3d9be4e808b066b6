// Access to parts of values: x.name, x[key], x[a:b:c], and iteration.
#pragma once

#include <string>
#include <string_view>

#include "text/jinja/budget.h"
#include "text/jinja/value.h"

namespace cairn::jinja {

// Both return an undefined value for what does not exist, and fail on an undefined subject.
Result<Value> get_attribute(const Value& subject, std::string_view name);
Result<Value> get_item(Budget& budget, const Value& subject, const Value& key);
// "a.b.0", as filters name an attribute.
Result<Value> get_path(Budget& budget, Value value, const std::string& path);
// A bound that is None counts as absent.
Result<Value> get_slice(Budget& budget, const Value& subject, const Value& start, const Value& stop,
                        const Value& step);

// The items that a loop over the value sees: characters of a string, keys of a dict. A generator is consumed.
Result<Items> iterate(Budget& budget, const Value& value);
Result<int64_t> length(Budget& budget, const Value& value);
bool is_iterable(const Value& value);

}  // namespace cairn::jinja
