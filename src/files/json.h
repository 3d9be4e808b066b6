// JSON files of a model folder: parsed whole, with limits, so that a hostile file costs no more than its size
// and cannot overflow the stack. Errors name the line.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstddef>
#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn {

struct JsonLimits {
  size_t bytes_max = size_t{16} << 20;
  size_t depth_max = 32;
};

// Errors: kInvalidData (not JSON, invalid UTF-8, too deep, too long), kResourceExhausted (no memory).
Result<boost::json::value> parse_json(std::string_view text, JsonLimits limits);

// A file that holds one JSON object. Errors: those of parse_json and MappedFile::open, naming the file.
Result<boost::json::object> load_json_object(const std::string& path, JsonLimits limits);

}  // namespace cairn
