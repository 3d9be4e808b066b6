#include "text/jinja/arguments.h"

#include <algorithm>

namespace cairn::jinja {

Result<Bound> Bound::bind(std::string who, const Arguments& arguments,
                          std::initializer_list<std::string_view> parameters, std::size_t required) {
  Bound bound;
  bound.names_.assign(parameters.begin(), parameters.end());
  bound.values_.resize(parameters.size());
  std::vector<bool> given(parameters.size(), false);
  if (arguments.positional.size() > parameters.size()) {
    return invalid_data(who + " takes at most " + std::to_string(parameters.size()) + " arguments, not " +
                        std::to_string(arguments.positional.size()));
  }
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) {
    bound.values_[i] = arguments.positional[i];
    given[i] = true;
  }
  for (const auto& [name, value] : arguments.named) {
    const auto at = std::find(bound.names_.begin(), bound.names_.end(), name);
    const auto i = static_cast<std::size_t>(at - bound.names_.begin());
    if (at == bound.names_.end()) return invalid_data(who + " has no parameter '" + name + "'");
    if (given[i]) return invalid_data(who + " is given '" + name + "' twice");
    bound.values_[i] = value;
    given[i] = true;
  }
  for (std::size_t i = 0; i < required; ++i) {
    if (!given[i]) return invalid_data(who + " needs its argument '" + bound.names_[i] + "'");
  }
  bound.who_ = std::move(who);
  return bound;
}

bool Bound::has(std::size_t parameter) const {
  return !values_[parameter].is_undefined() && !values_[parameter].is_none();
}

Result<std::string> Bound::text(std::size_t parameter, std::string_view fallback) const {
  if (!has(parameter)) return std::string(fallback);
  if (const std::string* s = values_[parameter].text()) return *s;
  return wrong_type(parameter, "a string");
}

Result<int64_t> Bound::integer(std::size_t parameter, int64_t fallback) const {
  if (!has(parameter)) return fallback;
  int64_t i = 0;
  if (values_[parameter].as_integer(&i)) return i;
  return wrong_type(parameter, "an integer");
}

Status Bound::wrong_type(std::size_t parameter, std::string_view wanted) const {
  return invalid_data(who_ + " needs " + std::string(wanted) + " as '" + names_[parameter] +
                      "', not a value of type " + values_[parameter].type_name());
}

}  // namespace cairn::jinja
