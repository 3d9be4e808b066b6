#include "cli/verify_report.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace cairn {
namespace {

LawRow row_of(const std::string& what, const char* plan, LawOutcome outcome) {
  LawRow row{.law = 2,
             .what = what,
             .kv_plan = *KvPlan::parse(plan),
             .outcome = outcome,
             .position_count = 3,
             .logit_count = 1500};
  if (outcome == LawOutcome::kDifferent) row.difference = LogitDifference{0, 12, 5, 1.25F, 1.5F};
  if (outcome == LawOutcome::kNotApplicable) row.remark = "too short";
  return row;
}

std::vector<VerifiedModel> sound_models() {
  return {{.name = "m.gguf",
           .isa = Isa::kScalar,
           .rows = {row_of("prefill chunk 7", "f16", LawOutcome::kEqual),
                    row_of("prefill chunk 7", "f32", LawOutcome::kEqual),
                    row_of("preempted", "f16", LawOutcome::kNotApplicable)}}};
}

TEST(VerifyReport, RowTypesThatAgreeShareALine) {
  EXPECT_EQ(ways_table(sound_models()),
            "isa     law  what was varied  KV plans  positions  logits  result\n"
            "scalar    2  prefill chunk 7  f16 f32           6   3,000  equal\n"
            "scalar    2  preempted        f16               3   1,500  not applicable: too short\n");
  EXPECT_EQ(verdict(count_rows(sound_models())),
            "Every logit is the same to the bit: 3,000 were compared in 2 rows.");
}

TEST(VerifyReport, ADifferenceHasALineOfItsOwnAndAPlace) {
  auto models = sound_models();
  models[0].rows[1] = row_of("prefill chunk 7", "f32", LawOutcome::kDifferent);
  EXPECT_EQ(ways_table(models),
            "isa     law  what was varied  KV plans  positions  logits  result\n"
            "scalar    2  prefill chunk 7  f16               3   1,500  equal\n"
            "scalar    2  prefill chunk 7  f32               3   1,500  DIFFERS at position 12, token 5: 1.5 "
            "instead of 1.25\n"
            "scalar    2  preempted        f16               3   1,500  not applicable: too short\n");
  EXPECT_EQ(verdict(count_rows(models)),
            "1 of 2 rows are not as they must be: the logits depend on how they are computed.");
}

TEST(VerifyReport, InstructionSetsThatAgreeShareALine) {
  auto models = sound_models();
  models.push_back(models[0]);
  models[1].isa = Isa::kAvx2;
  models.push_back({.name = "other", .weights = "q4_k", .isa = Isa::kAvx2, .not_applicable = "rows of 64"});
  using Cells = std::vector<std::string>;
  EXPECT_EQ(model_rows(models),
            (std::vector<Cells>{{"m.gguf", "", "scalar avx2", "6", "18", "9,000", "equal"},
                                {"other", "q4_k", "avx2", "0", "0", "0", "not applicable: rows of 64"}}));
}

TEST(VerifyReport, JsonHasEveryRow) {
  auto models = sound_models();
  models[0].rows[1] = row_of("prefill chunk 7", "f32", LawOutcome::kDifferent);
  const auto object = boost::json::parse(verify_json(models, Extent::kStoppedEarly)).as_object();
  EXPECT_FALSE(object.at("equal").as_bool());
  EXPECT_FALSE(object.at("complete").as_bool());
  EXPECT_EQ(object.at("bad_row_count").to_number<int>(), 1);
  const auto& rows = object.at("models").as_array().at(0).as_object().at("rows").as_array();
  ASSERT_EQ(rows.size(), 3U);
  EXPECT_EQ(rows[1].as_object().at("outcome").as_string(), "different");
  EXPECT_EQ(rows[1].as_object().at("difference").as_object().at("position").to_number<int>(), 12);
  EXPECT_EQ(rows[0].as_object().at("kv").as_string(), "f16");
}

}  // namespace
}  // namespace cairn
