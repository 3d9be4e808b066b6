#include "store/redis_key.h"

#include <fmt/format.h>

#include <array>

#include "base/printable.h"

namespace cairn {
namespace {

constexpr size_t kPrefixBytesMax = 64;
constexpr std::string_view kPatternCharacters = "*?[]^\\\"'";

constexpr std::array<uint16_t, 256> kCrc16 = [] {
  std::array<uint16_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
    table[byte] = static_cast<uint16_t>(crc);
  }
  return table;
}();

}  // namespace

std::string redis_key(std::string_view prefix, std::string_view name) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string key;
  key.reserve(prefix.size() + 2 * name.size());
  key += prefix;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    key += kDigits[byte >> 4];
    key += kDigits[byte & 15];
  }
  return key;
}

Status check_redis_key_prefix(std::string_view prefix) {
  bool is_good = prefix.size() <= kPrefixBytesMax;
  for (const char c : prefix) {
    is_good = is_good && c > ' ' && c < 127 && kPatternCharacters.find(c) == std::string_view::npos;
  }
  if (is_good) return {};
  return invalid_argument(fmt::format(
      "'{}' cannot begin the remote store's keys: give at most {} letters, digits and signs like ':'",
      printable(prefix), kPrefixBytesMax));
}

uint16_t redis_slot(std::string_view key) {
  const size_t open = key.find('{');
  if (open != std::string_view::npos) {
    const size_t close = key.find('}', open + 1);
    if (close != std::string_view::npos && close > open + 1) key = key.substr(open + 1, close - open - 1);
  }
  uint32_t crc = 0;
  for (const char c : key) {
    crc = ((crc << 8) ^ kCrc16[((crc >> 8) ^ static_cast<unsigned char>(c)) & 0xff]) & 0xffff;
  }
  return static_cast<uint16_t>(crc % kRedisSlotCount);
}

}  // namespace cairn
