// The check of laws 1 and 2: sound kernels pass it in every way, and each planted fault is found by the rows
// that exist to find it.
#include "engine/verify/laws.h"

#include <gtest/gtest.h>

#include <set>

#include "base/temporary_folder_testing.h"
#include "base/thread_pool.h"
#include "engine/verify/faults_testing.h"
#include "model/synth.h"

namespace cairn {
namespace {

std::shared_ptr<const Model> made_model(const std::string& shape, TensorType type, const Kernels& kernels) {
  const TemporaryFolder folder;
  const std::string path = folder.at("model.gguf");
  const auto report = write_synthetic_model({.shape = shape, .type = type}, path);
  EXPECT_TRUE(report.ok()) << report.status().message();
  ThreadPool threads(1);
  const auto model = Model::load(path, kernels, threads);
  EXPECT_TRUE(model.ok()) << model.status().message();
  return *model;
}

std::vector<LawRow> rows_of(const std::shared_ptr<const Model>& model, LawOptions options) {
  options.text_kind = TextKind::kRandom;
  const auto rows = check_laws(model, options);
  EXPECT_TRUE(rows.ok()) << rows.status().message();
  return rows.ok() ? *rows : std::vector<LawRow>();
}

std::string told(const LawRow& row) {
  std::string text = row.what + ": " + row.remark;
  if (row.difference.has_value()) {
    text += " text " + std::to_string(row.difference->text) + " position " +
            std::to_string(row.difference->position) + " token " + std::to_string(row.difference->token);
  }
  return text;
}

void expect_all_equal(const std::vector<LawRow>& rows) {
  EXPECT_FALSE(rows.empty());
  for (const LawRow& row : rows) {
    EXPECT_EQ(row.outcome, LawOutcome::kEqual) << told(row);
    EXPECT_GT(row.position_count, 0) << row.what;
  }
}

// Short texts do not run out of memory.
void expect_all_sound(const std::vector<LawRow>& rows) {
  EXPECT_FALSE(rows.empty());
  for (const LawRow& row : rows) {
    const bool may_not_apply = row.what == "preempted and run again";
    EXPECT_TRUE(row.outcome == LawOutcome::kEqual ||
                (may_not_apply && row.outcome == LawOutcome::kNotApplicable))
        << told(row);
  }
}

class EveryIsaLaws : public ::testing::TestWithParam<Isa> {};
INSTANTIATE_TEST_SUITE_P(Isas, EveryIsaLaws, ::testing::ValuesIn(available_isas()),
                         [](const auto& param) { return std::string(isa_name(param.param)); });

// Each of these passes a block and the tiny models' windows; scalar pays for few.
int64_t positions_for(Isa isa) { return isa == Isa::kScalar ? 34 : 80; }

TEST_P(EveryIsaLaws, HoldForATinyModelOfEachFamily) {
  for (const std::string_view shape : synth_shape_names()) {
    if (!shape.starts_with("tiny-") || shape == "tiny-256") continue;
    SCOPED_TRACE(shape);
    const auto model = made_model(std::string(shape), TensorType::kF32, kernels_for(GetParam()));
    expect_all_sound(rows_of(
        model,
        {.position_count = positions_for(GetParam()), .kv_types = {KvType::kF16}, .thread_counts = {1}}));
  }
}

TEST_P(EveryIsaLaws, HoldForEveryWeightType) {
  constexpr TensorType kUsual[] = {TensorType::kF32, TensorType::kBF16, TensorType::kQ8_0, TensorType::kQ4_0,
                                   TensorType::kQ4_K};
  const bool is_slow = GetParam() == Isa::kScalar;
  for (const TensorType type : is_slow ? std::span<const TensorType>(kUsual) : kAllTensorTypes) {
    SCOPED_TRACE(tensor_type_info(type).name);
    const auto model = made_model("tiny-256", type, kernels_for(GetParam()));
    expect_all_sound(rows_of(
        model, {.position_count = is_slow ? 20 : 50, .kv_types = {KvType::kF32}, .thread_counts = {1}}));
  }
}

// Every row type, one thread and two, and more positions than an attention span has.
TEST_P(EveryIsaLaws, HoldForALongText) {
  const auto model = made_model("tiny-llama", TensorType::kQ8_0, kernels_for(GetParam()));
  LawOptions options{.position_count = 270, .thread_counts = {1, 2}};
  if (GetParam() == Isa::kScalar) options.kv_types = {KvType::kF16};
  expect_all_equal(rows_of(model, options));
}

TEST(Laws, EveryLogitIsComparedAndCounted) {
  const auto model = made_model("tiny-llama", TensorType::kF32, kernels_for(available_isas().back()));
  std::set<std::string> names;
  for (const LawRow& row :
       rows_of(model, {.position_count = 60, .kv_types = {KvType::kF32}, .thread_counts = {1, 2}})) {
    EXPECT_TRUE(names.insert(row.what).second) << row.what;
    EXPECT_GE(row.position_count, 60) << row.what;
    EXPECT_EQ(row.logit_count, static_cast<uint64_t>(row.position_count) * 512) << row.what;
  }
  for (const char* name : {"no cache, each position from scratch", "growing cache, prefill and decode",
                           "contiguous cache, prefill and decode", "paged cache, prefill and decode",
                           "prefill chunk 1", "prefill chunk 7", "prefill chunk 64", "prefill chunk 512",
                           "1 thread", "2 threads", "in a batch of 8", "preempted and run again"}) {
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
  EXPECT_FALSE(check_laws(model, {.position_count = 9, .kv_types = {}}).ok());
  EXPECT_FALSE(check_laws(model, {.position_count = 9, .thread_counts = {0}}).ok());
}

TEST(Laws, FewPositionsAreEnoughForMostRows) {
  const auto model = made_model("tiny-llama", TensorType::kF32, kernels_for(available_isas().back()));
  for (const int64_t count : {2, 3, 9, 24}) {
    for (const LawRow& row :
         rows_of(model, {.position_count = count, .kv_types = {KvType::kF32}, .thread_counts = {1}})) {
      const bool may_not_apply =
          row.what == "preempted and run again" || (count < 8 && row.what == "a conversation's turns");
      EXPECT_TRUE(row.outcome == LawOutcome::kEqual ||
                  (may_not_apply && row.outcome == LawOutcome::kNotApplicable))
          << count << " positions, " << told(row);
    }
  }
}

// --- planted faults ---

struct Found {
  std::vector<LawRow> rows;

  [[nodiscard]] LawOutcome outcome(const std::string& what) const {
    for (const LawRow& row : rows) {
      if (row.what == what) return row.outcome;
    }
    ADD_FAILURE() << "there is no row " << what;
    return LawOutcome::kFailed;
  }
};

constexpr int64_t kFaultPositions = 100;

Found with_fault(const Kernels& kernels, TensorType type = TensorType::kF32,
                 int64_t position_count = kFaultPositions, std::vector<int> thread_counts = {1}) {
  const auto model = made_model("tiny-llama", type, kernels);
  LawOptions options{.position_count = position_count,
                     .kv_types = {KvType::kF32},
                     .thread_counts = std::move(thread_counts)};
  options.on_progress = [what = std::string()](const LawProgress& progress) mutable {
    if (what != progress.what) forget_sequences();
    what = progress.what;
  };
  count_idle_threads();
  return {rows_of(model, options)};
}

constexpr LawOutcome kEqual = LawOutcome::kEqual;
constexpr LawOutcome kDifferent = LawOutcome::kDifferent;

TEST(PlantedFault, AnOrderOfSumsThatDependsOnTheRowCount) {
  const Kernels kernels = with_backward_sum_for_one_row();
  const Found found = with_fault(kernels);
  EXPECT_EQ(found.outcome("prefill chunk 1"), kDifferent);
  EXPECT_EQ(found.outcome("prefill chunk 64"), kEqual);
  EXPECT_EQ(found.outcome("paged cache, prefill and decode"), kDifferent);
  EXPECT_EQ(found.outcome("no cache, each position from scratch"),
            kDifferent);  // the output matrix has one row
}

TEST(PlantedFault, AnInstructionThatDependsOnTheRowCount) {
  const Kernels kernels = with_unfused_sum_for_one_row();
  const Found found = with_fault(kernels);
  EXPECT_EQ(found.outcome("prefill chunk 1"), kDifferent);
  EXPECT_EQ(found.outcome("prefill chunk 64"), kEqual);
  EXPECT_EQ(found.outcome("growing cache, prefill and decode"), kDifferent);
}

TEST(PlantedFault, AnActivationScaleSharedByRows) {
  const Kernels kernels = with_scales_shared_by_rows();
  const Found found = with_fault(kernels, TensorType::kQ8_0);
  EXPECT_EQ(found.outcome("prefill chunk 1"), kDifferent);
  EXPECT_EQ(found.outcome("prefill chunk 7"), kDifferent);
  EXPECT_EQ(found.outcome("in a batch of 8"), kDifferent);
  EXPECT_EQ(found.outcome("prefill chunk 512"), kEqual);
}

TEST(PlantedFault, AnAttentionSpanThatDependsOnTheTilesHeight) {
  const Kernels kernels = with_spans_by_tile_height();
  const Found found = with_fault(kernels);
  EXPECT_EQ(found.outcome("prefill chunk 1"), kDifferent);
  EXPECT_EQ(found.outcome("contiguous cache, prefill and decode"), kDifferent);
  EXPECT_EQ(found.outcome("prefill chunk 512"), kEqual);
}

TEST(PlantedFault, AnAttentionSpanThatDependsOnTheThreadCount) {
  const Kernels kernels = with_spans_by_threads();
  const Found found = with_fault(kernels, TensorType::kF32, 80, {1, 2});
  EXPECT_EQ(found.outcome("1 thread"), kEqual);
  EXPECT_EQ(found.outcome("2 threads"), kDifferent);
  EXPECT_EQ(found.outcome("prefill chunk 1"), kEqual);
}

TEST(PlantedFault, AnAttentionSpanThatIsWrongOnlyInLongTexts) {
  const Kernels kernels = with_spans_in_long_texts();
  const Found found = with_fault(kernels, TensorType::kF32, 300);
  EXPECT_EQ(found.outcome("prefill chunk 1"), kDifferent);
  EXPECT_EQ(found.outcome("paged cache, prefill and decode"), kDifferent);
  for (const LawRow& row : found.rows) {
    if (!row.difference.has_value()) continue;
    EXPECT_GE(row.difference->position, 256) << row.what;
  }
}

TEST(PlantedFault, ABlockOfAnotherSequence) {
  const Kernels kernels = with_block_of_another_sequence();
  const Found found = with_fault(kernels);
  EXPECT_EQ(found.outcome("in a batch of 8"), kDifferent);
  EXPECT_EQ(found.outcome("others come and go beside it"), kDifferent);
  EXPECT_EQ(found.outcome("prefill chunk 1"), kEqual);
}

TEST(PlantedFault, RowsThatAreNotOverwritten) {
  const Kernels kernels = with_rows_that_stay();
  const Found found = with_fault(kernels);
  EXPECT_EQ(found.outcome("a turn edited, rows cut and redone"), kDifferent);
  EXPECT_EQ(found.outcome("preempted and run again"), kDifferent);
  EXPECT_EQ(found.outcome("prefill chunk 1"), kEqual);
}

TEST(PlantedFault, LogitsThatSayNothing) {
  const std::string row = "logits are finite and not constant";
  const Kernels constant = with_constant_logits();
  EXPECT_EQ(with_fault(constant).outcome(row), LawOutcome::kFailed);
  const Kernels no_position = with_logits_of_no_position();
  EXPECT_EQ(with_fault(no_position).outcome(row), LawOutcome::kFailed);
  const Kernels nan = with_a_nan_logit();
  const Found found = with_fault(nan);
  EXPECT_EQ(found.outcome(row), LawOutcome::kFailed);
  EXPECT_EQ(found.rows[0].remark, "position 0, token 3: the logit is nan, which is no finite number");
}

}  // namespace
}  // namespace cairn
