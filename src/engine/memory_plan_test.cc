#include "engine/memory_plan.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "base/temporary_folder_testing.h"
#include "base/thread_pool.h"
#include "files/gguf.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "model/published_shapes.h"
#include "model/synth.h"

namespace cairn {
namespace {

constexpr uint64_t kGiB = uint64_t{1} << 30;

ModelSizes published(std::string_view name) {
  const auto plan = plan_model(*published_config(name), TensorType::kF16);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return {plan->config, weight_sizes(*plan)};
}

MemoryWish wish_of(int64_t context, int64_t sequences, std::string_view kv = "f16") {
  MemoryWish wish;
  wish.engine.context = context;
  wish.engine.max_sequences = sequences;
  const auto plan = KvPlan::parse(kv);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  wish.engine.kv_plan = *plan;
  return wish;
}

MemoryPlan planned(std::string_view name, const MemoryWish& wish) {
  const auto plan = plan_memory(published(name), wish);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return *plan;
}

TEST(MemoryPlan, ReproducesWorkedExamples) {
  struct Example {
    std::string_view name;
    int64_t context;
    int64_t sequences;
    uint64_t kv_bytes;
  };
  for (const Example& example :
       {Example{"gpt2", 1024, 1, 37'748'736}, Example{"gpt2", 4096, 1, 144U << 20U},
        Example{"llama2-7b", 4096, 1, 2 * kGiB}, Example{"llama2-70b", 4096, 1, kGiB + kGiB / 4},
        Example{"gpt3", 2048, 1, 9'663'676'416}, Example{"gpt3", 4096, 1, 18 * kGiB},
        Example{"gpt3", 2048, 8, 77'309'411'328}, Example{"opt-30b", 1024, 128, 180'388'626'432}}) {
    const MemoryPlan plan = planned(example.name, wish_of(example.context, example.sequences));
    EXPECT_EQ(plan.kv_bytes, example.kv_bytes) << example.name;
    EXPECT_EQ(plan.total_bytes(), plan.base_bytes() + plan.kv_bytes + plan.work_bytes());
    EXPECT_EQ(plan.work_bytes(), plan.open_bytes + plan.step_bytes + plan.sampling_bytes + plan.event_bytes);
  }
  // Three times its weights.
  const MemoryPlan opt = planned("opt-30b", wish_of(1024, 128));
  EXPECT_NEAR(static_cast<double>(opt.weights_bytes), 60e9, 0.5e9);
  EXPECT_NEAR(static_cast<double>(opt.kv_bytes) / static_cast<double>(opt.weights_bytes), 3.0, 0.02);
}

TEST(MemoryPlan, KeepsASharedPrefixOnce) {
  const ModelSizes model = published("llama3-8b");
  const KvGeometry geometry = *KvGeometry::make(*kv_shape_of(model.config, KvPlan(), 2048 + 64));
  MemoryWish wish = wish_of(2048 + 64, 32);
  const MemoryPlan apart = *plan_memory(model, wish);
  wish.shared_prefix = 2048;
  const MemoryPlan together = *plan_memory(model, wish);
  EXPECT_EQ(apart.kv_bytes - together.kv_bytes, 31 * (2048 / kBlockSize) * geometry.block_bytes());
  EXPECT_EQ(together.kv_bytes, (2048 / kBlockSize + 32 * 2) * geometry.block_bytes());
  // Only full blocks are shared, and never the one with a sequence's last position.
  EXPECT_EQ(shared_blocks(2047, 4096), 63);
  EXPECT_EQ(shared_blocks(2048, 2048), 63);
  EXPECT_EQ(shared_blocks(0, 2048), 0);
}

TEST(MemoryPlan, LimitsAreTheLargestThatFit) {
  const ModelSizes model = published("llama3-8b");
  const MemoryWish wish = wish_of(4096, 4, "int8");
  const uint64_t available = 24 * kGiB;
  const MemoryLimits limits = *memory_limits(model, wish, available, 131072);
  const auto total = [&](int64_t context, int64_t sequences) {
    return plan_memory(model, wish_of(context, sequences, "int8"))->total_bytes();
  };
  ASSERT_GT(limits.longest_context, 4096);
  EXPECT_LE(total(limits.longest_context, 4), available);
  EXPECT_GT(total(limits.longest_context + 1, 4), available);
  EXPECT_LE(total(4096, limits.most_sequences), available);
  EXPECT_GT(total(4096, limits.most_sequences + 1), available);
  const MemoryLimits none = *memory_limits(model, wish, kGiB, 131072);
  EXPECT_EQ(none.longest_context, 0);
  EXPECT_EQ(none.most_sequences, 0);
}

TEST(MemoryPlan, RefusesWithThreeWaysOut) {
  const ModelSizes model = published("llama2-7b");
  EXPECT_TRUE(refuse_unless_fits(model, wish_of(4096, 8), 64 * kGiB).ok());
  const Status status = refuse_unless_fits(model, wish_of(4096, 8), 24 * kGiB);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted);
  const std::string& words = status.message();
  for (const char* part : {"this takes ", "weights 12.", "keys and values 16.00 GiB", "24.00 GiB are free",
                           "a shorter context (`context` ", "a smaller codec (`kv_plan` int8 takes ",
                           "fewer sequences (`max_sequences` "}) {
    EXPECT_NE(words.find(part), std::string::npos) << part << " is not in: " << words;
  }
  const Status alone = refuse_unless_fits(model, wish_of(4096, 1), 14 * kGiB);
  EXPECT_NE(alone.message().find("a shorter context"), std::string::npos) << alone.message();
  EXPECT_EQ(alone.message().find("sequences"), std::string::npos) << alone.message();  // one is the least
  MemoryWish fixed = wish_of(4096, 8);
  fixed.engine.pool_bytes = 16 * kGiB;
  const Status pool = refuse_unless_fits(model, fixed, 24 * kGiB);
  EXPECT_NE(pool.message().find("Way out: `kv_memory_bytes` of at most "), std::string::npos)
      << pool.message();
  const Status weights = refuse_unless_fits(model, wish_of(4096, 8), 8 * kGiB);
  EXPECT_NE(weights.message().find("the weights alone do not fit"), std::string::npos) << weights.message();
}

TEST(MemoryPlan, RefusesWhatNoEngineCanHave) {
  const ModelSizes model = published("gpt2");
  for (const MemoryWish& wish : {wish_of(0, 1), wish_of(1024, 0), wish_of(1024, 1 << 20), wish_of(-5, 1),
                                 wish_of(1024, 1, "f16; layers 3-12: int8"), wish_of(int64_t{1} << 40, 1)}) {
    EXPECT_EQ(plan_memory(model, wish).status().code(), StatusCode::kInvalidArgument);
  }
}

// What is called exact is what the running engine has, to the byte.
TEST(MemoryPlan, IsTheEnginesOwn) {
  const TemporaryFolder folder;
  ThreadPool threads(2);
  for (const std::string_view shape : {"tiny-llama", "tiny-gemma3", "tiny-gpt2"}) {
    const std::string path = folder.at(shape);
    ASSERT_TRUE(write_synthetic_model({.shape = std::string(shape)}, path).ok());
    const auto file = GgufFile::open(path);  // the plan points into it
    ASSERT_TRUE(file.ok()) << file.status().message();
    const ModelPlan model_plan = *plan_model(*file);
    const ModelSizes sizes{model_plan.config, weight_sizes(model_plan)};
    const auto kernels = select_kernels(std::nullopt);
    const auto model = Model::load(path, **kernels, threads);
    ASSERT_TRUE(model.ok()) << model.status().message();
    for (const std::string_view kv :
         {"f32", "f16", "int8", "int4", "int3", "layers 0-1: f16; rest: int4:channel", "window=33",
          "int4,sinks=4,window=48", "layer 0: f16,sinks=33,window=64; rest: int8"}) {
      for (const KvStorageKind storage :
           {KvStorageKind::kPaged, KvStorageKind::kContiguous, KvStorageKind::kNone}) {
        MemoryWish wish = wish_of(200, 3, kv);
        wish.engine.storage = storage;
        wish.engine.prefill_chunk = 64;
        wish.thread_count = threads.thread_count();
        const auto plan = plan_memory(sizes, wish);
        ASSERT_TRUE(plan.ok()) << plan.status().message();
        const auto engine = Engine::create(*model, threads, wish.engine);
        ASSERT_TRUE(engine.ok()) << engine.status().message();
        EXPECT_EQ((*engine)->cache().pool_bytes(), plan->kv_bytes + plan->resume_bytes)
            << shape << ", " << kv;
        EXPECT_EQ((*engine)->cache().open_bytes(), plan->open_bytes) << shape << ", " << kv;
        EXPECT_EQ((*engine)->pass().work_bytes(), plan->step_bytes) << shape << ", " << kv;
        EXPECT_EQ((*engine)->events().bytes() + (*engine)->cache().events().bytes(), plan->event_bytes);
      }
    }
  }
}

}  // namespace
}  // namespace cairn
