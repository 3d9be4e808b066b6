#include "engine/identity_words.h"

#include <gtest/gtest.h>

#include "engine/block_identity.h"
#include "kv/kv_cache_testing.h"

namespace cairn {
namespace {

TEST(IdentityWords, AreThoseOfTheCacheThatMadeIt) {
  Sha256Digest fingerprint{};
  fingerprint[0] = 0xAB;
  const std::string identity =
      block_identity(Config{.family = "llama"}, *select_kernels({}).value(), fingerprint);
  const auto words = [&](KvShape shape) {
    const auto cache = make_cache({.shape = std::move(shape), .identity = identity, .context = 64});
    return identity_words(cache->identity());
  };
  const IdentityWords plain = words(small_shape("f16"));
  EXPECT_EQ(plain.model, "ab" + std::string(62, '0'));
  EXPECT_EQ(plain.family, "llama");
  EXPECT_EQ(plain.arithmetic, select_kernels({}).value()->arithmetic);
  EXPECT_EQ(plain.kv, "f16");
  EXPECT_EQ(words(small_shape("k=int8:token,v=f16")).kv, "k=int8:token,v=f16");
  EXPECT_EQ(words(windowed_shape("f16", {{}, {.window = 40, .sinks = 4}, {}})).kv,
            "f16; f16 (4 sinks and a window of 40)");
}

TEST(IdentityWords, AnyTextWillDo) {
  EXPECT_EQ(identity_words("").model, "");
  EXPECT_EQ(identity_words("model=\x1b[2J\nx in group ,\n, in group 1").model, "\\x1b[2J");
}

}  // namespace
}  // namespace cairn
