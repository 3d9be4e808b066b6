#include "engine/verify/laws_testing.h"

#include <gtest/gtest.h>

#include "base/temporary_folder_testing.h"
#include "base/thread_pool.h"
#include "model/synth.h"

namespace cairn {

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

}  // namespace cairn
