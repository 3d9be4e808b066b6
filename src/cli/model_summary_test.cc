#include "cli/model_summary.h"

#include <gtest/gtest.h>

#include <span>

#include "base/temporary_folder_testing.h"
#include "files/gguf_testing.h"
#include "files/gguf_writer.h"
#include "model/synth.h"
#include "text/tokenizer/byte_level.h"

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
  const ModelSummary summary = summarise(*file, path, {});
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

// What ends a reply has its reason, and what was assumed or ignored is a note; options are named as flags.
TEST(ModelSummary, OfEndsAndNotes) {
  const TemporaryFolder folder;
  const std::string path = folder.at("model.gguf");
  std::vector<std::string> tokens(256);
  for (size_t byte = 0; byte < tokens.size(); ++byte)
    tokens[byte] = byte_level_of_bytes(std::string(1, static_cast<char>(byte)));
  tokens.emplace_back("<|im_end|>");
  auto writer = GgufWriter::create(path, {.metadata = {{"general.architecture", std::string("none")},
                                                       {"tokenizer.ggml.model", std::string("gpt2")},
                                                       {"tokenizer.ggml.tokens", tokens},
                                                       {"tokenizer.ggml.bos_token_id", int32_t{-1}},
                                                       {"tokenizer.ggml.eos_token_id", uint32_t{65}}}});
  ASSERT_TRUE(writer.ok()) << writer.status().message();
  ASSERT_TRUE(writer->finish().ok());
  const auto file = ModelFile::open(path);
  ASSERT_TRUE(file.ok()) << file.status().message();

  const std::string text = summary_text(summarise(*file, path, {}));
  EXPECT_TRUE(has(text, "ends a reply   65 'A' (tokenizer.ggml.eos_token_id)\n")) << text;
  EXPECT_TRUE(has(text, "ends a reply   256 '<|im_end|>' (its spelling)\n")) << text;
  EXPECT_TRUE(has(text, "note           tokenizer.ggml.bos_token_id is -1")) << text;
  EXPECT_TRUE(has(text, "--pre names the right one")) << text;
  const std::string json = summary_json(summarise(*file, path, {.pre = "gpt-2"}));
  EXPECT_TRUE(has(json, R"({"id":65,"text":"A","reason":"tokenizer.ggml.eos_token_id"})")) << json;
  EXPECT_TRUE(has(json, R"("notes":["tokenizer.ggml.bos_token_id is -1)")) << json;
  EXPECT_FALSE(has(json, "--pre")) << json;
}

// Every command needs the tokenizer, so a file without a usable one does not run.
TEST(ModelSummary, AFileRunsOnlyWithItsTokenizer) {
  const TemporaryFolder folder;
  const std::string path = folder.at("model.gguf");
  const auto written = write_synthetic_model({.shape = "tiny-qwen2"}, path);
  ASSERT_TRUE(written.ok()) << written.status().message();
  const auto file = ModelFile::open(path);
  ASSERT_TRUE(file.ok()) << file.status().message();
  const ModelSummary usable = summarise(*file, path, {});
  EXPECT_FALSE(has(summary_text(usable), "runs here")) << summary_text(usable);
  EXPECT_TRUE(has(summary_json(usable), R"("runs_here":true,"config":)"));

  const ModelSummary refused = summarise(*file, path, {.pre = "none-such"});
  const std::string text = summary_text(refused);
  EXPECT_TRUE(has(text, "runs here      no: ")) << text;
  EXPECT_TRUE(has(text, "none-such")) << text;
  const std::string json = summary_json(refused);
  EXPECT_TRUE(has(json, R"("runs_here":false,"config":)")) << json;
  EXPECT_TRUE(has(json, R"("refusal":)")) << json;
}

}  // namespace
}  // namespace cairn
