// What queries see, through the whole forward pass: windows and sinks against the float64 oracle, which turns keys and
// queries to their places among what is seen, as StreamingLLM does; and every cut of the work against one step, by the bit.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <string>

#include "base/thread_pool.h"
#include "files/gguf.h"
#include "model/attention_shape.h"
#include "model/reference_testing.h"
#include "model/rope.h"
#include "model/synth.h"
#include "model/transformer_testing.h"

namespace cairn {
namespace {

constexpr TestCodecs kF32Rows{{.format = KvFormat::kF32}, {.format = KvFormat::kF32}};
constexpr uint64_t kModelSeed = 5;

// A synthetic model's file, made once for all tests of this program.
class ModelFile {
 public:
  explicit ModelFile(const std::string& shape)
      : path_(testing::TempDir() + "cairn-visibility-" + std::to_string(getpid()) + shape + ".gguf") {
    const auto report =
        write_synthetic_model({.shape = shape, .type = TensorType::kF32, .seed = kModelSeed}, path_);
    EXPECT_TRUE(report.ok()) << report.status().message();
  }
  ~ModelFile() { std::remove(path_.c_str()); }
  ModelFile(const ModelFile&) = delete;
  ModelFile& operator=(const ModelFile&) = delete;

  [[nodiscard]] std::shared_ptr<const Model> load(Isa isa, ThreadPool& threads) const {
    return Model::load(path_, kernels_for(isa), threads).value();
  }
  [[nodiscard]] ReferenceModel reference() const {
    const GgufFile file = GgufFile::open(path_).value();
    ModelPlan plan = plan_model(file).value();
    settle_context(plan.config, plan.config.context_length);
    return ReferenceModel(plan);
  }
  static const ModelFile& of(const std::string& shape) {
    static std::map<std::string, ModelFile> files;
    return files.try_emplace(shape, shape).first->second;
  }

 private:
  std::string path_;
};

std::vector<TokenId> some_tokens(int64_t count, int64_t seed = 7) {
  std::vector<TokenId> tokens;
  tokens.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) tokens.push_back(static_cast<TokenId>((i * 181 + seed) % 500));
  return tokens;
}

// A layer's own window stays where it is no longer. The GGUF files of tiny-mistral lack theirs.
std::vector<Visibility> seen_by_layers(const std::string& shape, const Config& config,
                                       const Visibility& wanted) {
  std::vector<Visibility> layers = own_windows(config);
  for (Visibility& layer : layers) {
    if (shape == "tiny-mistral") layer.window = 24;
    if (layer.sees_all() || (!wanted.sees_all() && wanted.window < layer.window)) layer = wanted;
  }
  return layers;
}

std::string name_of(const Visibility& v) {
  return std::to_string(v.sinks) + " sinks, window " + std::to_string(v.window);
}

class VisibilityOf : public testing::TestWithParam<std::tuple<Isa, std::string>> {
 protected:
  [[nodiscard]] static Isa isa() { return std::get<0>(GetParam()); }
  [[nodiscard]] static const std::string& shape() { return std::get<1>(GetParam()); }
};

TEST_P(VisibilityOf, AgreesWithTheOracle) {
  const ModelFile& file = ModelFile::of(shape());
  ThreadPool threads(2);
  const auto model = file.load(isa(), threads);
  ReferenceModel oracle = file.reference();
  const std::vector<TokenId> tokens = some_tokens(110);
  for (const Visibility& wanted : {Visibility{},
                                   {.window = 1},
                                   {.window = 40},
                                   {.window = 1, .sinks = 1},
                                   {.window = 16, .sinks = 4},
                                   {.window = 33, .sinks = 40},
                                   {.window = 60, .sinks = 64}}) {
    const std::vector<Visibility> visibility = seen_by_layers(shape(), model->config(), wanted);
    oracle.set_visibility(visibility);
    const std::vector<double> exact = oracle.logits(tokens);
    const std::vector<float> logits =
        forward_all(model, threads, tokens, {.codecs = kF32Rows, .chunk = 7, .visibility = visibility});
    ASSERT_EQ(logits.size(), exact.size());
    double largest = 0, error = 0;
    for (size_t i = 0; i < exact.size(); ++i) {
      largest = std::max(largest, std::abs(exact[i]));
      error = std::max(error, std::abs(logits[i] - exact[i]));
    }
    EXPECT_LT(error / largest, 2e-5) << name_of(wanted);
  }
}

TEST_P(VisibilityOf, IsTheSameInEveryChunk) {
  ThreadPool two(2), one(1);
  const auto model = ModelFile::of(shape()).load(isa(), two);
  const KvCodec f16, int8{KvFormat::kInt8}, int4{KvFormat::kInt4, KvAxis::kChannel};
  const KvCodec turned{KvFormat::kInt8, KvAxis::kToken, KvTransform::kHadamard};
  const bool is_slow = isa() == Isa::kScalar;
  for (const Visibility& wanted :
       {Visibility{.window = 300}, {.window = 40, .sinks = 4}, {.window = 224, .sinks = 33}}) {
    const std::vector<TokenId> tokens = some_tokens(is_slow ? 100 : wanted.window + wanted.sinks + 40);
    const std::vector<Visibility> visibility = seen_by_layers(shape(), model->config(), wanted);
    for (const TestCodecs& codecs : {TestCodecs{f16, f16}, {int8, int8}, {int4, int4}, {turned, int4}}) {
      if (codecs.keys == turned && model->config().head_dim != 16) continue;  // a power of two alone
      const TestRun whole{.codecs = codecs, .visibility = visibility};
      const std::vector<float> truth = forward_all(model, two, tokens, whole);
      ASSERT_TRUE(std::ranges::all_of(truth, [](float x) { return std::isfinite(x); }));
      for (const int64_t chunk : {1, 7, 64}) {
        TestRun run = whole;
        run.chunk = chunk;
        EXPECT_EQ(forward_all(model, one, tokens, run), truth) << name_of(wanted) << ", chunk " << chunk;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, VisibilityOf,
                         testing::Combine(testing::ValuesIn(available_isas()),
                                          testing::Values("tiny-llama", "tiny-mistral", "tiny-qwen2",
                                                          "tiny-gemma2", "tiny-gemma3", "tiny-phi3-long")),
                         [](const auto& test) {
                           std::string name(isa_name(std::get<0>(test.param)));
                           name += "_" + std::get<1>(test.param);
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

// Long enough for groups of sequences and, with one KV head and two threads, for spans that are reduced apart.
TEST(Visible, IsTheSameInABatchThatSharesItsBeginning) {
  ThreadPool two(2), one(1);
  const auto model = ModelFile::of("tiny-gemma3").load(available_isas().back(), two);
  const KvCodec f16, int4{KvFormat::kInt4, KvAxis::kChannel};
  constexpr int64_t kShared = 19 * kBlockSize;
  std::vector<std::vector<TokenId>> texts;
  for (int64_t text = 0; text < 3; ++text) {
    std::vector<TokenId> tokens = some_tokens(kShared);
    const std::vector<TokenId> own = some_tokens(3 + 17 * text, 100 + text);
    tokens.insert(tokens.end(), own.begin(), own.end());
    texts.push_back(std::move(tokens));
  }
  for (const Visibility& wanted : {Visibility{},
                                   {.window = 530},
                                   {.window = 300},
                                   {.window = 540, .sinks = 4},
                                   {.window = 300, .sinks = 40},
                                   {.window = 600, .sinks = 256}}) {
    const std::vector<Visibility> visibility = seen_by_layers("", model->config(), wanted);
    for (const KvCodec& codec : {f16, int4}) {
      std::vector<std::vector<float>> alone;
      for (const std::vector<TokenId>& text : texts) {
        const TestRun whole{.codecs = {codec, codec}, .visibility = visibility};
        const std::vector<float> all = forward_all(model, one, text, whole);
        alone.emplace_back(all.begin() + kShared * model->config().vocab_size, all.end());
        const TestRun decode{.codecs = {codec, codec}, .chunk = 1, .visibility = visibility};
        EXPECT_EQ(forward_together(model, two, {text}, kShared, decode).front(), alone.back())
            << name_of(wanted);
      }
      for (const int64_t chunk : {1, 7}) {
        const TestRun run{.codecs = {codec, codec}, .chunk = chunk, .visibility = visibility};
        EXPECT_EQ(forward_together(model, one, texts, kShared, run), alone) << name_of(wanted);
        EXPECT_EQ(forward_together(model, two, texts, kShared, run), alone) << name_of(wanted);
      }
    }
  }
}

TEST(Visible, WorkMemoryFollowsWhatIsSeen) {
  ThreadPool threads(2);
  const auto model = ModelFile::of("tiny-gemma3").load(available_isas().back(), threads);
  const Config& config = model->config();
  const auto bytes = [&](const Visibility& wanted, int64_t context) {
    const ForwardLimits limits{.rows = 8, .logit_rows = 2, .sequences = 2, .context = context};
    const std::vector<Visibility> visibility = seen_by_layers("", config, wanted);
    const uint64_t planned = Transformer::work_bytes_for(config, visibility, limits, 2);
    EXPECT_EQ(Transformer(model, threads, limits, visibility).work_bytes(), planned) << name_of(wanted);
    return planned;
  };
  constexpr int64_t kEndless = int64_t{1} << 40;
  EXPECT_EQ(bytes({.window = 1000}, kEndless), bytes({.window = 1000}, 1280));
  EXPECT_GT(bytes({.window = 1000}, kEndless), bytes({.window = 100}, kEndless));
  EXPECT_LT(bytes({.window = 100}, kEndless), bytes({.window = 100, .sinks = 4}, kEndless));
  EXPECT_EQ(bytes({.window = 100, .sinks = 4}, kEndless), bytes({.window = 100, .sinks = 256}, kEndless));
}

}  // namespace
}  // namespace cairn
