// Each planted fault is found by the rows that exist to find it, and by no other.
#include <gtest/gtest.h>

#include "engine/verify/faults_testing.h"
#include "engine/verify/laws_testing.h"
#include "engine/verify/pass_faults_testing.h"

namespace cairn {
namespace {

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

struct Fault {
  TensorType type = TensorType::kF32;
  int64_t position_count = 100;
  std::vector<int> thread_counts = {1};
  const char* plan = "f32";
  PassWrapper wrap_pass = nullptr;
};

Found with_fault(const Kernels& kernels, Fault fault = {}) {
  const auto model = made_model("tiny-llama", fault.type, kernels);
  const LawOptions options{.position_count = fault.position_count,
                           .kv_plans = plans({fault.plan}),
                           .thread_counts = std::move(fault.thread_counts),
                           .wrap_pass = [inner = std::move(fault.wrap_pass)](PassPtr pass) {
                             forget_sequences();  // of the engine before
                             return inner ? inner(std::move(pass)) : std::move(pass);
                           }};
  count_idle_threads();
  return {rows_of(model, options)};
}

const Kernels& sound_kernels() { return kernels_for(available_isas().back()); }

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
  const Found found = with_fault(kernels, {.type = TensorType::kQ8_0});
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
  const Found found = with_fault(kernels, {.position_count = 80, .thread_counts = {1, 2}});
  EXPECT_EQ(found.outcome("1 thread"), kEqual);
  EXPECT_EQ(found.outcome("2 threads"), kDifferent);
  EXPECT_EQ(found.outcome("prefill chunk 1"), kEqual);
}

TEST(PlantedFault, AnAttentionSpanThatIsWrongOnlyInLongTexts) {
  const Kernels kernels = with_spans_in_long_texts();
  const Found found = with_fault(kernels, {.position_count = 300});
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
  const Found found = with_fault(sound_kernels(), {.wrap_pass = with_rows_that_stay});
  EXPECT_EQ(found.outcome("a turn edited, rows cut and redone"), kDifferent);
  EXPECT_EQ(found.outcome("preempted and run again"), kDifferent);
  EXPECT_EQ(found.outcome("prefill chunk 1"), kEqual);
}

TEST(PlantedFault, AnAttentionSpanThatDependsOnTheBatch) {
  const Kernels kernels = with_spans_by_batch();
  const Found found = with_fault(kernels, {.wrap_pass = telling_steps});
  EXPECT_EQ(found.outcome("in a batch of 8"), kDifferent);
  EXPECT_EQ(found.outcome("a prefix found, its owner running"), kDifferent);
  EXPECT_EQ(found.outcome("forked at a block's edges"), kDifferent);
  EXPECT_EQ(found.outcome("prefill chunk 1"), kEqual);
  EXPECT_EQ(found.outcome("a prefix found, its owner ended"), kEqual);
}

TEST(PlantedFault, AGroupThatMergesSpansInAnotherOrder) {
  const Kernels kernels = with_shared_spans_last();
  const Found found = with_fault(kernels, {.position_count = 300, .plan = "f16"});
  EXPECT_EQ(found.outcome("a prefix that a group reads once"), kDifferent);
  for (const char* alone :
       {"prefill chunk 1", "prefill chunk 64", "in a batch of 8", "tokens tried and taken back"}) {
    EXPECT_EQ(found.outcome(alone), kEqual) << alone;
  }
}

// Later blocks of a step read the open rows of earlier ones, not what was sealed.
TEST(PlantedFault, BlocksSealedWhenTheStepEnds) {
  const Kernels kernels = with_seals_when_the_step_ends();
  const Found found = with_fault(kernels, {.plan = "int4", .wrap_pass = telling_steps});
  for (const char* cut :
       {"prefill chunk 1", "prefill chunk 7", "prefill chunk 64", "paged cache, prefill and decode",
        "a prefix found, its owner ended", "in a batch of 8"}) {
    EXPECT_EQ(found.outcome(cut), kDifferent) << cut;
  }
  EXPECT_EQ(found.outcome("prefill chunk 512"), kEqual);
  const Found by_row = with_fault(kernels, {.plan = "f16", .wrap_pass = telling_steps});
  EXPECT_EQ(by_row.outcome("prefill chunk 1"), kEqual);  // whose rows have one form
}

TEST(PlantedFault, ACutBlockThatIsDecodedInsteadOfRecomputed) {
  const Found found = with_fault(sound_kernels(), {.plan = "int4", .wrap_pass = with_cut_blocks_decoded});
  EXPECT_EQ(found.outcome("tokens tried and taken back"), kDifferent);
  EXPECT_EQ(found.outcome("prefill chunk 7"), kEqual);
  EXPECT_EQ(found.outcome("in a batch of 8"), kEqual);
  const Found by_row = with_fault(sound_kernels(), {.plan = "f16", .wrap_pass = with_cut_blocks_decoded});
  EXPECT_EQ(by_row.outcome("tokens tried and taken back"), kEqual);
}

TEST(PlantedFault, AForkOfAParentWhoseStepIsNotCountedYet) {
  const Found found = with_fault(sound_kernels(), {.plan = "int4", .wrap_pass = with_forks_of_newer_rows});
  EXPECT_EQ(found.outcome("forked at a block's edges"), kDifferent);
  EXPECT_EQ(found.outcome("prefill chunk 7"), kEqual);
  EXPECT_EQ(found.outcome("in a batch of 8"), kEqual);
  const Found by_row = with_fault(sound_kernels(), {.plan = "f16", .wrap_pass = with_forks_of_newer_rows});
  EXPECT_EQ(by_row.outcome("forked at a block's edges"), kEqual);  // which has no open rows
}

TEST(PlantedFault, AHitThatCoversTheLastToken) {
  const Found found = with_fault(sound_kernels(), {.plan = "int4", .wrap_pass = with_hits_of_the_last_token});
  EXPECT_EQ(found.outcome("a prefix found, its owner ended"), kDifferent);
  EXPECT_EQ(found.outcome("prefill chunk 7"), kEqual);
  EXPECT_EQ(found.outcome("in a batch of 8"), kEqual);
}

TEST(PlantedFault, AWindowThatBeginsAtABlocksEdgeInDecode) {
  const Kernels kernels = with_windows_from_block_edges();
  for (const char* plan : {"window=40", "int4,sinks=4,window=40"}) {
    SCOPED_TRACE(plan);
    const Found found = with_fault(kernels, {.plan = plan});
    EXPECT_EQ(found.outcome("prefill chunk 1"), kDifferent);
    EXPECT_EQ(found.outcome("growing cache, prefill and decode"), kDifferent);
    EXPECT_EQ(found.outcome("prefill chunk 512"), kEqual);
  }
  EXPECT_EQ(with_fault(kernels, {.plan = "f16"}).outcome("prefill chunk 1"), kEqual);
}

TEST(PlantedFault, ABlockGivenBackWhileAQueryStillSeesIt) {
  for (const char* plan : {"window=40", "sinks=4,window=40"}) {
    SCOPED_TRACE(plan);
    const Found found =
        with_fault(sound_kernels(),
                   {.position_count = 200, .plan = plan, .wrap_pass = with_blocks_given_back_too_early});
    EXPECT_EQ(found.outcome("prefill chunk 7"), kDifferent);
    EXPECT_EQ(found.outcome("in a batch of 8"), kDifferent);
    EXPECT_EQ(found.outcome("contiguous cache, prefill and decode"), kEqual);  // which gives nothing back
    EXPECT_EQ(found.outcome("prefill chunk 512"), kEqual);
  }
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
