#include "model/families/rope_scaling.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

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

// As model cards write it: max_position_embeddings stays, and the scaling says how far it reaches.
TEST(RopeScaling, YarnReachesItsOriginalContextTimesItsFactor) {
  HfDraft draft = with_heads_of_16();  // 64 positions
  draft.config["rope_theta"] = 1e6;
  draft.config["rope_scaling"] = {
      {"type", "yarn"}, {"factor", 4.0}, {"original_max_position_embeddings", 32}};
  expect_divisors(draft.plan(), {1, 4, 4, 4, 4, 4, 4, 4});
  EXPECT_EQ(draft.plan()->context_length, 128);
  draft.config["rope_scaling"] = {{"type", "yarn"}, {"factor", 4.0}};
  EXPECT_EQ(draft.plan()->context_length, 256);
  draft.config["rope_scaling"] = {
      {"type", "yarn"}, {"factor", 1.5}, {"original_max_position_embeddings", 32}};
  EXPECT_EQ(draft.plan()->context_length, 64) << "the file promises more";
  draft.config["rope_scaling"] = {{"type", "yarn"}, {"original_max_position_embeddings", 16}};
  expect_divisors(draft.plan(), {1, 4, 4, 4, 4, 4, 4, 4});
  EXPECT_EQ(draft.plan()->context_length, 64);
}

// A scaling that lacks what it needs must not run unscaled.
TEST(RopeScaling, WhatIsMissingIsNamed) {
  const auto expect_refused = [](const boost::json::object& scaling, std::string_view part) {
    for (const char* key : {"rope_scaling", "rope_parameters"}) {
      HfDraft draft = with_heads_of_16();
      draft.config[key] = scaling;
      const std::string message(draft.plan().status().message());
      EXPECT_NE(message.find(part), std::string::npos) << boost::json::serialize(scaling) << ": " << message;
    }
  };
  expect_refused({{"factor", 4.0}}, "factor is set, but rope_type");
  expect_refused({{"type", nullptr}, {"factor", 4.0}}, "factor is set, but rope_type");
  expect_refused({{"original_max_position_embeddings", 16}}, "is set, but rope_type");
  for (const char* type : {"linear", "dynamic", "yarn"}) {
    expect_refused({{"type", type}}, ": factor is missing");
    expect_refused({{"rope_type", type}, {"factor", nullptr}}, ": factor is missing");
  }
  const std::string_view all_four =
      ": factor, low_freq_factor, high_freq_factor and original_max_position_embeddings are missing";
  expect_refused({{"type", "llama3"}}, all_four);
  expect_refused({{"rope_type", "llama3"}, {"factor", nullptr}}, all_four);
  expect_refused({{"rope_type", "llama3"},
                  {"low_freq_factor", 1.0},
                  {"high_freq_factor", 4.0},
                  {"original_max_position_embeddings", 8192}},
                 ": factor is missing");
}

TEST(RopeScaling, WithoutAScalingNothingIsMissing) {
  for (const char* none : {"null", "{}", R"({"rope_type": "default"})", R"({"rope_theta": 5e5})"}) {
    HfDraft draft = with_heads_of_16();
    draft.config["rope_scaling"] = boost::json::parse(none);
    expect_divisors(draft.plan(), {});
  }
}

TEST(RopeScaling, KindsOfLayersMustBeAlike) {
  const boost::json::object yarn{{"rope_type", "yarn"}, {"factor", 4.0}};
  const boost::json::object plain{{"rope_type", "default"}};
  HfDraft draft = with_heads_of_16();
  draft.config["rope_scaling"] = {{"full_attention", yarn}, {"sliding_attention", plain}};
  EXPECT_EQ(draft.plan().status().code(), StatusCode::kUnsupported);
  EXPECT_NE(draft.plan().status().message().find("each kind of layer"), std::string::npos);
  draft.config["rope_scaling"] = {{"full_attention", yarn}, {"sliding_attention", yarn}};
  EXPECT_EQ(draft.plan()->context_length, 256);
  draft.config["rope_scaling"] = {{"full_attention", {{"inner", yarn}}}};
  EXPECT_EQ(draft.plan().status().code(), StatusCode::kUnsupported);
}

TEST(RopeScaling, TwoThatDifferAreOneTooMany) {
  HfDraft draft = with_heads_of_16();
  draft.config["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", 5e5}};
  draft.config["rope_scaling"] = {{"rope_type", "yarn"}, {"factor", 4.0}};
  EXPECT_NE(draft.plan().status().message().find("rope_parameters and rope_scaling differ"),
            std::string::npos);
  draft.config["rope_scaling"] = {{"rope_type", "default"}};
  EXPECT_EQ(draft.plan()->ropes[0].base, 5e5);
}

TEST(RopeScaling, YarnOfGgufNeedsAFactor) {
  GgufDraft draft;
  draft.set("llama.rope.scaling.type", std::string("yarn"));
  EXPECT_NE(draft.plan().status().message().find("no key llama.rope.scaling.factor"), std::string::npos);
}

TEST(RopeScaling, YarnOfGguf) {
  GgufDraft draft;  // heads of 4, 64 positions
  draft.set("llama.rope.scaling.type", std::string("yarn"));
  draft.set("llama.rope.scaling.factor", 4.0F);
  draft.set("llama.rope.scaling.original_context_length", uint32_t{64});
  EXPECT_EQ(draft.plan()->context_length, 256);
  EXPECT_NEAR(draft.plan()->ropes[0].magnitude, 1.138629436111989, 1e-14);
  draft.set("llama.context_length", uint32_t{1024});
  EXPECT_EQ(draft.plan()->context_length, 1024);
}

TEST(RopeScaling, LinearReachesFartherWhereItSaysFromWhere) {
  HfDraft draft = with_heads_of_16();
  draft.config["rope_scaling"] = {{"type", "linear"}, {"factor", 2.0}};
  EXPECT_EQ(draft.plan()->context_length, 64);
  draft.config["rope_scaling"] = {
      {"type", "linear"}, {"factor", 2.0}, {"original_max_position_embeddings", 64}};
  EXPECT_EQ(draft.plan()->context_length, 128);
}

TEST(RopeScaling, Dynamic) {
  HfDraft draft = with_heads_of_16();
  draft.config["rope_scaling"] = {{"type", "dynamic"}, {"factor", 2.0}};
  const auto config = draft.plan();
  ASSERT_TRUE(config.ok()) << config.status().message();
  const auto* ntk = std::get_if<DynamicNtk>(&config->ropes[0].by_context);
  ASSERT_NE(ntk, nullptr);
  EXPECT_EQ(ntk->original_context, 64);
  EXPECT_EQ(ntk->factor, 2.0);
  EXPECT_EQ(config->context_length, 128);
  draft.config["rope_scaling"] = {
      {"type", "dynamic"}, {"factor", 2.0}, {"original_max_position_embeddings", 16}};
  EXPECT_EQ(draft.plan()->context_length, 64);
  draft.config["rope_scaling"] = {{"type", "dynamic"}, {"factor", 2.0}, {"alpha", 1000.0}};
  EXPECT_EQ(draft.plan().status().code(), StatusCode::kUnsupported);
}

boost::json::object longrope(const char* type) {
  return {{"type", type},
          {"short_factor", {1.0, 1.0, 1.0, 1.0, 1.25, 1.5, 2, 3}},
          {"long_factor", {1.0, 1.5, 2.0, 4.0, 8.0, 16.0, 32.0, 64}}};
}

void expect_longrope(const Result<Config>& config, int64_t original_context, double magnitude) {
  expect_divisors(config, {1, 1, 1, 1, 1.25, 1.5, 2, 3});
  ASSERT_TRUE(config.ok());
  EXPECT_NEAR(config->ropes[0].magnitude, magnitude, 1e-14);
  const auto* longer = std::get_if<LongRope>(&config->ropes[0].by_context);
  ASSERT_NE(longer, nullptr);
  EXPECT_EQ(longer->original_context, original_context);
  EXPECT_EQ(longer->divisors, (std::vector<double>{1, 1.5, 2, 4, 8, 16, 32, 64}));
  EXPECT_NEAR(longer->magnitude, magnitude, 1e-14);
}

// Attention factors computed with Python: sqrt(1 + log(context / original) / log(original)).
TEST(RopeScaling, LongRope) {
  HfDraft draft = with_heads_of_16();
  draft.config["max_position_embeddings"] = 131072;
  draft.config["original_max_position_embeddings"] =
      4096;  // beside the scaling, as in Phi-3.5 and Phi-4-mini
  for (const char* type : {"longrope", "su"}) {
    draft.config["rope_scaling"] = longrope(type);
    expect_longrope(draft.plan(), 4096, 1.1902380714238083);
    EXPECT_EQ(draft.plan()->context_length, 131072);
  }
  draft.config.erase("original_max_position_embeddings");
  draft.config["rope_scaling"].get_object()["original_max_position_embeddings"] = 4096;
  expect_longrope(draft.plan(), 4096, 1.1902380714238083);
  draft.config["rope_scaling"].get_object()["attention_factor"] = 1.5;
  expect_longrope(draft.plan(), 4096, 1.5);
  draft.config["rope_scaling"].get_object()["short_mscale"] = 1.1;
  draft.config["rope_scaling"].get_object()["long_mscale"] = 1.2;
  EXPECT_EQ(draft.plan()->ropes[0].magnitude, 1.1);
  EXPECT_EQ(std::get<LongRope>(draft.plan()->ropes[0].by_context).magnitude, 1.2);
}

TEST(RopeScaling, LongRopeWithAFactorOfItsOwn) {
  HfDraft draft = with_heads_of_16();
  draft.config["rope_scaling"] = longrope("longrope");
  expect_longrope(draft.plan(), 64, 1.0);
  draft.config["rope_scaling"].get_object()["factor"] = 2.0;
  expect_longrope(draft.plan(), 64, 1.0801234497346435);
  EXPECT_EQ(draft.plan()->context_length, 128);
}

// Phi-4-mini turns three quarters of a head.
TEST(RopeScaling, LongRopeOfAPartOfAHead) {
  HfDraft draft = with_heads_of_16();
  draft.config["partial_rotary_factor"] = 0.75;
  draft.config["rope_scaling"] = {
      {"type", "longrope"}, {"short_factor", {1.0, 1, 1, 1, 1, 1}}, {"long_factor", {1.0, 2, 3, 4, 5, 6}}};
  const auto config = draft.plan();
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->rope_dim, 12);
  EXPECT_EQ(std::get<LongRope>(config->ropes[0].by_context).divisors,
            (std::vector<double>{1, 2, 3, 4, 5, 6}));
}

TEST(RopeScaling, LongRopeListsAreChecked) {
  const auto refused = [](std::string_view key, boost::json::value value) {
    HfDraft draft = with_heads_of_16();
    draft.config["rope_scaling"] = longrope("longrope");
    draft.config["rope_scaling"].get_object()[key] = std::move(value);
    const auto config = draft.plan();
    EXPECT_EQ(config.status().code(), StatusCode::kInvalidData);
    EXPECT_NE(config.status().message().find(key), std::string::npos) << config.status().message();
  };
  refused("short_factor", nullptr);
  refused("long_factor", {1.0, 1.0});
  refused("long_factor", {1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0});
  refused("short_factor", {1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, "1"});
  refused("long_factor", 8);
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
