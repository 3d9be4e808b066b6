// Each part of a block's identity that the engine knows changes the name of every block. The fields of Config are flipped
// one by one in model/fingerprint_test.cc, codecs, shapes, salts and tokens in the kv room.
#include "engine/block_identity.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "engine/fake_pass_testing.h"
#include "kv/block_name.h"

namespace cairn {
namespace {

BlockName first_name(const std::string& identity) {
  BlockNamer namer(identity);
  return namer.child(namer.root("salt"), some_prompt(1, kBlockSize));
}

TEST(BlockIdentity, CoversConfigArithmeticAndFingerprint) {
  const Config config;
  Config other = config;
  other.norm_eps *= 2;
  const Kernels kernels{};
  Kernels other_kernels;
  other_kernels.arithmetic = "another 1";
  const Sha256Digest one{1};
  const Sha256Digest two{2};
  const std::set<BlockName> names{
      first_name(block_identity(config, kernels)),       first_name(block_identity(other, kernels)),
      first_name(block_identity(config, other_kernels)), first_name(block_identity(config, kernels, one)),
      first_name(block_identity(config, kernels, two)),
  };
  EXPECT_EQ(names.size(), 5U);
}

// Names of blocks mean the same wherever the bits are the same.
TEST(BlockIdentity, IsOneForAllInstructionSetsWithTheSameBits) {
  const Config config;
  Kernels kernels{};
  Kernels wider = kernels;
  wider.isa = Isa::kAvx512;
  EXPECT_EQ(block_identity(config, kernels), block_identity(config, wider));
}

}  // namespace
}  // namespace cairn
