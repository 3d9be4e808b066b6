// Text with places for values: 'a %s' % b, and 'a {}'.format(b).
#pragma once

#include <string>

#include "text/jinja/arguments.h"
#include "text/jinja/budget.h"

namespace cairn::jinja {

// `arguments`: a tuple of values, a dict for places with names, or one value.
Result<Value> format_percent(Budget& budget, const std::string& format, const Value& arguments);
Result<Value> format_braces(Budget& budget, const std::string& format, const Arguments& arguments);

}  // namespace cairn::jinja
