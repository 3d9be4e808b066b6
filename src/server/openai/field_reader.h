// FieldReader: one object of a request's body, read field by field. It keeps the first thing that is wrong, with the
// field's path, in an error that all readers of one body share; from then on fields read as absent, so that code
// that reads has no branches for errors: it looks at failed() once, at its end.
// For the parsers of server/openai/ and server/ollama/.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "server/openai/error.h"

namespace cairn {

// The body as one JSON object. Errors name the line and column.
[[nodiscard]] ApiResult<boost::json::object> read_body(std::string_view body);

struct IntegerRange {
  int64_t min = std::numeric_limits<int64_t>::min();
  int64_t max = std::numeric_limits<int64_t>::max();
};
struct NumberBounds {
  double min = 0;
  double max = 0;
};

// An integer, also one that is written as 3.0 or 3e2; nullopt: it is none, or none that int64_t holds.
[[nodiscard]] std::optional<int64_t> integer_of(const boost::json::value& value);
// "a string", "an object", ...; of a number the number itself.
[[nodiscard]] std::string kind_of(const boost::json::value& value);
// "messages" and 2: "messages[2]".
[[nodiscard]] std::string element_path(std::string_view path, size_t index);

class FieldReader {
 public:
  // `path`: of the object, "" for the body's own. Object and error outlive the reader.
  FieldReader(const boost::json::object& object, std::string path, std::optional<ApiError>& error)
      : object_(&object), path_(std::move(path)), error_(&error) {}

  [[nodiscard]] bool failed() const { return error_->has_value(); }
  [[nodiscard]] std::optional<ApiError>& error() const { return *error_; }
  [[nodiscard]] const boost::json::object& json() const { return *object_; }
  [[nodiscard]] std::string path_of(std::string_view name) const;

  // All of these: absent where the field is not there, is null, or something has failed.
  [[nodiscard]] const boost::json::value* find(std::string_view name) const;
  [[nodiscard]] std::optional<bool> flag(std::string_view name) const;
  [[nodiscard]] std::optional<int64_t> integer(std::string_view name, IntegerRange range) const;
  [[nodiscard]] std::optional<double> number(std::string_view name, NumberBounds range) const;
  [[nodiscard]] std::optional<std::string> text(std::string_view name,
                                                size_t bytes_max = std::string::npos) const;
  [[nodiscard]] const boost::json::array* list(std::string_view name, size_t count_max) const;
  [[nodiscard]] std::optional<FieldReader> object(std::string_view name) const;
  // Element `index` of the list `name`, which must be an object.
  [[nodiscard]] std::optional<FieldReader> element(std::string_view name, size_t index,
                                                   const boost::json::value& value) const;

  // Fails, unless something has failed already. `message` goes on after the field's path: "must be ...".
  void refuse(std::string_view name, std::string_view message) const;
  void refuse_unsupported(std::string_view name, std::string_view message) const;
  // Fails where the field is there and is neither false nor empty (text, list, object).
  void refuse_if_set(std::string_view name, std::string_view message) const;

 private:
  const boost::json::object* object_;
  std::string path_;
  std::optional<ApiError>* error_;
};

}  // namespace cairn
