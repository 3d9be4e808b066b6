#include "files/json.h"

#include <algorithm>
#include <boost/json/parser.hpp>
#include <new>
#include <stdexcept>

#include "base/mapped_file.h"
#include "base/printable.h"

namespace cairn {
namespace {

Status not_json(std::string_view text, size_t at, const boost::json::error_code& error) {
  const std::string_view before = text.substr(0, std::min(at, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  return invalid_data("is not valid JSON: " + error.message() + " in line " + std::to_string(line));
}

Result<boost::json::value> parse_within(std::string_view text, size_t depth_max) {
  boost::json::parse_options options;
  options.max_depth = depth_max;
  boost::json::parser parser({}, options);
  boost::json::error_code error;
  const size_t parsed = parser.write_some(text.data(), text.size(), error);
  if (error) return not_json(text, parsed, error);
  if (text.find_first_not_of(" \t\r\n", parsed) != std::string_view::npos) {
    return not_json(text, parsed, boost::json::error::extra_data);
  }
  return parser.release();
}

}  // namespace

Result<boost::json::value> parse_json(std::string_view text, JsonLimits limits) {
  if (text.size() > limits.bytes_max) {
    return invalid_data("has " + std::to_string(text.size()) + " bytes of JSON; at most " +
                        std::to_string(limits.bytes_max) + " are read");
  }
  try {
    return parse_within(text, limits.depth_max);
  } catch (const std::bad_alloc&) {
    return resource_exhausted("no memory for " + std::to_string(text.size()) + " bytes of JSON");
  } catch (const std::exception& e) {  // Boost's own limits on strings and objects
    return invalid_data("cannot be read as JSON: " + printable(e.what()));
  }
}

Result<boost::json::object> load_json_object(const std::string& path, JsonLimits limits) {
  CAIRN_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  const std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.size());
  auto value = parse_json(text, limits);
  const auto named = [&](const std::string& message) { return printable_path(path) + ": " + message; };
  if (!value.ok()) return Status(value.status().code(), named(value.status().message()));
  if (!value->is_object()) return invalid_data(named("holds no JSON object"));
  return std::move(value->get_object());
}

}  // namespace cairn
