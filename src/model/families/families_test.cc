// The plan that each family makes of the shared models, of both kinds, and of settings that those models
// lack.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "files/gguf.h"
#include "files/hf_folder.h"
#include "model/families/drafts_testing.h"
#include "model/golden_testing.h"
#include "model/model_plan.h"

namespace cairn {
namespace {

struct Expected {
  const char* folder;
  int64_t layers, dim, heads, kv_heads, head_dim, ffn;
  bool tied;
  RopeStyle gguf_style;
  double rope_base;
  std::vector<int64_t> hf_windows;
  std::vector<int64_t> gguf_windows;
};

const std::vector<Expected> kExpected = {
    {"llama", 4, 64, 4, 2, 16, 80, false, RopeStyle::kAdjacent, 1e4, {0, 0, 0, 0}, {0, 0, 0, 0}},
    {"llama3-rope", 3, 64, 4, 2, 16, 80, true, RopeStyle::kAdjacent, 2e4, {0, 0, 0}, {0, 0, 0}},
    {"mistral", 3, 48, 4, 2, 16, 64, false, RopeStyle::kAdjacent, 1e4, {8, 8, 8}, {0, 0, 0}},
    {"qwen2", 3, 64, 4, 2, 16, 80, true, RopeStyle::kHalves, 1e6, {0, 0, 0}, {0, 0, 0}},
    {"qwen3", 3, 64, 4, 2, 32, 64, true, RopeStyle::kHalves, 1e6, {0, 0, 0}, {0, 0, 0}},
    {"gemma", 3, 64, 4, 1, 24, 72, true, RopeStyle::kHalves, 1e4, {0, 0, 0}, {0, 0, 0}},
    {"gemma2", 4, 48, 4, 2, 24, 72, true, RopeStyle::kHalves, 1e4, {8, 0, 8, 0}, {8, 0, 8, 0}},
    {"gemma3",
     7,
     48,
     4,
     1,
     16,
     64,
     true,
     RopeStyle::kHalves,
     1e6,
     {6, 6, 6, 6, 6, 0, 6},
     {6, 6, 6, 6, 6, 0, 6}},
    {"gpt2", 3, 48, 4, 4, 12, 192, true, RopeStyle::kNone, 0, {0, 0, 0}, {0, 0, 0}},
    {"phi3", 3, 48, 4, 2, 12, 80, false, RopeStyle::kHalves, 1e4, {0, 0, 0}, {0, 0, 0}},
};

class FamilyConfig : public testing::TestWithParam<Expected> {};

void expect_config(const ModelPlan& plan, const Expected& e, const std::vector<int64_t>& windows,
                   RopeStyle style) {
  const Config& c = plan.config;
  EXPECT_EQ(c.layer_count, e.layers);
  EXPECT_EQ(c.model_dim, e.dim);
  EXPECT_EQ(c.head_count, e.heads);
  EXPECT_EQ(c.kv_head_count, e.kv_heads);
  EXPECT_EQ(c.head_dim, e.head_dim);
  EXPECT_EQ(c.ffn_dim, e.ffn);
  EXPECT_EQ(c.vocab_size, 512);
  EXPECT_EQ(plan.output.has_value(), !e.tied);
  EXPECT_FLOAT_EQ(c.attention_scale, static_cast<float>(1 / std::sqrt(static_cast<double>(e.head_dim))));
  EXPECT_EQ(c.rope_style, style);
  if (style != RopeStyle::kNone) {
    EXPECT_EQ(c.ropes[0].base, e.rope_base);
    EXPECT_EQ(c.rope_dim, e.head_dim);
  }
  ASSERT_EQ(c.layers.size(), windows.size());
  for (size_t i = 0; i < windows.size(); ++i) EXPECT_EQ(c.layers[i].window, windows[i]) << "layer " << i;
  EXPECT_EQ(plan.layers.size(), windows.size());
}

TEST_P(FamilyConfig, IsReadFromGguf) {
  CAIRN_NEED_SHARED_MODELS(shared);
  auto file = GgufFile::open(shared + "/families/" + GetParam().folder + "/model.gguf");
  ASSERT_TRUE(file.ok()) << file.status().message();
  auto plan = plan_model(*file);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  expect_config(*plan, GetParam(), GetParam().gguf_windows, GetParam().gguf_style);
}

TEST_P(FamilyConfig, IsReadFromAHuggingFaceFolder) {
  CAIRN_NEED_SHARED_MODELS(shared);
  auto folder = HfFolder::open(shared + "/families/" + GetParam().folder + "/hf");
  ASSERT_TRUE(folder.ok()) << folder.status().message();
  auto plan = plan_model(*folder);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  const bool turns = GetParam().gguf_style != RopeStyle::kNone;
  expect_config(*plan, GetParam(), GetParam().hf_windows, turns ? RopeStyle::kHalves : RopeStyle::kNone);
}

INSTANTIATE_TEST_SUITE_P(All, FamilyConfig, testing::ValuesIn(kExpected), [](const auto& test) {
  std::string name = test.param.folder;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(SharedModels, GemmasHaveTheirOwnSettings) {
  CAIRN_NEED_SHARED_MODELS(shared);
  auto file = GgufFile::open(shared + "/families/gemma3/model.gguf");
  ASSERT_TRUE(file.ok());
  auto plan = plan_model(*file);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  const Config& c = plan->config;
  EXPECT_TRUE(c.qk_norm && c.post_norms);
  EXPECT_EQ(c.activation, Activation::kGeluTanh);
  EXPECT_FLOAT_EQ(c.embedding_scale, std::sqrt(48.0F));
  ASSERT_EQ(c.ropes.size(), 2U);
  EXPECT_EQ(c.ropes[1].base, 1e4);
  EXPECT_EQ(c.layers[0].rope, 1);
  EXPECT_EQ(c.layers[5].rope, 0);
  EXPECT_EQ(c.attention_soft_cap, 0);
}

TEST(Gguf27b, ScalesByTheWidthOfAHead) {
  GgufDraft draft;
  draft.rename_architecture("gemma2");
  draft.set("gemma2.block_count", uint32_t{46});
  draft.set("gemma2.attention.key_length", uint32_t{2});  // not 8 / 2
  for (int i = 0; i < 46; ++i) {
    const std::string prefix = "blk." + std::to_string(i) + ".";
    if (i < 2) {
      for (const char* name : {"attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_output.weight"}) {
        draft.erase_tensor(prefix + name);
      }
    }
    draft.add_tensor(prefix + "attn_q.weight", {4, 8});
    draft.add_tensor(prefix + "attn_k.weight", {2, 8});
    draft.add_tensor(prefix + "attn_v.weight", {2, 8});
    draft.add_tensor(prefix + "attn_output.weight", {8, 4});
    draft.add_tensor(prefix + "post_attention_norm.weight", {8});
    draft.add_tensor(prefix + "post_ffw_norm.weight", {8});
    if (i < 2) continue;
    draft.add_tensor(prefix + "attn_norm.weight", {8});
    draft.add_tensor(prefix + "ffn_norm.weight", {8});
    draft.add_tensor(prefix + "ffn_gate.weight", {6, 8});
    draft.add_tensor(prefix + "ffn_up.weight", {6, 8});
    draft.add_tensor(prefix + "ffn_down.weight", {8, 6});
  }
  const auto config = draft.plan();
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_FLOAT_EQ(config->attention_scale, 0.5F);
  EXPECT_EQ(config->layers[0].window, 4096);
  EXPECT_EQ(config->layers[1].window, 0);
  EXPECT_EQ(config->attention_soft_cap, 50);
  EXPECT_EQ(config->final_soft_cap, 30);
}

TEST(GgufSettings, ArraysThatDoNotVaryAndWindowsAreRead) {
  GgufDraft draft;
  draft.set("llama.attention.head_count_kv", std::vector<uint32_t>{1, 1});
  draft.set("llama.attention.sliding_window", uint32_t{16});
  draft.set("llama.rope.scaling.factor", 4.0F);
  draft.add_tensor("output.weight", {10, 8});
  draft.add_tensor("blk.0.attn_q.bias", {8});
  const auto config = draft.plan();
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->layers[1].window, 16);
  EXPECT_EQ(config->ropes[0].divisors, std::vector<double>({4.0, 4.0}));
}

TEST(HfSettings, QwenWindowsBeginAtALayer) {
  HfDraft draft;
  draft.config["model_type"] = "qwen2";
  draft.config["architectures"] = architectures("Qwen2ForCausalLM");
  draft.config["use_sliding_window"] = true;
  draft.config["sliding_window"] = 12;
  draft.config["max_window_layers"] = 1;
  for (const std::string prefix : {"model.layers.0.self_attn.", "model.layers.1.self_attn."}) {
    draft.tensors[prefix + "q_proj.bias"] = {8};
    draft.tensors[prefix + "k_proj.bias"] = {4};
    draft.tensors[prefix + "v_proj.bias"] = {4};
  }
  const auto config = draft.plan();
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->layers[0].window, 0);
  EXPECT_EQ(config->layers[1].window, 12);
}

TEST(HfSettings, ATiedOutputMayBeRepeated) {
  HfDraft draft;
  draft.config["tie_word_embeddings"] = true;
  draft.tensors["lm_head.weight"] = {10, 8};
  EXPECT_TRUE(draft.plan().ok());
}

// Gemma 3 as the multimodal folders have it: settings inside, names with a prefix, a vision tower beside.
TEST(HfSettings, Gemma3InsideAMultimodalFolder) {
  for (const std::string prefix : {"language_model.model.", "model.language_model."}) {
    HfDraft draft;
    boost::json::object text = draft.config;
    text.erase("architectures");
    text["model_type"] = "gemma3_text";
    text["head_dim"] = 4;
    text["sliding_window"] = 5;
    text["rope_scaling"] = {{"rope_type", "linear"}, {"factor", 8.0}};
    text.erase("vocab_size");
    draft.config = {{"model_type", "gemma3"},
                    {"architectures", architectures("Gemma3ForConditionalGeneration")},
                    {"text_config", text}};
    std::map<std::string, std::vector<int64_t>> tensors{{"vision_tower.x.weight", {3}}};
    for (const auto& [name, shape] : draft.tensors) tensors[prefix + name.substr(6)] = shape;
    for (const std::string layer : {"layers.0.", "layers.1."}) {
      tensors[prefix + layer + "self_attn.q_norm.weight"] = {4};
      tensors[prefix + layer + "self_attn.k_norm.weight"] = {4};
      tensors[prefix + layer + "pre_feedforward_layernorm.weight"] = {8};
      tensors[prefix + layer + "post_feedforward_layernorm.weight"] = {8};
    }
    draft.tensors = tensors;
    const auto config = draft.plan();
    ASSERT_TRUE(config.ok()) << config.status().message();
    EXPECT_EQ(config->ropes[0].divisors, std::vector<double>({8.0, 8.0}));
    EXPECT_EQ(config->ropes[0].base, 1e6);
    EXPECT_TRUE(config->ropes[1].divisors.empty());
    EXPECT_EQ(config->layers[1].window, 5);
    EXPECT_EQ(config->vocab_size, 10);
  }
}

// Published GPT-2 files lack the "transformer." prefix and carry the causal mask as a buffer.
TEST(HfSettings, Gpt2AsItWasPublished) {
  for (const std::string prefix : {"", "transformer."}) {
    HfDraft draft;
    draft.config = {{"model_type", "gpt2"}, {"n_layer", 1},     {"n_embd", 8},
                    {"n_head", 2},          {"n_positions", 4}, {"vocab_size", 10}};
    const std::string layer = prefix + "h.0.";
    draft.tensors = {{prefix + "wte.weight", {10, 8}},    {prefix + "wpe.weight", {4, 8}},
                     {prefix + "ln_f.weight", {8}},       {prefix + "ln_f.bias", {8}},
                     {layer + "ln_1.weight", {8}},        {layer + "ln_1.bias", {8}},
                     {layer + "ln_2.weight", {8}},        {layer + "ln_2.bias", {8}},
                     {layer + "attn.bias", {1, 1, 4, 4}}, {layer + "attn.c_attn.weight", {8, 24}},
                     {layer + "attn.c_attn.bias", {24}},  {layer + "attn.c_proj.weight", {8, 8}},
                     {layer + "attn.c_proj.bias", {8}},   {layer + "mlp.c_fc.weight", {8, 32}},
                     {layer + "mlp.c_fc.bias", {32}},     {layer + "mlp.c_proj.weight", {32, 8}},
                     {layer + "mlp.c_proj.bias", {8}}};
    const auto config = draft.plan();
    ASSERT_TRUE(config.ok()) << config.status().message();
    EXPECT_EQ(config->ffn_dim, 32);
    EXPECT_FLOAT_EQ(config->norm_eps, 1e-5F);
  }
}

}  // namespace
}  // namespace cairn
