#include "server/openai/field_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/parser.hpp>
#include <cmath>
#include <exception>
#include <new>

#include "base/printable.h"
#include "server/openai/call_limits.h"

namespace cairn {
namespace {

ApiError not_json(std::string_view body, size_t at, const std::string& reason) {
  const std::string_view before = body.substr(0, std::min(at, body.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t line_start = before.rfind('\n') + 1;  // npos + 1 is 0
  return invalid_request({},
                         fmt::format("the body is not valid JSON: {} (line {}, column {})", reason, line,
                                     before.size() - line_start + 1),
                         "invalid_json");
}

ApiResult<boost::json::object> parse_within(std::string_view body) {
  boost::json::parse_options options;
  options.max_depth = kBodyDepthMax;
  boost::json::parser parser({}, options);
  boost::json::error_code error;
  const size_t parsed = parser.write_some(body.data(), body.size(), error);
  if (error) return not_json(body, parsed, error.message());
  const size_t rest = body.find_first_not_of(" \t\r\n", parsed);
  if (rest != std::string_view::npos) return not_json(body, rest, "something follows the document");
  boost::json::value value = parser.release();
  if (!value.is_object()) {
    return invalid_request({}, "the body must be a JSON object, not " + kind_of(value), "invalid_json");
  }
  return std::move(value.get_object());
}

bool is_set(const boost::json::value& value) {
  if (const auto* flag = value.if_bool()) return *flag;
  if (const auto* text = value.if_string()) return !text->empty();
  if (const auto* list = value.if_array()) return !list->empty();
  if (const auto* object = value.if_object()) return !object->empty();
  return true;
}

}  // namespace

ApiResult<boost::json::object> read_body(std::string_view body) {
  if (body.size() > kBodyBytesMax) {
    return too_large_error(
        fmt::format("the body has {} bytes: at most {} are read", body.size(), kBodyBytesMax));
  }
  if (body.find_first_not_of(" \t\r\n") == std::string_view::npos) {
    return invalid_request({}, "the body is empty: it must be a JSON object", "invalid_json");
  }
  try {
    return parse_within(body);
  } catch (const std::bad_alloc&) {
    return unavailable_error("no memory to read the body: try again later");
  } catch (const std::exception& e) {  // Boost's own limits on strings and objects
    return invalid_request({}, "the body cannot be read as JSON: " + printable(e.what()), "invalid_json");
  }
}

std::optional<int64_t> integer_of(const boost::json::value& value) {
  if (const auto* integer = value.if_int64()) return *integer;
  const auto* number = value.if_double();
  constexpr double kExact = 9007199254740992.0;  // 2^53: from here on doubles skip integers
  if (number == nullptr || std::floor(*number) != *number || std::abs(*number) > kExact) return std::nullopt;
  return static_cast<int64_t>(*number);
}

std::string kind_of(const boost::json::value& value) {
  switch (value.kind()) {
    case boost::json::kind::null: return "null";
    case boost::json::kind::bool_: return value.get_bool() ? "true" : "false";
    case boost::json::kind::int64: return std::to_string(value.get_int64());
    case boost::json::kind::uint64: return std::to_string(value.get_uint64());
    case boost::json::kind::double_: return fmt::format("{}", value.get_double());
    case boost::json::kind::string: return "a string";
    case boost::json::kind::array: return "a list";
    case boost::json::kind::object: return "an object";
  }
  return "something else";
}

std::string element_path(std::string_view path, size_t index) { return fmt::format("{}[{}]", path, index); }

std::string FieldReader::path_of(std::string_view name) const {
  if (name.empty()) return path_;
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

const boost::json::value* FieldReader::find(std::string_view name) const {
  if (failed()) return nullptr;
  const auto* value = object_->if_contains(name);
  return value == nullptr || value->is_null() ? nullptr : value;
}

std::optional<bool> FieldReader::flag(std::string_view name) const {
  const auto* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_bool()) return value->get_bool();
  refuse(name, "must be true or false, not " + kind_of(*value));
  return std::nullopt;
}

std::optional<int64_t> FieldReader::integer(std::string_view name, IntegerRange range) const {
  const auto* value = find(name);
  if (value == nullptr) return std::nullopt;
  const auto integer = integer_of(*value);
  if (integer.has_value() && *integer >= range.min && *integer <= range.max) return integer;
  if (range.max == std::numeric_limits<int64_t>::max()) {
    refuse(name, "must be an integer, not " + kind_of(*value));
  } else {
    refuse(name,
           fmt::format("must be an integer from {} to {}, not {}", range.min, range.max, kind_of(*value)));
  }
  return std::nullopt;
}

std::optional<double> FieldReader::number(std::string_view name, NumberBounds range) const {
  const auto* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) {
    const auto number = value->to_number<double>();
    if (number >= range.min && number <= range.max) return number;  // no NaN
  }
  refuse(name, fmt::format("must be a number from {} to {}, not {}", range.min, range.max, kind_of(*value)));
  return std::nullopt;
}

std::optional<std::string> FieldReader::text(std::string_view name, size_t bytes_max) const {
  const auto* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (!value->is_string()) {
    refuse(name, "must be a string, not " + kind_of(*value));
    return std::nullopt;
  }
  const auto& text = value->get_string();
  if (text.size() <= bytes_max) return std::string(text);
  refuse(name, fmt::format("has {} bytes: it may have at most {}", text.size(), bytes_max));
  return std::nullopt;
}

const boost::json::array* FieldReader::list(std::string_view name, size_t count_max) const {
  const auto* value = find(name);
  if (value == nullptr) return nullptr;
  const auto* list = value->if_array();
  if (list == nullptr) {
    refuse(name, "must be a list, not " + kind_of(*value));
  } else if (list->size() > count_max) {
    refuse(name, fmt::format("has {} entries: it may have at most {}", list->size(), count_max));
    return nullptr;
  }
  return list;
}

std::optional<FieldReader> FieldReader::object(std::string_view name) const {
  const auto* value = find(name);
  if (value == nullptr) return std::nullopt;
  if (const auto* object = value->if_object()) return FieldReader(*object, path_of(name), *error_);
  refuse(name, "must be an object, not " + kind_of(*value));
  return std::nullopt;
}

std::optional<FieldReader> FieldReader::element(std::string_view name, size_t index,
                                                const boost::json::value& value) const {
  if (failed()) return std::nullopt;
  const std::string path = element_path(name, index);
  if (const auto* object = value.if_object()) return FieldReader(*object, path_of(path), *error_);
  refuse(path, "must be an object, not " + kind_of(value));
  return std::nullopt;
}

void FieldReader::refuse(std::string_view name, std::string_view message) const {
  if (failed()) return;
  const std::string path = path_of(name);
  *error_ = invalid_request(path, fmt::format("'{}' {}", path, message));
}

void FieldReader::refuse_unsupported(std::string_view name, std::string_view message) const {
  if (failed()) return;
  const std::string path = path_of(name);
  *error_ = unsupported_request(path, fmt::format("'{}' {}", path, message));
}

void FieldReader::refuse_if_set(std::string_view name, std::string_view message) const {
  const auto* value = find(name);
  if (value != nullptr && is_set(*value)) refuse_unsupported(name, message);
}

}  // namespace cairn
