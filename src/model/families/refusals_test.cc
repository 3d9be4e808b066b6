// Files that a family must refuse, naming the cause: missing, ill-shaped, absurd, or of a variant that would
// be computed wrongly. No shared models are needed.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "model/families/drafts_testing.h"

namespace cairn {
namespace {

void expect_refused(const Result<Config>& result, StatusCode code, const std::string& named) {
  ASSERT_FALSE(result.ok()) << "accepted, although " << named;
  EXPECT_EQ(result.status().code(), code) << result.status().message();
  EXPECT_NE(result.status().message().find(named), std::string::npos) << result.status().message();
}

TEST(GgufRefusals, TheDraftItselfIsAModel) {
  const auto config = GgufDraft().plan();
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->head_dim, 4);
  EXPECT_EQ(config->vocab_size, 10);
}

TEST(GgufRefusals, UnknownFamilyIsNamedBesideTheKnownOnes) {
  GgufDraft draft;
  draft.rename_architecture("mamba");
  expect_refused(draft.plan(), StatusCode::kUnsupported, "\"mamba\"");
  expect_refused(draft.plan(), StatusCode::kUnsupported,
                 "llama, mistral, qwen2, qwen3, gemma, gemma2, gemma3, gpt2, phi3");
}

TEST(GgufRefusals, EveryNeededKey) {
  for (const char* key :
       {"llama.block_count", "llama.context_length", "llama.embedding_length", "llama.feed_forward_length",
        "llama.attention.head_count", "llama.attention.layer_norm_rms_epsilon", "general.architecture"}) {
    GgufDraft draft;
    draft.erase(key);
    expect_refused(draft.plan(), StatusCode::kInvalidData, key);
  }
}

TEST(GgufRefusals, AbsurdNumbers) {
  const struct {
    const char* key;
    GgufSetting value;
  } cases[] = {
      {"llama.block_count", uint32_t{0}},
      {"llama.block_count", uint32_t{1025}},
      {"llama.block_count", std::numeric_limits<uint64_t>::max()},
      {"llama.block_count", int32_t{-2}},
      {"llama.block_count", std::string("two")},
      {"llama.embedding_length", uint32_t{0}},
      {"llama.embedding_length", uint64_t{1} << 62},
      {"llama.context_length", uint32_t{0}},
      {"llama.context_length", std::numeric_limits<uint32_t>::max()},
      {"llama.attention.head_count", uint32_t{0}},
      {"llama.attention.head_count", std::vector<uint32_t>{}},
      {"llama.attention.head_count_kv", uint32_t{0}},
      {"llama.attention.key_length", uint32_t{1024}},
      {"llama.attention.layer_norm_rms_epsilon", 0.0F},
      {"llama.attention.layer_norm_rms_epsilon", -1e-5F},
      {"llama.attention.layer_norm_rms_epsilon", std::numeric_limits<float>::quiet_NaN()},
      {"llama.attention.layer_norm_rms_epsilon", std::numeric_limits<float>::infinity()},
      {"llama.rope.freq_base", 0.0F},
      {"llama.rope.freq_base", std::numeric_limits<float>::quiet_NaN()},
      {"llama.rope.scaling.factor", -2.0F},
      {"llama.rope.scaling.factor", std::numeric_limits<float>::infinity()},
      {"llama.feed_forward_length", uint64_t{1} << 40},
  };
  for (const auto& c : cases) {
    GgufDraft draft;
    draft.set(c.key, c.value);
    expect_refused(draft.plan(), StatusCode::kInvalidData, c.key);
  }
}

TEST(GgufRefusals, NumbersThatDoNotFitEachOther) {
  GgufDraft heads;
  heads.set("llama.attention.head_count_kv", uint32_t{3});
  expect_refused(heads.plan(), StatusCode::kInvalidData, "is not a multiple of the KV head count 3");
  GgufDraft odd;
  odd.set("llama.rope.dimension_count", uint32_t{3});
  expect_refused(odd.plan(), StatusCode::kInvalidData, "dimension count 3 must be even");
  GgufDraft wide;
  wide.set("llama.rope.dimension_count", uint32_t{6});
  expect_refused(wide.plan(), StatusCode::kInvalidData, "dimension count 6");
  GgufDraft values;
  values.set("llama.attention.value_length", uint32_t{6});
  expect_refused(values.plan(), StatusCode::kUnsupported, "llama.attention.value_length");
  GgufDraft indivisible;
  indivisible.set("llama.attention.head_count", uint32_t{3});
  indivisible.erase("llama.attention.head_count_kv");
  expect_refused(indivisible.plan(), StatusCode::kInvalidData, "llama.attention.key_length");
}

TEST(GgufRefusals, EveryTensorMissingOrIllShaped) {
  for (const char* name :
       {"token_embd.weight", "output_norm.weight", "blk.0.attn_norm.weight", "blk.1.attn_q.weight",
        "blk.1.attn_k.weight", "blk.1.attn_v.weight", "blk.1.attn_output.weight", "blk.1.ffn_norm.weight",
        "blk.1.ffn_gate.weight", "blk.1.ffn_up.weight", "blk.1.ffn_down.weight"}) {
    GgufDraft missing;
    missing.erase_tensor(name);
    expect_refused(missing.plan(), StatusCode::kInvalidData, name);
    GgufDraft ill_shaped;
    ill_shaped.reshape(name, {5, 5});
    expect_refused(ill_shaped.plan(), StatusCode::kInvalidData, name);
  }
}

TEST(GgufRefusals, VariantsThatWouldBeComputedWrongly) {
  GgufDraft experts;
  experts.set("llama.expert_count", uint32_t{8});
  expect_refused(experts.plan(), StatusCode::kUnsupported, "llama.expert_count");
  GgufDraft both_ways;
  both_ways.set("llama.attention.causal", false);
  expect_refused(both_ways.plan(), StatusCode::kUnsupported, "llama.attention.causal");
  GgufDraft scaled;
  scaled.set("llama.logit_scale", 0.25F);
  expect_refused(scaled.plan(), StatusCode::kUnsupported, "llama.logit_scale");
  GgufDraft uneven;
  uneven.set("llama.attention.head_count_kv", std::vector<uint32_t>{1, 2});
  expect_refused(uneven.plan(), StatusCode::kUnsupported, "llama.attention.head_count_kv");
  GgufDraft stray;
  stray.add_tensor("blk.1.attn_sub_norm.weight", {8});
  expect_refused(stray.plan(), StatusCode::kUnsupported, "blk.1.attn_sub_norm.weight");
  GgufDraft more_layers;
  more_layers.set("llama.block_count", uint32_t{1});
  expect_refused(more_layers.plan(), StatusCode::kUnsupported, "blk.1.");
  GgufDraft quantised_vector;
  quantised_vector.erase_tensor("output_norm.weight");
  quantised_vector.set("llama.embedding_length", uint32_t{8});
  quantised_vector.add_tensor("output_norm.weight", {32}, TensorType::kQ8_0);
  expect_refused(quantised_vector.plan(), StatusCode::kInvalidData, "output_norm.weight");
}

TEST(GgufRefusals, RopeScalings) {
  GgufDraft by_key;
  by_key.set("llama.rope.scaling.type", std::string("longrope"));
  expect_refused(by_key.plan(), StatusCode::kInvalidData, "rope_factors_long.weight");
  GgufDraft ill_shaped;
  ill_shaped.add_tensor("rope_factors_long.weight", {3});
  expect_refused(ill_shaped.plan(), StatusCode::kInvalidData, "rope_factors_long.weight");
  GgufDraft short_alone;
  short_alone.add_tensor("rope_factors_short.weight", {2});
  expect_refused(short_alone.plan(), StatusCode::kUnsupported, "rope_factors_short.weight");
  GgufDraft unknown;
  unknown.set("llama.rope.scaling.type", std::string("spiral"));
  expect_refused(unknown.plan(), StatusCode::kUnsupported, "spiral");
  GgufDraft zero_divisors;  // the draft's tensors hold zeros
  zero_divisors.add_tensor("rope_freqs.weight", {2});
  expect_refused(zero_divisors.plan(), StatusCode::kInvalidData, "rope_freqs.weight");
}

TEST(GgufRefusals, QwenWithoutItsBiases) {
  GgufDraft draft;
  draft.rename_architecture("qwen2");
  expect_refused(draft.plan(), StatusCode::kInvalidData, "blk.0.attn_q.bias");
}

TEST(HfRefusals, TheDraftItselfIsAModel) {
  const auto config = HfDraft().plan();
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->kv_head_count, 1);
}

TEST(HfRefusals, UnknownFamilyOrTask) {
  HfDraft unknown;
  unknown.config["model_type"] = "mixtral";
  expect_refused(unknown.plan(), StatusCode::kUnsupported, "\"mixtral\"");
  HfDraft none;
  none.config.erase("model_type");
  expect_refused(none.plan(), StatusCode::kUnsupported, "model_type");
  HfDraft classifier;
  classifier.config["architectures"] = architectures("LlamaForSequenceClassification");
  expect_refused(classifier.plan(), StatusCode::kUnsupported, "LlamaForSequenceClassification");
  HfDraft no_list;
  no_list.config["architectures"] = "LlamaForCausalLM";
  expect_refused(no_list.plan(), StatusCode::kInvalidData, "architectures");
}

TEST(HfRefusals, MissingAndAbsurdFields) {
  for (const char* key : {"num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size",
                          "max_position_embeddings"}) {
    for (const boost::json::value& value :
         {boost::json::value(nullptr), boost::json::value(0), boost::json::value(-1),
          boost::json::value(1e300), boost::json::value("8"), boost::json::value(uint64_t{1} << 63),
          boost::json::value(int64_t{1} << 60)}) {
      HfDraft draft;
      draft.config[key] = value;
      expect_refused(draft.plan(), StatusCode::kInvalidData, key);
    }
  }
  for (const char* key : {"rms_norm_eps", "rope_theta", "vocab_size", "head_dim", "num_key_value_heads"}) {
    HfDraft draft;
    draft.config[key] = -1;
    expect_refused(draft.plan(), StatusCode::kInvalidData, key);
  }
}

TEST(HfRefusals, Variants) {
  HfDraft activation;
  activation.config["hidden_act"] = "relu";
  expect_refused(activation.plan(), StatusCode::kUnsupported, "hidden_act = relu");
  HfDraft quantised;
  quantised.config["quantization_config"] = {{"quant_method", "gptq"}};
  expect_refused(quantised.plan(), StatusCode::kUnsupported, "quantization_config: gptq");
  HfDraft bias;
  bias.config["attention_bias"] = true;
  expect_refused(bias.plan(), StatusCode::kInvalidData, "self_attn.q_proj.bias");
  HfDraft untied;
  untied.config["tie_word_embeddings"] = false;
  expect_refused(untied.plan(), StatusCode::kInvalidData, "lm_head.weight");
  HfDraft stray;
  stray.tensors["model.layers.0.self_attn.sinks"] = {2};
  expect_refused(stray.plan(), StatusCode::kUnsupported, "model.layers.0.self_attn.sinks");
  HfDraft rope;
  rope.config["rope_scaling"] = {{"type", "spiral"}, {"factor", 2.0}};
  expect_refused(rope.plan(), StatusCode::kUnsupported, "rope_type = spiral");
  expect_refused(rope.plan(), StatusCode::kUnsupported, "linear, dynamic, yarn, longrope, llama3");
  for (const char* type : {"longrope", "su"}) {
    rope.config["rope_scaling"] = {{"type", type}, {"factor", 2.0}};
    expect_refused(rope.plan(), StatusCode::kInvalidData, "short_factor");
  }
  HfDraft llama3;
  llama3.config["rope_scaling"] = {{"rope_type", "llama3"}, {"factor", 8.0}, {"low_freq_factor", 1.0}};
  expect_refused(llama3.plan(), StatusCode::kInvalidData, "high_freq_factor");
}

}  // namespace
}  // namespace cairn
