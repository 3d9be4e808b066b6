#include "store/segment.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

namespace cairn {
namespace {

constexpr std::string_view kPrefix = "segment-";
constexpr std::string_view kSuffix = ".cairn";

}  // namespace

std::string segment_path(const std::string& folder, uint64_t number) {
  return fmt::format("{}/{}{:016x}{}", folder, kPrefix, number, kSuffix);
}

std::optional<uint64_t> segment_number(const std::string& file_name) {
  constexpr size_t kDigits = 16;
  if (file_name.size() != kPrefix.size() + kDigits + kSuffix.size() || !file_name.starts_with(kPrefix) ||
      !file_name.ends_with(kSuffix)) {
    return std::nullopt;
  }
  const char* digits = file_name.data() + kPrefix.size();
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits, digits + kDigits, number, 16);
  if (error != std::errc() || end != digits + kDigits) return std::nullopt;
  // The largest number would leave none for the next file.
  if (number >= uint64_t{1} << 63 || segment_path("", number).substr(1) != file_name) return std::nullopt;
  return number;
}

}  // namespace cairn
