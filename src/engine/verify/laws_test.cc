// The check of the laws: what is sound passes it in every way. Planted faults: faults_test.cc.
#include "engine/verify/laws.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <set>

#include "base/sanitizer_testing.h"
#include "engine/verify/laws_testing.h"
#include "kernels/amx_emulated_testing.h"
#include "model/synth.h"

namespace cairn {
namespace {

class EveryIsaLaws : public ::testing::TestWithParam<TestKernels> {};
INSTANTIATE_TEST_SUITE_P(Isas, EveryIsaLaws, ::testing::ValuesIn(all_test_kernels()),
                         [](const auto& param) { return param.param.name; });

// Where a position is dear, a few are enough: 34 pass a block and the tiny models' windows.
bool is_slow(const TestKernels& tested) {
  return tested.name == "scalar" || tested.name == "amx_emulated" || kSanitized;
}
int64_t positions_for(const TestKernels& tested) { return is_slow(tested) ? 34 : 80; }

TEST_P(EveryIsaLaws, HoldForATinyModelOfEachFamily) {
  for (const std::string_view shape : synth_shape_names()) {
    if (!shape.starts_with("tiny-") || shape == "tiny-256") continue;
    // The plain kernels take long: windows, both norms, and the widest differences between families.
    constexpr std::string_view kFew[] = {"tiny-gemma2", "tiny-gpt2", "tiny-qwen3"};
    if (GetParam().name == "scalar" && std::ranges::find(kFew, shape) == std::end(kFew)) continue;
    SCOPED_TRACE(shape);
    const auto model = made_model(std::string(shape), TensorType::kF32, *GetParam().kernels);
    expect_all_sound(rows_of(
        model,
        {.position_count = positions_for(GetParam()), .kv_plans = plans({"f16"}), .thread_counts = {1}}));
  }
}

TEST_P(EveryIsaLaws, HoldForEveryWeightType) {
  constexpr TensorType kUsual[] = {TensorType::kF32, TensorType::kBF16, TensorType::kQ8_0, TensorType::kQ4_0,
                                   TensorType::kQ4_K};
  const int64_t positions = is_slow(GetParam()) ? 20 : 50;
  const bool all_types = GetParam().name != "scalar" && GetParam().name != "amx_emulated";
  for (const TensorType type : all_types ? kAllTensorTypes : std::span<const TensorType>(kUsual)) {
    SCOPED_TRACE(tensor_type_info(type).name);
    const auto model = made_model("tiny-256", type, *GetParam().kernels);
    expect_all_sound(
        rows_of(model, {.position_count = positions, .kv_plans = plans({"f32"}), .thread_counts = {1}}));
  }
}

// One thread and two, and more positions than an attention span and a block have.
TEST_P(EveryIsaLaws, HoldForALongText) {
  const auto model = made_model("tiny-llama", TensorType::kQ8_0, *GetParam().kernels);
  LawOptions options{.position_count = 300, .thread_counts = {1, 2}};
  options.kv_plans = is_slow(GetParam()) ? plans({"int4"}) : plans({"f16", "int4"});
  expect_all_equal(rows_of(model, options));
}

TEST_P(EveryIsaLaws, HoldForEveryPlan) {
  const auto model = made_model("tiny-llama", TensorType::kF32, *GetParam().kernels);
  LawOptions options{.position_count = is_slow(GetParam()) ? 36 : 100, .thread_counts = {1}};
  options.kv_plans = default_law_plans();
  for (const KvPlan& more : plans({"k=int8:channel,v=int8:channel", "k=int4:token,v=int4:channel"})) {
    options.kv_plans.push_back(more);
  }
  expect_all_sound(rows_of(model, options));
}

// Two spans to share; and threads that KV heads do not share evenly, so that spans are reduced apart.
TEST(Laws, HoldAcrossSpans) {
  const auto model = made_model("tiny-llama", TensorType::kQ8_0, kernels_for(available_isas().back()));
  expect_all_sound(
      rows_of(model, {.position_count = 560, .kv_plans = plans({"int4"}), .thread_counts = {1, 3}}));
}

TEST(Laws, APlanThatDoesNotFitTheModelIsTold) {
  const auto model = made_model("tiny-mistral", TensorType::kF32, kernels_for(available_isas().back()));
  const auto rows = rows_of(model, {.position_count = 9, .kv_plans = plans({"int4:hadamard"})});
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].outcome, LawOutcome::kNotApplicable);
  EXPECT_NE(rows[0].remark.find("hadamard"), std::string::npos) << rows[0].remark;
}

TEST(Laws, EveryLogitIsComparedAndCounted) {
  const auto model = made_model("tiny-llama", TensorType::kF32, kernels_for(available_isas().back()));
  std::set<std::string> names;
  for (const LawRow& row :
       rows_of(model, {.position_count = 60, .kv_plans = plans({"f32"}), .thread_counts = {1, 2}})) {
    EXPECT_TRUE(names.insert(row.what).second) << row.what;
    EXPECT_GE(row.position_count, row.what == "a prefix that a group reads once" ? 0 : 30) << row.what;
    EXPECT_EQ(row.logit_count, static_cast<uint64_t>(row.position_count) * 512) << row.what;
  }
  for (const char* name :
       {"no cache, each position from scratch", "growing cache, prefill and decode",
        "contiguous cache, prefill and decode", "paged cache, prefill and decode", "prefill chunk 1",
        "prefill chunk 7", "prefill chunk 64", "prefill chunk 512", "1 thread", "2 threads",
        "in a batch of 8", "preempted and run again", "a prefix found, its owner ended",
        "a prefix found, its owner running", "alike and at once: one waits", "forked at a block's edges",
        "tokens tried and taken back", "bytes planned are bytes taken, paged",
        "each block in one state, every step"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

TEST(Laws, ProgressReachesItsEndAndNamesRows) {
  const auto model = made_model("tiny-llama", TensorType::kF32, kernels_for(available_isas().back()));
  LawOptions options{.position_count = 40, .thread_counts = {1}};
  uint64_t last = 0;
  uint64_t total = 0;
  options.on_progress = [&](const LawProgress& progress) {
    EXPECT_GE(progress.done, last);
    EXPECT_FALSE(progress.what.empty());
    last = progress.done;
    total = progress.total;
  };
  rows_of(model, options);
  EXPECT_EQ(last, total);
}

TEST(Laws, OptionsThatDoNotFitAreRefused) {
  const auto model = made_model("tiny-llama", TensorType::kF32, kernels_for(available_isas().back()));
  EXPECT_EQ(check_laws(model, {.position_count = 1}).status().message(),
            "1 positions cannot be compared with this model: it takes 2 to 2048");
  EXPECT_EQ(check_laws(model, {.position_count = 2049}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_FALSE(check_laws(model, {.position_count = 9, .kv_plans = {}}).ok());
  EXPECT_FALSE(check_laws(model, {.position_count = 9, .thread_counts = {0}}).ok());
}

TEST(Laws, FewPositionsAreEnoughForMostRows) {
  const auto model = made_model("tiny-llama", TensorType::kF32, kernels_for(available_isas().back()));
  for (const int64_t count : {2, 3, 9, 24, 31, 32, 33, 41, 64}) {
    SCOPED_TRACE(count);
    expect_all_sound(
        rows_of(model, {.position_count = count, .kv_plans = plans({"int4"}), .thread_counts = {1}}));
  }
}

TEST(Laws, RowsAreToldAsTheyComeAndAStopKeepsThoseThatAreDone) {
  const auto model = made_model("tiny-llama", TensorType::kF32, *select_kernels(std::nullopt).value());
  LawOptions options{.position_count = 40, .kv_plans = plans({"f16", "int4"}), .thread_counts = {1}};
  std::vector<std::string> reported;
  options.on_row = [&](const LawRow& row) { reported.push_back(row.kv_plan.text() + " " + row.what); };
  const std::vector<LawRow> all = rows_of(model, options);
  ASSERT_EQ(reported.size(), all.size());
  for (size_t i = 0; i < all.size(); ++i) EXPECT_EQ(reported[i], all[i].kv_plan.text() + " " + all[i].what);

  options.keeps_going = [&] { return reported.size() < 3; };
  reported.clear();
  const std::vector<LawRow> some = rows_of(model, options);
  EXPECT_EQ(some.size(), 3U);
  for (const LawRow& row : some) EXPECT_EQ(row.outcome, LawOutcome::kEqual) << row.what << row.remark;
}

}  // namespace
}  // namespace cairn
