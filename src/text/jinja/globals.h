// The functions that every template has: range, namespace, dict, raise_exception, strftime_now.
#pragma once

#include <optional>
#include <string_view>

#include "text/chat_template.h"
#include "text/jinja/arguments.h"
#include "text/jinja/budget.h"

namespace cairn::jinja {

// Undefined if there is no such function. strftime_now exists only if `now` is given.
// What Jinja defines for every template, and Cairn does not.
bool is_unsupported_global(std::string_view name);

Value find_global(std::string_view name, const std::optional<CivilTime>& now);
Result<Value> call_global(Budget& budget, std::string_view name, const Arguments& arguments,
                          const std::optional<CivilTime>& now);

// Formats as strftime does in the C locale: %d %b %Y and the like.
Result<std::string> format_time(const CivilTime& time, std::string_view format);

}  // namespace cairn::jinja
