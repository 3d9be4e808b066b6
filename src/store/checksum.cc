#include "store/checksum.h"

#include <xxhash.h>

#include <cstring>

namespace cairn {

Checksum checksum_of(std::span<const std::byte> bytes) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes.data(), bytes.size()));
  Checksum checksum;
  static_assert(sizeof canonical == sizeof checksum);
  std::memcpy(checksum.data(), &canonical, sizeof canonical);
  return checksum;
}

}  // namespace cairn
