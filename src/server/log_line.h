// The words of a line of the log. For log.cc only.
//
// Always true: what is returned is valid UTF-8 without control characters, invisible ones and ones that change the
// direction of text, so that neither a terminal nor a parser of lines is led astray by what a client sent.
#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>

#include "server/log.h"

namespace cairn {

// What stands between the quotes of a JSON string: \n, \", \u001b, ...; invalid bytes as \ufffd. At most about `most_bytes`;
// what is cut ends in "...".
[[nodiscard]] std::string escaped(std::string_view text, size_t most_bytes);

// "2026-11-29T23:14:56.123Z".
[[nodiscard]] std::string utc_text(std::chrono::system_clock::time_point time);

// One line, with its line end, of kMostLineBytes at most.
[[nodiscard]] std::string log_line(LogFormat format, std::chrono::system_clock::time_point time,
                                   LogLevel level, std::string_view message,
                                   std::span<const LogField> fields);

}  // namespace cairn
