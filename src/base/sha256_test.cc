#include "base/sha256.h"

#include <gtest/gtest.h>

#include <string_view>
#include <vector>

namespace cairn {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

// NIST's example values for SHA-256.
TEST(Sha256, MatchesThePublishedExamples) {
  EXPECT_EQ(to_hex(sha256({})), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(to_hex(sha256(bytes_of("abc"))),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(to_hex(sha256(bytes_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(to_hex(sha256(bytes_of(std::string(1000000, 'a')))),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, HowTheBytesWereCutChangesNothing) {
  std::string text;
  for (int i = 0; i < 1000; ++i) text += static_cast<char>(i * 7 + i / 256);
  const Sha256Digest whole = sha256(bytes_of(text));
  for (std::size_t step : {1, 3, 63, 64, 65, 999}) {
    Sha256 hash;
    for (std::size_t at = 0; at < text.size(); at += step) {
      hash.update(bytes_of(std::string_view(text).substr(at, step)));
    }
    EXPECT_EQ(hash.finish(), whole) << "steps of " << step;
  }
}

TEST(Sha256, IsNewAgainAfterFinish) {
  Sha256 hash;
  hash.update(bytes_of("something else"));
  (void)hash.finish();
  hash.update(bytes_of("abc"));
  EXPECT_EQ(hash.finish(), sha256(bytes_of("abc")));
}

}  // namespace
}  // namespace cairn
