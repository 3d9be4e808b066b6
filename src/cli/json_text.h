// JSON results: small helpers over Boost.JSON.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

namespace cairn {

// One line with its line end, as --json prints it.
[[nodiscard]] std::string json_line(const boost::json::object& object);

// JSON is UTF-8: broken parts of `text` (a path, half a character) become U+FFFD.
[[nodiscard]] std::string json_text(std::string_view text);

}  // namespace cairn
