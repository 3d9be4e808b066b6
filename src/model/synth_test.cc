#include "model/synth.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/temporary_folder_testing.h"
#include "files/gguf.h"
#include "model/reference_testing.h"
#include "model/rope.h"

namespace cairn {
namespace {

class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& name) : path_(folder_.at(name + ".gguf")) {}
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string bytes() const {
    std::ifstream in(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }

 private:
  TemporaryFolder folder_;
  std::string path_;
};

std::vector<std::string> tiny_shapes() {
  std::vector<std::string> names;
  for (const std::string_view name : synth_shape_names()) {
    if (name.starts_with("tiny-")) names.emplace_back(name);
  }
  return names;
}

std::vector<int32_t> some_tokens(int count) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < count; ++i) tokens.push_back((i * 181 + 7) % 500);
  return tokens;
}

class TinyShape : public testing::TestWithParam<std::string> {};

TEST_P(TinyShape, ComputesLikeATrainedModel) {
  const TemporaryFile file(GetParam());
  auto report =
      write_synthetic_model({.shape = GetParam(), .type = TensorType::kF32, .seed = 3}, file.path());
  ASSERT_TRUE(report.ok()) << report.status().message();
  EXPECT_EQ(report->file_bytes, std::filesystem::file_size(file.path()));
  EXPECT_TRUE(report->notes.empty());
  auto gguf = GgufFile::open(file.path());
  ASSERT_TRUE(gguf.ok()) << gguf.status().message();
  auto plan = plan_model(*gguf);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  settle_context(plan->config, plan->config.context_length);
  const ReferenceModel model(*plan);
  const auto tokens = some_tokens(48);
  const std::vector<double> logits = model.logits(tokens);
  const auto vocab = static_cast<size_t>(model.config().vocab_size);
  int repeats = 0;
  for (size_t t = 0; t < tokens.size(); ++t) {
    double mean = 0, square = 0;
    const double* row = logits.data() + t * vocab;
    for (size_t i = 0; i < vocab; ++i) {
      ASSERT_TRUE(std::isfinite(row[i]));
      mean += row[i] / static_cast<double>(vocab);
      square += row[i] * row[i] / static_cast<double>(vocab);
    }
    EXPECT_GT(std::sqrt(square - mean * mean), 1.0) << "position " << t;
    repeats += std::max_element(row, row + vocab) - row == tokens[t] ? 1 : 0;
  }
  EXPECT_LT(repeats, 24) << "the model mostly repeats its input";
  const double entropy = model.attention_entropy(tokens);
  std::printf("%s: attention entropy %.2f of flat, %d of 48 tokens repeated\n", GetParam().c_str(), entropy,
              repeats);
  EXPECT_LT(entropy, 0.8);
}

TEST_P(TinyShape, EarlyTokensMatter) {
  const TemporaryFile file(GetParam() + "-early");
  ASSERT_TRUE(write_synthetic_model({.shape = GetParam(), .type = TensorType::kF32}, file.path()).ok());
  auto gguf = GgufFile::open(file.path());
  ASSERT_TRUE(gguf.ok());
  auto plan = plan_model(*gguf);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  settle_context(plan->config, plan->config.context_length);
  const ReferenceModel model(*plan);
  auto tokens = some_tokens(40);
  const auto before = model.logits(tokens);
  std::swap(tokens[20], tokens[21]);
  const auto after = model.logits(tokens);
  double difference = 0;
  for (size_t i = before.size() - static_cast<size_t>(model.config().vocab_size); i < before.size(); ++i) {
    difference = std::max(difference, std::abs(before[i] - after[i]));
  }
  EXPECT_GT(difference, 0.05);
}

INSTANTIATE_TEST_SUITE_P(All, TinyShape, testing::ValuesIn(tiny_shapes()), [](const auto& test) {
  std::string name = test.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(Synth, LongRopeIsReadBackFromItsFile) {
  const TemporaryFile file("longrope");
  ASSERT_TRUE(write_synthetic_model({.shape = "tiny-phi3-long"}, file.path()).ok());
  const auto gguf = GgufFile::open(file.path());
  ASSERT_TRUE(gguf.ok()) << gguf.status().message();
  const auto plan = plan_model(*gguf);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  const RopeConfig& rope = plan->config.ropes[0];
  EXPECT_EQ(plan->config.rope_dim, 8);
  EXPECT_EQ(rope.divisors, (std::vector<double>{1.0, 1.5, 2.0, 2.5}));
  EXPECT_EQ(rope.magnitude, 1.25);
  const auto* longer = std::get_if<LongRope>(&rope.by_context);
  ASSERT_NE(longer, nullptr);
  EXPECT_EQ(longer->original_context, 64);
  EXPECT_EQ(longer->divisors, (std::vector<double>{1.0, 3.0, 6.0, 12.0}));
  EXPECT_EQ(longer->magnitude, 1.25);
}

TEST(Synth, TheSameOptionsGiveTheSameBytes) {
  const TemporaryFile a("a"), b("b"), c("c");
  const SynthOptions options{.shape = "tiny-qwen3", .type = TensorType::kQ8_0, .seed = 9};
  ASSERT_TRUE(write_synthetic_model(options, a.path()).ok());
  ASSERT_TRUE(write_synthetic_model(options, b.path()).ok());
  EXPECT_EQ(a.bytes(), b.bytes());
  SynthOptions other = options;
  other.seed = 10;
  ASSERT_TRUE(write_synthetic_model(other, c.path()).ok());
  EXPECT_NE(a.bytes(), c.bytes());
}

TEST(Synth, EveryTypeFitsTiny256) {
  for (const TensorType type : kAllTensorTypes) {
    const std::string name(tensor_type_info(type).name);
    const TemporaryFile file(name);
    auto report = write_synthetic_model({.shape = "tiny-256", .type = type}, file.path());
    ASSERT_TRUE(report.ok()) << report.status().message();
    EXPECT_TRUE(report->notes.empty()) << name;
    auto gguf = GgufFile::open(file.path());
    ASSERT_TRUE(gguf.ok()) << gguf.status().message();
    ASSERT_TRUE(plan_model(*gguf).ok());
    EXPECT_EQ(gguf->find_tensor("blk.0.ffn_down.weight")->type, type) << name;
    EXPECT_EQ(gguf->find_tensor("token_embd.weight")->type, type) << name;
    EXPECT_EQ(gguf->find_tensor("blk.0.ffn_norm.weight")->type, TensorType::kF32) << name;
  }
}

TEST(Synth, SaysWhichTypeItTookInstead) {
  const TemporaryFile file("fallback");
  auto report = write_synthetic_model({.shape = "tiny-llama", .type = TensorType::kQ4_K}, file.path());
  ASSERT_TRUE(report.ok()) << report.status().message();
  ASSERT_EQ(report->notes.size(), 2U);  // rows of 64 and of 96
  EXPECT_NE(report->notes[0].find("have the type q8_0, because q4_k needs rows that are multiples of 256"),
            std::string::npos)
      << report->notes[0];
}

TEST(Synth, TheContextCanBeChosen) {
  const TemporaryFile file("context");
  ASSERT_TRUE(write_synthetic_model({.shape = "tiny-gpt2", .context_length = 77}, file.path()).ok());
  auto gguf = GgufFile::open(file.path());
  ASSERT_TRUE(gguf.ok());
  auto plan = plan_model(*gguf);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_EQ(plan->config.context_length, 77);
  EXPECT_EQ(plan->position_embedding->row_count, 77);
}

TEST(Synth, RefusesWhatItDoesNotKnow) {
  const TemporaryFile file("none");
  SynthOptions stopped{.shape = "tiny-llama"};
  int rows = 0;
  stopped.must_stop = [&rows] { return ++rows == 100; };
  EXPECT_EQ(write_synthetic_model(stopped, file.path() + ".stopped").status().code(), StatusCode::kInternal);
  EXPECT_EQ(rows, 100);
  EXPECT_FALSE(std::filesystem::exists(file.path() + ".stopped"));
  const auto unknown = write_synthetic_model({.shape = "tiny-elephant"}, file.path()).status();
  EXPECT_EQ(unknown.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(unknown.message().find("tinyllama-1.1b"), std::string::npos);
  EXPECT_EQ(write_synthetic_model({.shape = "tiny-llama", .context_length = 0}, file.path()).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_FALSE(std::filesystem::exists(file.path()));
}

}  // namespace
}  // namespace cairn
