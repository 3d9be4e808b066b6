#include <fmt/format.h>

#include "text/jinja/globals.h"

namespace cairn::jinja {

namespace {

constexpr std::string_view kMonths[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};
constexpr std::string_view kDays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                      "Thursday", "Friday", "Saturday"};

bool is_leap(int year) { return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0; }

int day_of_year(const CivilTime& t) {
  static constexpr int kBefore[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
  return kBefore[t.month - 1] + t.day + (t.month > 2 && is_leap(t.year) ? 1 : 0);
}

int weekday(const CivilTime& t) {  // 0: Sunday
  const int before = t.year - 1;
  return (before + before / 4 - before / 100 + before / 400 + day_of_year(t)) % 7;
}

bool is_real(const CivilTime& t) {
  static constexpr int kLength[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (t.year < 1000 || t.year > 9999 || t.month < 1 || t.month > 12 || t.day < 1) return false;
  const int length = kLength[t.month - 1] + (t.month == 2 && is_leap(t.year) ? 1 : 0);
  return t.day <= length && t.hour >= 0 && t.hour < 24 && t.minute >= 0 && t.minute < 60 && t.second >= 0 &&
         t.second < 62;
}

}  // namespace

Result<std::string> format_time(const CivilTime& t, std::string_view format) {
  if (!is_real(t))
    return invalid_argument("the time given for the chat template is not a valid date and time");
  std::string out;
  const int hour12 = t.hour % 12 == 0 ? 12 : t.hour % 12;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
      continue;
    }
    ++i;
    const bool unpadded = i < format.size() && format[i] == '-';
    if (unpadded) ++i;
    const auto two = [&](int n) { return unpadded ? std::to_string(n) : fmt::format("{:02}", n); };
    switch (i < format.size() ? format[i] : '\0') {
      case 'd': out += two(t.day); break;
      case 'm': out += two(t.month); break;
      case 'y': out += two(t.year % 100); break;
      case 'Y': out += std::to_string(t.year); break;
      case 'b': out += kMonths[t.month - 1].substr(0, 3); break;
      case 'B': out += kMonths[t.month - 1]; break;
      case 'a': out += kDays[weekday(t)].substr(0, 3); break;
      case 'A': out += kDays[weekday(t)]; break;
      case 'H': out += two(t.hour); break;
      case 'I': out += two(hour12); break;
      case 'M': out += two(t.minute); break;
      case 'S': out += two(t.second); break;
      case 'p': out += t.hour < 12 ? "AM" : "PM"; break;
      case 'j':
        out += unpadded ? std::to_string(day_of_year(t)) : fmt::format("{:03}", day_of_year(t));
        break;
      case 'F': out += fmt::format("{}-{:02}-{:02}", t.year, t.month, t.day); break;
      case 'T': out += fmt::format("{:02}:{:02}:{:02}", t.hour, t.minute, t.second); break;
      case '%': out += '%'; break;
      default: return unsupported("strftime_now() does not support the format '" + std::string(format) + "'");
    }
  }
  return out;
}

}  // namespace cairn::jinja
