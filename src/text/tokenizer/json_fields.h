// Reads fields of JSON objects, with errors that name the field. `where` names the object in messages.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/printable.h"
#include "cairn/status.h"

namespace cairn::json_fields {

namespace json = boost::json;

inline Status wrong(std::string_view where, std::string_view field, std::string_view wanted) {
  return invalid_data("\"" + printable(field) + "\" of " + std::string(where) + " in tokenizer.json is not " +
                      std::string(wanted));
}

// The field, or null where it is absent or JSON's null.
inline const json::value* find(const json::object& object, std::string_view field) {
  const json::value* value = object.if_contains(field);
  return value == nullptr || value->is_null() ? nullptr : value;
}

inline Result<bool> bool_or(const json::object& object, std::string_view where, std::string_view field,
                            bool absent) {
  const json::value* value = find(object, field);
  if (value == nullptr) return absent;
  if (!value->is_bool()) return wrong(where, field, "true or false");
  return value->get_bool();
}

// Views stay valid as long as the object.
inline Result<std::string_view> string_or(const json::object& object, std::string_view where,
                                          std::string_view field, std::string_view absent) {
  const json::value* value = find(object, field);
  if (value == nullptr) return absent;
  if (!value->is_string()) return wrong(where, field, "a string");
  return std::string_view(value->get_string());
}

inline Result<const json::array*> need_array(const json::object& object, std::string_view where,
                                             std::string_view field) {
  const json::value* value = find(object, field);
  if (value == nullptr || !value->is_array()) return wrong(where, field, "a list");
  return &value->get_array();
}

inline Result<const json::object*> need_object(const json::object& object, std::string_view where,
                                               std::string_view field) {
  const json::value* value = find(object, field);
  if (value == nullptr || !value->is_object()) return wrong(where, field, "an object");
  return &value->get_object();
}

inline std::optional<int64_t> as_integer(const json::value& value) {
  if (value.is_int64()) return value.get_int64();
  return std::nullopt;  // larger than int64 is not an id either
}

}  // namespace cairn::json_fields
