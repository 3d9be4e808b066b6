// Checksum: XXH3 of 128 bits, in its canonical byte order. It finds bytes that were damaged or torn; it is no proof against
// someone who forges them (names, which are SHA-256, are). Pure functions, of any thread.
#pragma once

#include <array>
#include <cstddef>
#include <span>

namespace cairn {

using Checksum = std::array<std::byte, 16>;

[[nodiscard]] Checksum checksum_of(std::span<const std::byte> bytes);

}  // namespace cairn
