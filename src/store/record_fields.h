// Little-endian fields at fixed places of a block of bytes: how records, segments and footers are read and written.
// Inside the store room; the caller has checked that the field lies inside.
#pragma once

#include <bit>
#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>

#include "base/check.h"

namespace cairn {

static_assert(std::endian::native == std::endian::little, "fields are copied as they are");

template <typename T>
void put_field(std::span<std::byte> bytes, size_t at, const T& value) {
  DCHECK(at + sizeof(T) <= bytes.size());  // NOLINT(bugprone-sizeof-expression): the macro has one, too
  std::memcpy(bytes.data() + at, &value, sizeof(T));
}

template <typename T>
[[nodiscard]] T get_field(std::span<const std::byte> bytes, size_t at) {
  DCHECK(at + sizeof(T) <= bytes.size());  // NOLINT(bugprone-sizeof-expression): the macro has one, too
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

inline void copy_bytes(std::span<std::byte> to, size_t at, std::span<const std::byte> from) {
  DCHECK(from.size() <= to.size() && at <= to.size() - from.size());
  if (!from.empty()) std::memcpy(to.data() + at, from.data(), from.size());
}

[[nodiscard]] inline bool has_magic(std::span<const std::byte> bytes, std::string_view magic) {
  return bytes.size() >= magic.size() && std::memcmp(bytes.data(), magic.data(), magic.size()) == 0;
}

}  // namespace cairn
