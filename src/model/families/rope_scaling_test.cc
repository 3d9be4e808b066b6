#include "model/families/rope_scaling.h"

#include <gtest/gtest.h>

#include "model/families/drafts_testing.h"

namespace cairn {
namespace {

// A draft whose heads are 16 wide, so that a scaling has bands to show.
HfDraft with_heads_of_16() {
  HfDraft draft;
  draft.config["head_dim"] = 16;
  for (const std::string prefix : {"model.layers.0.self_attn.", "model.layers.1.self_attn."}) {
    draft.tensors[prefix + "q_proj.weight"] = {32, 8};
    draft.tensors[prefix + "k_proj.weight"] = {16, 8};
    draft.tensors[prefix + "v_proj.weight"] = {16, 8};
    draft.tensors[prefix + "o_proj.weight"] = {8, 32};
  }
  return draft;
}

void expect_divisors(const Result<Config>& config, const std::vector<double>& expected) {
  ASSERT_TRUE(config.ok()) << config.status().message();
  ASSERT_EQ(config->ropes[0].divisors.size(), expected.size());
  for (size_t i = 0; i < expected.size(); ++i)
    EXPECT_NEAR(config->ropes[0].divisors[i], expected[i], 1e-12) << i;
}

TEST(RopeScaling, Llama3) {
  HfDraft draft = with_heads_of_16();
  draft.config["rope_theta"] = 20000.0;
  draft.config["rope_scaling"] = {{"rope_type", "llama3"},
                                  {"factor", 8.0},
                                  {"low_freq_factor", 1.0},
                                  {"high_freq_factor", 4.0},
                                  {"original_max_position_embeddings", 128}};
  // As GGUF's rope_freqs.weight holds them, by another implementation's converter.
  expect_divisors(draft.plan(), {1, 1, 3.003220664358044, 8, 8, 8, 8, 8});
}

TEST(RopeScaling, Yarn) {
  HfDraft draft = with_heads_of_16();
  draft.config["rope_scaling"] = {
      {"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 2048}};
  const auto config = draft.plan();
  // Computed with Python from the formulas of transformers.
  expect_divisors(config, {1, 1, 1, 1.2307692307692308, 1.6, 2.2857142857142856, 4, 4});
  EXPECT_NEAR(config->ropes[0].magnitude, 1.138629436111989, 1e-14);
}

TEST(RopeScaling, LinearAndTheNewerFields) {
  HfDraft draft = with_heads_of_16();
  draft.config["rope_parameters"] = {{"rope_type", "linear"}, {"factor", 2.0}, {"rope_theta", 5e5}};
  const auto config = draft.plan();
  expect_divisors(config, std::vector<double>(8, 2.0));
  EXPECT_EQ(config->ropes[0].base, 5e5);
}

TEST(RopeScaling, PartOfAHead) {
  HfDraft draft = with_heads_of_16();
  draft.config["partial_rotary_factor"] = 0.5;
  const auto config = draft.plan();
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->rope_dim, 8);
}

}  // namespace
}  // namespace cairn
