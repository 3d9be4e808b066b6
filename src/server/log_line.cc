#include "server/log_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>

#include "base/utf8.h"

namespace cairn {
namespace {

// As base/printable.h has it; here the escapes are JSON's.
bool is_harmless(char32_t code) {
  if (code < 0x20 || (code >= 0x7F && code < 0xA0)) return false;
  if (code == 0xAD || code == 0x61C || code == 0xFEFF) return false;
  if ((code >= 0x200B && code <= 0x200F) || (code >= 0x2028 && code <= 0x202E)) return false;
  if ((code >= 0x2060 && code <= 0x206F) || (code >= 0xFFF0 && code <= 0xFFFF)) return false;
  return code < 0xE0000;
}

void append_escape(std::string& out, char32_t code) {
  switch (code) {
    case U'"': out += "\\\""; return;
    case U'\\': out += "\\\\"; return;
    case U'\n': out += "\\n"; return;
    case U'\t': out += "\\t"; return;
    case U'\r': out += "\\r"; return;
    default: break;
  }
  if (code >= 0x10000) {  // JSON writes these as two halves
    const auto rest = static_cast<uint32_t>(code) - 0x10000;
    out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10), 0xDC00 + (rest & 0x3FF));
    return;
  }
  out += fmt::format("\\u{:04x}", static_cast<uint32_t>(code));
}

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warning";
    case LogLevel::kError: return "error";
  }
  return "info";
}

std::string number_text(double value) {
  if (!std::isfinite(value)) return "null";
  std::string text = fmt::format("{:.3f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text == "-0" ? "0" : text;
}

// A word that needs no quotes in a line of text.
bool is_plain(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte > ' ' && byte != 0x7F && c != '"' && c != '=' && c != '\\';
  });
}

std::string text_value(LogFormat format, std::string_view text, size_t most_bytes) {
  std::string inner = escaped(text, most_bytes);
  if (format == LogFormat::kText && is_plain(inner)) return inner;
  return "\"" + std::move(inner) + "\"";
}

std::string value_text(LogFormat format, const LogField& field, size_t most_bytes) {
  if (const auto* text = std::get_if<std::string_view>(&field.value)) {
    return text_value(format, *text, most_bytes);
  }
  if (const auto* count = std::get_if<int64_t>(&field.value)) return fmt::format("{}", *count);
  return number_text(std::get<double>(field.value));
}

}  // namespace

std::string escaped(std::string_view text, size_t most_bytes) {
  std::string out;
  while (!text.empty()) {
    if (out.size() >= most_bytes) return out + "...";
    const auto [code, bytes] = first_character(text);
    if (code != U'"' && code != U'\\' && is_harmless(code)) {
      out += text.substr(0, bytes);
    } else {
      append_escape(out, code);
    }
    text.remove_prefix(bytes);
  }
  return out;
}

std::string utc_text(std::chrono::system_clock::time_point time) {
  using namespace std::chrono;
  const auto ms = floor<milliseconds>(time.time_since_epoch()).count();
  const auto seconds = static_cast<std::time_t>(floor<std::chrono::seconds>(time.time_since_epoch()).count());
  std::tm parts{};
  if (::gmtime_r(&seconds, &parts) == nullptr) return "?";
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, ((ms % 1000) + 1000) % 1000);
}

std::string log_line(LogFormat format, std::chrono::system_clock::time_point time, LogLevel level,
                     std::string_view message, std::span<const LogField> fields) {
  const bool is_json = format == LogFormat::kJson;
  constexpr size_t kMostMessageBytes = 1024;
  std::string line = is_json ? fmt::format(R"({{"time":"{}","level":"{}","message":{})", utc_text(time),
                                           level_name(level), text_value(format, message, kMostMessageBytes))
                             : fmt::format("{} {} {}", utc_text(time), level_name(level),
                                           escaped(message, kMostMessageBytes));
  // What is left is shared by the values that come: a long prompt is cut, and the numbers before it are not.
  constexpr size_t kReserve = 64;
  for (const LogField& field : fields) {
    const size_t used = std::min(line.size() + field.name.size() + kReserve, Log::kMostLineBytes);
    const size_t room = Log::kMostLineBytes - used;
    if (room == 0) break;
    const std::string value = value_text(format, field, room - std::min<size_t>(room, 16));
    line +=
        is_json ? fmt::format(R"(,"{}":{})", field.name, value) : fmt::format(" {}={}", field.name, value);
  }
  line += is_json ? "}\n" : "\n";
  return line;
}

}  // namespace cairn
