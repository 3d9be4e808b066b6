// The laws where queries do not see all of the past: a model's own windows, and what a KV plan leaves of it.
#include <gtest/gtest.h>

#include "base/sanitizer_testing.h"
#include "engine/verify/laws.h"
#include "engine/verify/laws_testing.h"
#include "kv/kv_plan_lists.h"
#include "model/synth.h"

namespace cairn {
namespace {

std::shared_ptr<const Model> model_of(std::string_view shape) {
  return made_model(std::string(shape), TensorType::kF32, kernels_for(available_isas().back()));
}

// Blocks leave a window of 40 from position 103 on: two are kept behind it.
constexpr int64_t kPositions = kSanitized ? 108 : 140;

// Windows of some layers, longer than a block and shorter than the text; a shared span behind them.
TEST(Laws, HoldForWindowsInALongText) {
  for (const std::string shape : {"tiny-gemma3", "tiny-mistral"}) {
    SCOPED_TRACE(shape);
    const auto model = model_of(shape);
    const auto rows =
        rows_of(model, {.position_count = 300, .kv_plans = plans({"int4"}), .thread_counts = {1}});
    // Where every layer has a window, memory never runs out.
    shape == "tiny-mistral" ? expect_all_sound(rows) : expect_all_equal(rows);
  }
}

// What a plan leaves of the past: with and without sinks, in all layers or some, beside a model's own windows, with and
// without RoPE.
TEST(Laws, HoldForWhatAPlanLeavesOfThePast) {
  for (const std::string shape : {"tiny-llama", "tiny-gemma3", "tiny-gpt2"}) {
    SCOPED_TRACE(shape);
    const auto model = model_of(shape);
    LawOptions options{.position_count = 200, .thread_counts = {1, 2}};
    options.kv_plans =
        plans({"window=40", "int4,sinks=4,window=48", "layer 0: int8; rest: f16,sinks=33,window=64"});
    expect_all_sound(rows_of(model, options));
  }
}

TEST(Laws, HoldForSinksAndWindowsInEveryFamily) {
  for (const std::string_view shape : synth_shape_names()) {
    if (!shape.starts_with("tiny-") || shape == "tiny-256") continue;
    SCOPED_TRACE(shape);
    expect_all_sound(rows_of(
        model_of(shape),
        {.position_count = kPositions, .kv_plans = plans({"int4,sinks=4,window=40"}), .thread_counts = {1}}));
  }
}

TEST(Laws, HoldForSinksAndWindowsOfEveryCodec) {
  std::vector<KvPlan> forgetting;
  for (const KvPlan& plan : default_law_plans()) {
    const std::string text = plan.text();
    if (text.find_first_of(";=") != std::string::npos)
      continue;  // which are of more than one codec, or forget already
    forgetting.push_back(KvPlan::parse(text + ",sinks=4,window=40").value());
  }
  EXPECT_EQ(forgetting.size(), std::size(kKvFormats) + 4);  // and the integers row by row
  expect_all_sound(
      rows_of(model_of("tiny-llama"),
              {.position_count = kPositions, .kv_plans = std::move(forgetting), .thread_counts = {1}}));
}

}  // namespace
}  // namespace cairn
