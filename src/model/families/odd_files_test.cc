// Files that their makers wrote in other ways than most, and that run all the same, with a note where something was
// assumed.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

#include "model/families/drafts_testing.h"

namespace cairn {
namespace {

std::vector<int64_t> windows_of(const Result<Config>& config) {
  EXPECT_TRUE(config.ok()) << config.status().message();
  std::vector<int64_t> windows;
  if (config.ok()) {
    for (const LayerConfig& layer : config->layers) windows.push_back(layer.window);
  }
  return windows;
}

void expect_note(const std::vector<std::string>& notes, const std::string& part) {
  ASSERT_EQ(notes.size(), 1U) << part;
  EXPECT_NE(notes[0].find(part), std::string::npos) << notes[0];
}

// Two layers, as the draft has; they become what the family adds.
GgufDraft gemma3() {
  GgufDraft draft;
  draft.rename_architecture("gemma3");
  for (const std::string prefix : {"blk.0.", "blk.1."}) {
    draft.add_tensor(prefix + "attn_q_norm.weight", {4});
    draft.add_tensor(prefix + "attn_k_norm.weight", {4});
    draft.add_tensor(prefix + "post_attention_norm.weight", {8});
    draft.add_tensor(prefix + "post_ffw_norm.weight", {8});
  }
  draft.set("gemma3.attention.sliding_window", uint32_t{6});
  return draft;
}

TEST(OddGguf, GemmasPatternIsANumberOrAList) {
  GgufDraft draft = gemma3();
  EXPECT_EQ(windows_of(draft.plan()), (std::vector<int64_t>{6, 6}));  // every sixth sees all
  draft.set("gemma3.attention.sliding_window_pattern", uint32_t{2});
  EXPECT_EQ(windows_of(draft.plan()), (std::vector<int64_t>{6, 0}));
  draft.set("gemma3.attention.sliding_window_pattern", std::vector<bool>{false, true});
  EXPECT_EQ(windows_of(draft.plan()), (std::vector<int64_t>{0, 6}));
  EXPECT_EQ(draft.plan()->layers[1].rope, 1);
  EXPECT_EQ(draft.plan()->layers[0].rope, 0);
  draft.set("gemma3.attention.sliding_window_pattern", std::vector<uint32_t>{1, 0});
  EXPECT_EQ(windows_of(draft.plan()), (std::vector<int64_t>{6, 0}));
  EXPECT_TRUE(draft.notes().empty());
  draft.set("gemma3.attention.sliding_window_pattern", std::vector<bool>{true});
  EXPECT_NE(draft.plan().status().message().find("sliding_window_pattern has 1 entries for 2 layers"),
            std::string::npos);
  draft.set("gemma3.attention.sliding_window_pattern", std::string("odd"));
  EXPECT_FALSE(draft.plan().ok());
}

TEST(OddGguf, Gemma3WithoutAWindowGetsThatOfItsSize) {
  GgufDraft draft = gemma3();
  draft.erase("gemma3.attention.sliding_window");
  EXPECT_EQ(windows_of(draft.plan()), (std::vector<int64_t>{512, 512}));
  expect_note(draft.notes(), "512 is assumed");
}

TEST(OddGguf, Gemma3OfAnotherConverter) {
  GgufDraft draft = gemma3();
  draft.set("gemma3.rope.local.freq_base", 20000.0F);
  draft.set("gemma3.rope.global.freq_base", 3000000.0F);
  draft.add_tensor("v.blk.0.attn_q.weight", {2, 2});
  draft.add_tensor("mm.mm_input_projection.weight", {2, 2});
  const auto config = draft.plan();
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->ropes[0].base, 3e6);
  EXPECT_EQ(config->ropes[1].base, 2e4);
}

TEST(OddGguf, MistralIsAnArchitectureToo) {
  GgufDraft draft;
  draft.rename_architecture("mistral");
  const auto config = draft.plan();
  ASSERT_TRUE(config.ok()) << config.status().message();
  EXPECT_EQ(config->rope_style, RopeStyle::kAdjacent);  // rows as a llama file has them
  EXPECT_EQ(windows_of(config), (std::vector<int64_t>{0, 0}));
  expect_note(draft.notes(), "names no sliding window");
  draft.set("mistral.attention.sliding_window", uint32_t{16});
  EXPECT_EQ(windows_of(draft.plan()), (std::vector<int64_t>{16, 16}));
  EXPECT_TRUE(draft.notes().empty());
}

TEST(OddGguf, ALlamaThatIsAMistralSaysSo) {
  GgufDraft draft;
  draft.set("general.name", std::string("Mistral 7B Instruct v0.1"));
  expect_note(draft.notes(), "names no sliding window");
  draft.set("llama.rope.freq_base", 1000000.0F);  // a later one, which has none
  EXPECT_TRUE(draft.notes().empty());
}

TEST(OddFolders, MistralsWindowIsSaid) {
  HfDraft draft;
  draft.config["model_type"] = "mistral";
  draft.config["architectures"] = architectures("MistralForCausalLM");
  draft.config["sliding_window"] = 16;
  EXPECT_EQ(windows_of(draft.plan()), (std::vector<int64_t>{16, 16}));
  expect_note(draft.notes(), "the last 16 positions");
  draft.config["sliding_window"] = nullptr;
  EXPECT_EQ(windows_of(draft.plan()), (std::vector<int64_t>{0, 0}));
  EXPECT_TRUE(draft.notes().empty());
}

TEST(OddFolders, TiedWeightsMayBeSavedAsTheOutputAlone) {
  for (const boost::json::value& tied : {boost::json::value(true), boost::json::value(nullptr)}) {
    HfDraft draft;
    draft.config["tie_word_embeddings"] = tied;
    draft.tensors["lm_head.weight"] = draft.tensors.at("model.embed_tokens.weight");
    draft.tensors.erase("model.embed_tokens.weight");
    const auto config = draft.plan();
    ASSERT_TRUE(config.ok()) << config.status().message();
    EXPECT_EQ(config->vocab_size, 10);
    expect_note(draft.notes(), "lm_head.weight serves for both");
  }
  HfDraft untied;
  untied.config["tie_word_embeddings"] = false;
  untied.tensors["lm_head.weight"] = {10, 8};
  untied.tensors.erase("model.embed_tokens.weight");
  EXPECT_NE(untied.plan().status().message().find("model.embed_tokens.weight"), std::string::npos);
  GgufDraft gguf;
  gguf.erase_tensor("token_embd.weight");
  gguf.add_tensor("output.weight", {10, 8});
  EXPECT_TRUE(gguf.plan().ok());
}

Result<ModelPlan> plan_of(std::string_view config) {
  return plan_model(boost::json::parse(config).as_object(), TensorType::kF16);
}

// Inside text_config, files omit whatever transformers has a default for.
TEST(SparseConfigs, Gemma3InsideAMultimodalConfig) {
  const auto plan = plan_of(R"({"model_type": "gemma3", "text_config": {"model_type": "gemma3_text",
    "hidden_size": 2560, "intermediate_size": 10240, "num_hidden_layers": 34, "sliding_window": 1024,
    "rope_scaling": {"factor": 8.0, "rope_type": "linear"}}})");
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  const Config& c = plan->config;
  EXPECT_EQ(c.vocab_size, 262208);
  EXPECT_EQ(c.head_count, 8);
  EXPECT_EQ(c.kv_head_count, 4);
  EXPECT_EQ(c.head_dim, 256);
  EXPECT_EQ(c.context_length, 131072);
  EXPECT_EQ(c.layers[5].window, 0);
  EXPECT_EQ(c.layers[6].window, 1024);
  EXPECT_EQ(c.ropes[0].base, 1e6);
  EXPECT_FALSE(plan->output.has_value());
  expect_note(plan->notes, "262208");
  const auto empty = plan_of(R"({"model_type": "gemma3", "text_config": {}})");
  ASSERT_TRUE(empty.ok()) << empty.status().message();
  EXPECT_EQ(empty->config.layer_count, 26);
  EXPECT_EQ(empty->config.model_dim, 2304);
  EXPECT_EQ(empty->config.ffn_dim, 9216);
}

Result<ModelPlan> gemma3_with(std::string_view key, std::string_view value) {
  auto config =
      boost::json::parse(R"({"model_type": "gemma3_text", "hidden_size": 64, "intermediate_size": 64,
    "num_hidden_layers": 3, "sliding_window": 6})")
          .as_object();
  config[key] = boost::json::parse(value);
  return plan_model(config, TensorType::kF16);
}

TEST(OddFolders, GemmasPatternIsANumberOrAList) {
  const auto windows = [](std::string_view pattern) {
    return windows_of(gemma3_with("sliding_window_pattern", pattern)->config);
  };
  EXPECT_EQ(windows("2"), (std::vector<int64_t>{6, 0, 6}));
  EXPECT_EQ(windows("[true, true, false]"), (std::vector<int64_t>{6, 6, 0}));
  EXPECT_EQ(windows("[0, 1, 0]"), (std::vector<int64_t>{0, 6, 0}));
  for (const char* wrong : {"[true]", "[]", "[true, false, null]", "[1, 2, 0]"}) {
    const auto plan = gemma3_with("sliding_window_pattern", wrong);
    EXPECT_NE(plan.status().message().find("sliding_window_pattern is neither"), std::string::npos) << wrong;
  }
}

TEST(OddFolders, GemmasRopesOfEachKindOfLayer) {
  for (const char* key : {"rope_parameters", "rope_scaling"}) {
    const auto plan = gemma3_with(key, R"({
      "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 2e6},
      "sliding_attention": {"rope_type": "default", "rope_theta": 3e4}})");
    ASSERT_TRUE(plan.ok()) << plan.status().message();
    EXPECT_EQ(plan->config.ropes[0].base, 2e6);
    EXPECT_EQ(plan->config.ropes[0].divisors.front(), 8.0);
    EXPECT_EQ(plan->config.ropes[1].base, 3e4);
    EXPECT_TRUE(plan->config.ropes[1].divisors.empty());
    EXPECT_FALSE(gemma3_with(key, R"({"full": {"rope_type": "linear", "factor": 8.0}})").ok());
    EXPECT_FALSE(gemma3_with(key, R"({"full_attention": {"factor": 8.0}})").ok());
  }
}

TEST(SparseConfigs, EachFamilyHasItsUsualVocabulary) {
  const std::pair<const char*, int64_t> expected[] = {
      {"llama", 32000},  {"mistral", 32000}, {"qwen2", 151936}, {"qwen3", 151936},
      {"gemma", 256000}, {"gemma2", 256000}, {"phi3", 32064},   {"gemma3_text", 262208}};
  for (const auto& [model_type, vocab_size] : expected) {
    boost::json::object config{
        {"model_type", model_type}, {"num_hidden_layers", 2},       {"hidden_size", 64},
        {"intermediate_size", 64},  {"num_attention_heads", 16},    {"num_key_value_heads", 2},
        {"head_dim", 16},           {"max_position_embeddings", 64}};
    const auto plan = plan_model(config, TensorType::kF16);
    ASSERT_TRUE(plan.ok()) << model_type << ": " << plan.status().message();
    EXPECT_EQ(plan->config.vocab_size, vocab_size) << model_type;
    expect_note(plan->notes, std::to_string(vocab_size));
    config["vocab_size"] = 100;
    EXPECT_TRUE(plan_model(config, TensorType::kF16)->notes.empty()) << model_type;
  }
  const auto gpt2 =
      plan_of(R"({"model_type": "gpt2", "n_layer": 1, "n_embd": 8, "n_head": 2, "n_positions": 4})");
  ASSERT_TRUE(gpt2.ok()) << gpt2.status().message();
  EXPECT_EQ(gpt2->config.vocab_size, 50257);
}

}  // namespace
}  // namespace cairn
