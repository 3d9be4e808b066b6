#include "model/weight_sizes.h"

#include <gtest/gtest.h>

#include <boost/json/object.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/temporary_folder_testing.h"
#include "base/thread_pool.h"
#include "files/gguf.h"
#include "model/published_shapes.h"
#include "model/synth.h"
#include "model/weights.h"

namespace cairn {
namespace {

ModelPlan published(std::string_view name, TensorType type) {
  const auto config = published_config(name);
  EXPECT_TRUE(config.has_value()) << name;
  auto plan = plan_model(*config, type);
  EXPECT_TRUE(plan.ok()) << name << ": " << plan.status().message();
  return std::move(plan).value();
}

// Numbers of parameters as their authors give them, to the last one.
TEST(WeightSizes, CountsThePublishedModels) {
  struct Count {
    std::string_view name;
    uint64_t parameters;
  };
  for (const auto& [name, parameters] :
       {Count{"gpt2", 124'439'808}, Count{"llama2-7b", 6'738'415'616}, Count{"llama2-70b", 68'976'648'192},
        Count{"llama3-8b", 8'030'261'248}, Count{"qwen3-8b", 8'190'735'360}, Count{"qwen3-0.6b", 596'049'920},
        Count{"mistral-7b", 7'241'732'096}, Count{"gemma-2b", 2'506'172'416}}) {
    EXPECT_EQ(weight_sizes(published(name, TensorType::kF16)).parameter_count, parameters) << name;
  }
  // 175 and 30 billion, in words.
  EXPECT_NEAR(static_cast<double>(weight_sizes(published("gpt3", TensorType::kF16)).parameter_count), 175e9,
              1e9);
  EXPECT_NEAR(static_cast<double>(weight_sizes(published("opt-30b", TensorType::kF16)).parameter_count), 30e9,
              2e8);
}

TEST(WeightSizes, AreThoseThatLoadingTakes) {
  const TemporaryFolder folder;
  ThreadPool threads(1);
  for (const std::string_view name : synth_shape_names()) {
    if (!name.starts_with("tiny")) continue;
    const std::string path = folder.path() + "/" + std::string(name);
    ASSERT_TRUE(write_synthetic_model({.shape = std::string(name), .type = TensorType::kQ4_0}, path).ok());
    const auto file = GgufFile::open(path);
    ASSERT_TRUE(file.ok());
    const auto plan = plan_model(*file);
    ASSERT_TRUE(plan.ok()) << plan.status().message();
    uint64_t released = 0;
    const auto weights = load_weights(
        *plan, threads,
        {.release = [&](std::span<const std::byte> bytes) { released += bytes.size(); }, .progress = {}});
    ASSERT_TRUE(weights.ok());
    const WeightSizes sizes = weight_sizes(*plan);
    EXPECT_EQ(weights->memory.bytes(), sizes.packed_bytes) << name;
    EXPECT_EQ(weights->decode_file_bytes, sizes.stored_bytes) << name;
    EXPECT_EQ(released, sizes.stored_bytes) << name;
    // As if stored so: the same as stored so.
    EXPECT_EQ(weight_sizes(*plan, TensorType::kQ4_0).packed_bytes, sizes.packed_bytes) << name;
    EXPECT_LT(weight_sizes(*plan, TensorType::kQ4_0).packed_bytes,
              weight_sizes(*plan, TensorType::kF16).packed_bytes);
  }
}

TEST(WeightSizes, OfImaginedMatricesAreOfTheTypeAskedForOrOneThatFits) {
  const ModelPlan f16 = published("gpt2", TensorType::kF16);
  EXPECT_EQ(weight_sizes(f16, TensorType::kQ8_0).packed_bytes,
            weight_sizes(published("gpt2", TensorType::kQ8_0)).packed_bytes);
  EXPECT_EQ(fitting_type(TensorType::kQ4_K, 2048), TensorType::kQ4_K);
  EXPECT_EQ(fitting_type(TensorType::kQ4_K, 576), TensorType::kQ8_0);
  EXPECT_EQ(fitting_type(TensorType::kQ4_0, 100), TensorType::kF16);
}

TEST(WeightSizes, CountFewerKeysAndValuesWhereMoreHeadsAreShared) {
  const ModelPlan plan = published("llama2-7b", TensorType::kF16);
  const auto shared = with_kv_heads(plan, 8);
  ASSERT_TRUE(shared.ok());
  EXPECT_EQ(shared->config.kv_head_count, 8);
  // Two matrices of 24 heads fewer, in each layer.
  EXPECT_EQ(weight_sizes(plan).packed_bytes - weight_sizes(*shared).packed_bytes,
            2ULL * 32 * (24 * 128) * 4096 * 2);
  EXPECT_EQ(
      with_kv_heads(plan, 5).status().message(),
      "5 KV heads cannot be shared by 32 query heads: their number must divide it (1, 2, 4, 8, 16, 32)");
  EXPECT_FALSE(with_kv_heads(plan, 0).ok());
}

TEST(PlanOfAConfigAlone, SaysWhatIsMissing) {
  boost::json::object config = *published_config("llama3-8b");
  config.erase("vocab_size");
  const auto plan = plan_model(config, TensorType::kF16);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_EQ(plan->config.vocab_size, 32000);
  ASSERT_EQ(plan->notes.size(), 1U);
  EXPECT_NE(plan->notes[0].find("no vocab_size"), std::string::npos) << plan->notes[0];
  config.erase("hidden_size");
  EXPECT_FALSE(plan_model(config, TensorType::kF16).ok());
  EXPECT_FALSE(plan_model(boost::json::object{{"model_type", "t5"}}, TensorType::kF16).ok());
}

}  // namespace
}  // namespace cairn
