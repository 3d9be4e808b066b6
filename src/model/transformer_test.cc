// The fast forward pass against golden logits that are not ours, under every instruction set.
#include "model/transformer.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/thread_pool.h"
#include "model/golden_testing.h"
#include "model/transformer_testing.h"

namespace cairn {
namespace {

// A float32 engine agrees with the float64 forward to this part of the largest logit.
constexpr double kFamilyLimit = 2e-5;
constexpr TestCodecs kF32Rows{{.format = KvFormat::kF32}, {.format = KvFormat::kF32}};

struct Case {
  std::string folder;
  std::string file;  // inside the folder: a GGUF or a Hugging Face folder
  std::string golden;
};

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const char* family :
       {"llama", "llama3-rope", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3", "gpt2", "phi3"}) {
    const bool windowless = std::string(family) == "mistral";  // a GGUF of this architecture has no window
    all.push_back({family, "model.gguf", windowless ? "golden_nowindow.f32" : "golden.f32"});
    all.push_back({family, "hf", "golden.f32"});
  }
  return all;
}

class Families : public testing::TestWithParam<std::tuple<Isa, Case>> {};

TEST_P(Families, MatchGoldenLogits) {
  CAIRN_NEED_SHARED_MODELS(models);
  const auto& [isa, c] = GetParam();
  const std::string folder = models + "/families/" + c.folder;
  ThreadPool threads(2);
  const auto model = Model::load(folder + "/" + c.file, kernels_for(isa), threads);
  ASSERT_TRUE(model.ok()) << model.status().message();
  for (const GoldenSequence& golden : read_family_golden(folder, c.golden)) {
    const std::vector<float> logits = forward_all(*model, threads, golden.tokens, {.codecs = kF32Rows});
    const std::vector<double> wide(logits.begin(), logits.end());
    EXPECT_LT(relative_error(golden, wide), kFamilyLimit);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Families,
                         testing::Combine(testing::ValuesIn(available_isas()), testing::ValuesIn(cases())),
                         [](const auto& test) {
                           const Case& c = std::get<1>(test.param);
                           std::string name(isa_name(std::get<0>(test.param)));
                           name += "_" + c.folder + "_" + c.file.substr(0, 2);
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

TEST(Stories260K, MatchesTheReferenceProgram) {
  CAIRN_NEED_SHARED_MODELS(models);
  ThreadPool threads(2);
  for (const Isa isa : available_isas()) {
    const auto model = Model::load(models + "/stories260K/stories260K.gguf", kernels_for(isa), threads);
    ASSERT_TRUE(model.ok()) << model.status().message();
    for (int prompt = 1; prompt <= 3; ++prompt) {
      const GoldenSequence golden = read_stories_golden(models + "/stories260K", prompt);
      const std::vector<float> logits = forward_all(*model, threads, golden.tokens, {.codecs = kF32Rows});
      EXPECT_LT(absolute_error(golden, std::vector<double>(logits.begin(), logits.end())), 1e-3);
    }
  }
}

TEST(Forward, ChunksAndThreadsChangeNothing) {
  CAIRN_NEED_SHARED_MODELS(models);
  for (const char* family : {"llama", "gemma2", "gpt2", "phi3"}) {
    const std::string folder = models + "/families/" + family;
    for (const Isa isa : available_isas()) {
      ThreadPool two(2);
      ThreadPool one(1);
      const auto model = Model::load(folder + "/model.gguf", kernels_for(isa), two);
      ASSERT_TRUE(model.ok()) << model.status().message();
      const std::vector<int32_t> tokens = read_family_golden(folder, "golden.f32").back().tokens;
      const KvCodec f16;
      const KvCodec by_channel{KvFormat::kInt4, KvAxis::kChannel};
      const KvCodec by_token{KvFormat::kInt8};
      for (const TestCodecs& codecs : {kF32Rows, TestCodecs{f16, f16}, TestCodecs{by_channel, by_token},
                                       TestCodecs{by_token, by_channel}}) {
        const std::vector<float> whole = forward_all(*model, two, tokens, {.codecs = codecs});
        for (const int64_t chunk : {1, 7, 33}) {
          const TestRun run{.codecs = codecs, .chunk = chunk};
          EXPECT_EQ(forward_all(*model, one, tokens, run), whole) << family << ", chunk " << chunk;
        }
      }
    }
  }
}

}  // namespace
}  // namespace cairn
