#include "store/checksum.h"

#include <gtest/gtest.h>

#include <vector>

namespace cairn {
namespace {

// XXH3_128bits of no bytes, with seed 0: 99aa06d3014798d86001c324468d497f (xxhash's own test vectors).
TEST(ChecksumTest, OfNothingIsTheKnownVector) {
  const Checksum sum = checksum_of({});
  EXPECT_EQ(sum[0], std::byte{0x99});
  EXPECT_EQ(sum[1], std::byte{0xaa});
  EXPECT_EQ(sum[15], std::byte{0x7f});
}

TEST(ChecksumTest, AnyFlippedBitChangesIt) {
  std::vector<std::byte> bytes(4096, std::byte{7});
  const Checksum whole = checksum_of(bytes);
  for (size_t at = 0; at < bytes.size(); at += 97) {
    bytes[at] ^= std::byte{1};
    EXPECT_NE(checksum_of(bytes), whole) << at;
    bytes[at] ^= std::byte{1};
  }
  EXPECT_EQ(checksum_of(bytes), whole);
}

}  // namespace
}  // namespace cairn
