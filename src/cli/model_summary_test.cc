#include "cli/model_summary.h"

#include <gtest/gtest.h>

#include <span>

#include "base/temporary_folder_testing.h"
#include "files/gguf_testing.h"

namespace cairn {
namespace {

bool has(const std::string& text, const std::string& words) { return text.find(words) != std::string::npos; }

// A file that cannot be run is described all the same: its types, those of no name included, and why not.
TEST(ModelSummary, OfTensorsThatCannotBeRun) {
  RawGguf raw = RawGguf::head(3, 1);
  raw.string("general.architecture").type(GgufType::kString).string("llama");
  raw.tensor("a", {256, 2}, 17, 0).tensor("b", {4}, 0, 160).tensor("c", {64}, 77, 192).pad().zeros(256);
  const std::span<const std::byte> bytes = raw.bytes();
  const TemporaryFolder folder;
  const std::string path =
      folder.write("model.gguf", std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  const auto file = ModelFile::open(path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  const ModelSummary summary = summarise(*file, path);
  EXPECT_EQ(summary.parameter_count, 512U + 4 + 64);

  const std::string text = summary_text(summary);
  EXPECT_TRUE(has(text, "iq2_xs (does not run here)")) << text;
  EXPECT_TRUE(has(text, "number 77 (does not run here)")) << text;
  EXPECT_TRUE(has(text, "unknown")) << text;
  EXPECT_TRUE(has(text, "no: tensor 'a' (the first of 2 such tensors) has the type iq2_xs")) << text;

  const std::string json = summary_json(summary);
  EXPECT_TRUE(
      has(json, R"("type":"number 77","tensor_count":1,"element_count":64,"bytes":null,"runs_here":false)"))
      << json;
  EXPECT_TRUE(has(json, R"("type":"f32","tensor_count":1,"element_count":4,"bytes":16,"runs_here":true)"))
      << json;
}

}  // namespace
}  // namespace cairn
