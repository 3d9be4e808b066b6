// How a value becomes text: str() and repr() as Python prints them, and JSON as json.dumps does.
// The caller charges the value's weight to its budget first.
#pragma once

#include <string>

#include "text/jinja/value.h"

namespace cairn::jinja {

std::string float_text(double number);  // the shortest that reads back the same: 0.7, 1e-05, 3.0

// What {{ value }} prints. Fails for what Python prints as a memory address.
Result<std::string> print(const Value& value);
Result<std::string> print_repr(const Value& value);

struct JsonStyle {
  int indent = -1;  // -1: on one line
  bool ensure_ascii = false;
  bool sort_keys = false;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
Result<std::string> print_json(const Value& value, const JsonStyle& style);

}  // namespace cairn::jinja
