// The float64 reference, and with it the families, held against implementations that are not ours.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "files/gguf.h"
#include "files/hf_folder.h"
#include "model/golden_testing.h"
#include "model/reference_testing.h"

namespace cairn {
namespace {

// The golden values are rounded to float (6e-8), and so are the few settings that the Config holds as float.
constexpr double kLimit = 1e-6;
// Gemma's GGUF files hold 1 + w rounded to float, which moves their logits a little more.
constexpr double kRoundedNormsLimit = 3e-6;

void expect_golden(const ModelPlan& plan, const std::string& folder, const std::string& file, double limit) {
  const ReferenceModel model(plan);
  for (const GoldenSequence& golden : read_family_golden(folder, file)) {
    EXPECT_LE(relative_error(golden, model.logits(golden.tokens)), limit)
        << folder << "/" << file << ", " << golden.tokens.size() << " tokens";
  }
}

class FamilyGolden : public testing::TestWithParam<const char*> {};

TEST_P(FamilyGolden, GgufAgrees) {
  CAIRN_NEED_SHARED_MODELS(shared);
  const std::string name = GetParam();
  const std::string folder = shared + "/families/" + name;
  auto file = GgufFile::open(folder + "/model.gguf");
  ASSERT_TRUE(file.ok()) << file.status().message();
  auto plan = plan_model(*file);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  expect_golden(*plan, folder, name == "mistral" ? "golden_nowindow.f32" : "golden.f32",
                name.starts_with("gemma") ? kRoundedNormsLimit : kLimit);
}

TEST_P(FamilyGolden, HuggingFaceFolderAgrees) {
  CAIRN_NEED_SHARED_MODELS(shared);
  const std::string folder = shared + "/families/" + GetParam();
  auto hf = HfFolder::open(folder + "/hf");
  ASSERT_TRUE(hf.ok()) << hf.status().message();
  auto plan = plan_model(*hf);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  expect_golden(*plan, folder, "golden.f32", kLimit);
}

INSTANTIATE_TEST_SUITE_P(All, FamilyGolden,
                         testing::Values("llama", "llama3-rope", "mistral", "qwen2", "qwen3", "gemma",
                                         "gemma2", "gemma3", "gpt2", "phi3"),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Gemma2Golden, AttentionScaleComesFromTheSettings) {
  CAIRN_NEED_SHARED_MODELS(shared);
  namespace fs = std::filesystem;
  const std::string folder = shared + "/families/gemma2";
  const fs::path copy = fs::path(testing::TempDir()) / "cairn-gemma2-scale40";
  fs::remove_all(copy);
  fs::create_directories(copy);
  fs::copy_file(folder + "/hf/config.scale40.json", copy / "config.json");
  fs::create_symlink(fs::absolute(folder + "/hf/model.safetensors"), copy / "model.safetensors");
  auto hf = HfFolder::open(copy.string());
  ASSERT_TRUE(hf.ok()) << hf.status().message();
  auto plan = plan_model(*hf);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  expect_golden(*plan, folder, "golden_scale40.f32", kLimit);
  fs::remove_all(copy);
}

TEST(Stories260K, AgreesWithItsFloat32Program) {
  CAIRN_NEED_SHARED_MODELS(shared);
  const std::string folder = shared + "/stories260K";
  auto file = GgufFile::open(folder + "/stories260K.gguf");
  ASSERT_TRUE(file.ok()) << file.status().message();
  auto plan = plan_model(*file);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  const ReferenceModel model(*plan);
  for (int prompt = 1; prompt <= 3; ++prompt) {
    const GoldenSequence golden = read_stories_golden(folder, prompt);
    // That program computes in float.
    EXPECT_LE(absolute_error(golden, model.logits(golden.tokens)), 1e-4) << "prompt " << prompt;
  }
}

}  // namespace
}  // namespace cairn
