#include "engine/verify/laws_testing.h"

#include <gtest/gtest.h>

#include <set>

#include "base/temporary_folder_testing.h"
#include "base/thread_pool.h"
#include "model/synth.h"

namespace cairn {
namespace {

std::string reported(const LawRow& row) {
  std::string text = row.what + ": " + row.remark;
  if (row.difference.has_value()) {
    text += " text " + std::to_string(row.difference->text) + " position " +
            std::to_string(row.difference->position) + " token " + std::to_string(row.difference->token);
  }
  return text;
}

// Short texts do not run out of memory, have no span to share, no block to find, no place to fork.
bool needs_a_long_text(const std::string& what) {
  static const std::set<std::string> kWhats = {"preempted and run again",
                                               "a prefix that a group reads once",
                                               "a prefix found, its owner ended",
                                               "a prefix found, its owner running",
                                               "alike and at once: one waits",
                                               "forked at a block's edges",
                                               "prompts that end at a block's edge",
                                               "shared rows, memory short",
                                               "rows from disk, in a new engine",
                                               "a conversation's turns",
                                               "a turn edited, rows cut and redone"};
  return kWhats.contains(what);
}

}  // namespace

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

std::vector<KvPlan> plans(std::initializer_list<const char*> texts) {
  std::vector<KvPlan> plans;
  for (const char* text : texts) plans.push_back(KvPlan::parse(text).value());
  return plans;
}

std::vector<LawRow> rows_of(const std::shared_ptr<const Model>& model, LawOptions options) {
  options.text_kind = TextKind::kRandom;
  const auto rows = check_laws(model, options);
  EXPECT_TRUE(rows.ok()) << rows.status().message();
  return rows.ok() ? *rows : std::vector<LawRow>();
}

void expect_all_equal(const std::vector<LawRow>& rows) {
  EXPECT_FALSE(rows.empty());
  for (const LawRow& row : rows) {
    EXPECT_EQ(row.outcome, LawOutcome::kEqual) << reported(row);
    EXPECT_GT(row.position_count, 0) << row.what;
  }
}

void expect_all_sound(const std::vector<LawRow>& rows) {
  EXPECT_FALSE(rows.empty());
  for (const LawRow& row : rows) {
    EXPECT_TRUE(row.outcome == LawOutcome::kEqual ||
                (row.outcome == LawOutcome::kNotApplicable && needs_a_long_text(row.what)))
        << reported(row);
  }
}

}  // namespace cairn
