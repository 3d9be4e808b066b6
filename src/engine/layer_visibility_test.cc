#include "engine/layer_visibility.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace cairn {
namespace {

constexpr int64_t kContext = 32768;
constexpr Visibility kAll{};
using Layers = std::vector<Visibility>;

Visibility window_of(int64_t window) { return {.window = window}; }
Visibility stream_of(int64_t sinks, int64_t window) { return {.window = window, .sinks = sinks}; }

// Of layers with these windows of their own.
Config model_of(const std::vector<int64_t>& windows) {
  Config config;
  config.layer_count = std::ssize(windows);
  config.head_dim = 64;
  for (const int64_t window : windows) config.layers.push_back({.window = window});
  return config;
}

Config llama() { return model_of({0, 0, 0, 0}); }
Config mistral() { return model_of({4096, 4096, 4096, 4096}); }
Config gemma() { return model_of({512, 512, 0, 512}); }

Layers seen(const Config& config, const char* plan, int64_t context = kContext) {
  const auto layers = layer_visibility(config, *KvPlan::parse(plan), context);
  EXPECT_TRUE(layers.ok()) << layers.status().message();
  return *layers;
}

TEST(LayerVisibility, WithoutARetentionIsTheModelsOwn) {
  EXPECT_EQ(seen(llama(), "int8"), (Layers{kAll, kAll, kAll, kAll}));
  EXPECT_EQ(seen(mistral(), "f16"), Layers(4, window_of(4096)));
  EXPECT_EQ(seen(gemma(), "k=int8,v=int4"), (Layers{window_of(512), window_of(512), kAll, window_of(512)}));
}

TEST(LayerVisibility, ALayerWithoutAWindowTakesTheRetention) {
  EXPECT_EQ(seen(llama(), "window=1024"), Layers(4, window_of(1024)));
  EXPECT_EQ(seen(llama(), "sinks=4,window=1024"), Layers(4, stream_of(4, 1024)));
}

TEST(LayerVisibility, ANarrowerOrEqualWindowOfTheModelStaysWithoutSinks) {
  for (const char* plan : {"window=512", "sinks=4,window=512", "sinks=256,window=1024"}) {
    const Layers layers = seen(gemma(), plan);
    const Visibility retention = (*KvPlan::parse(plan)->resolve(1, 64))[0].retention;
    EXPECT_EQ(layers, (Layers{window_of(512), window_of(512), retention, window_of(512)})) << plan;
  }
  EXPECT_EQ(seen(mistral(), "sinks=1,window=4096"), Layers(4, window_of(4096)));
}

TEST(LayerVisibility, ANarrowerRetentionReplacesTheModelsWindow) {
  EXPECT_EQ(seen(gemma(), "window=511"), Layers(4, window_of(511)));
  EXPECT_EQ(seen(mistral(), "sinks=4,window=4095"), Layers(4, stream_of(4, 4095)));
  EXPECT_EQ(seen(mistral(), "window=1"), Layers(4, window_of(1)));
}

TEST(LayerVisibility, GoesByThePlansRules) {
  EXPECT_EQ(seen(llama(), "layers 0-1: f16,sinks=4,window=1024; rest: int8"),
            (Layers{stream_of(4, 1024), stream_of(4, 1024), kAll, kAll}));
  EXPECT_EQ(seen(gemma(), "layer 2: sinks=4,window=2048; layer 0: window=64; rest: f16"),
            (Layers{window_of(64), window_of(512), stream_of(4, 2048), window_of(512)}));
}

// A window that is as long as the text cuts nothing off; one position less does.
TEST(LayerVisibility, AWindowThatNoTextOutgrowsIsNone) {
  EXPECT_EQ(seen(mistral(), "f16", 4096), Layers(4, kAll));
  EXPECT_EQ(seen(mistral(), "f16", 4097), Layers(4, window_of(4096)));
  EXPECT_EQ(seen(llama(), "window=1073741792"), Layers(4, kAll));
  EXPECT_EQ(seen(llama(), "window=32767"), Layers(4, window_of(32767)));
  EXPECT_EQ(seen(gemma(), "sinks=4,window=1024", 512), (Layers{kAll, kAll, stream_of(4, 1024), kAll}));
  EXPECT_EQ(seen(gemma(), "window=100", 100), Layers(4, kAll));
}

TEST(LayerVisibility, SinksStayHoweverWideTheWindow) {
  EXPECT_EQ(seen(llama(), "sinks=4,window=32768"), Layers(4, stream_of(4, 32768)));
  EXPECT_EQ(seen(llama(), "sinks=4,window=32764"), Layers(4, stream_of(4, 32764)));
}

TEST(LayerVisibility, ReportsAPlanThatDoesNotFitTheModel) {
  const auto layers = layer_visibility(llama(), *KvPlan::parse("layers 0-4: window=8"), kContext);
  ASSERT_FALSE(layers.ok());
  EXPECT_EQ(layers.status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(layers.status().message(),
            "KV plan: there is no layer 4; this model has 4 layers, 0 to 3 (or -4 to -1, from the end)");
  EXPECT_FALSE(layer_visibility(llama(), *KvPlan::parse("layer 0: window=8"), kContext).ok());
}

TEST(LayerVisibility, TheLargestReachIsThatOfTheWidestLayer) {
  EXPECT_EQ(largest_reach(seen(llama(), "f16"), kContext), kContext);
  EXPECT_EQ(largest_reach(seen(gemma(), "f16"), kContext), kContext);
  EXPECT_EQ(largest_reach(seen(gemma(), "window=1024"), kContext), 1024);
  EXPECT_EQ(largest_reach(seen(gemma(), "sinks=4,window=1024"), kContext), 1028);
  EXPECT_EQ(largest_reach(seen(gemma(), "sinks=4,window=508"), kContext), 512);
  EXPECT_EQ(largest_reach(seen(mistral(), "f16"), kContext), 4096);
  EXPECT_EQ(largest_reach(seen(mistral(), "f16"), 4000), 4000);
  EXPECT_EQ(largest_reach(seen(llama(), "sinks=4,window=1024"), 1000), 1000);
  EXPECT_EQ(largest_reach(seen(llama(), "layer 1: window=9; rest: sinks=1,window=5"), kContext), 9);
}

// Against the definition: the most that any query is away from a key that it sees, as it stands to it, and one.
TEST(LayerVisibility, TheReachIsOneMoreThanTheLargestDistance) {
  for (const char* plan :
       {"f16", "window=1", "window=7", "sinks=3,window=7", "sinks=5,window=1", "sinks=3,window=60"}) {
    for (const int64_t context : {1, 2, 6, 7, 8, 9, 10, 11, 50}) {
      const Visibility layer = seen(model_of({0}), plan, context)[0];
      int64_t largest = 0;
      for (int64_t position = 0; position < context; ++position) {
        const auto recent = layer.recent_range(position);
        if (recent.begin < recent.end) largest = std::max(largest, position - recent.begin);
        if (layer.sinks > 0) largest = std::max(largest, layer.sink_query_position(position));
      }
      EXPECT_EQ(largest_reach(Layers{layer}, context), largest + 1) << plan << " in " << context;
    }
  }
}

}  // namespace
}  // namespace cairn
