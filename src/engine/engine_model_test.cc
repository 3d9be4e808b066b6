// The engine over real models: golden tokens and logits, and the promise that the cache changes no bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/thread_pool.h"
#include "engine/engine.h"
#include "engine/fake_pass_testing.h"
#include "kernels/kernels.h"
#include "model/model.h"

namespace cairn {
namespace {

const std::filesystem::path kModels = CAIRN_SOURCE_DIR "/../shared/models";

#define CAIRN_SKIP_WITHOUT_MODELS() \
  if (!std::filesystem::exists(kModels)) GTEST_SKIP() << "the models of ../shared/models are not here"

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::shared_ptr<const Model> load(const std::string& name, Isa isa, ThreadPool& threads) {
  auto model = Model::load((kModels / name).string(), kernels_for(isa), threads);
  EXPECT_TRUE(model.ok()) << model.status().message();
  return model.ok() ? *model : nullptr;
}

std::vector<TokenId> tokens_of(const boost::json::value& json) {
  return boost::json::value_to<std::vector<TokenId>>(json);
}

KvPlan plan_of(const std::string& text) { return KvPlan::parse(text).value(); }

std::unique_ptr<Engine> make_engine(std::shared_ptr<const Model> model, ThreadPool& threads,
                                    const EngineOptions& options) {
  auto engine = Engine::create(std::move(model), threads, options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return std::move(*engine);
}

TEST(Stories260K, GreedyTokensAndLogitsAreGolden) {
  CAIRN_SKIP_WITHOUT_MODELS();
  ThreadPool threads(1);
  const auto model = load("stories260K/stories260K.gguf", available_isas().back(), threads);
  for (const std::string name : {"p1", "p2", "p3"}) {
    const auto folder = kModels / "stories260K" / "golden";
    const auto golden = boost::json::parse(read_file(folder / ("stories260K." + name + ".json"))).as_object();
    const auto prompt = tokens_of(golden.at("prompt_ids"));
    const auto expected = tokens_of(golden.at("greedy_ids"));
    const std::string bytes = read_file(folder / ("stories260K." + name + ".logits.f32"));

    for (const KvStorageKind storage : {KvStorageKind::kPaged, KvStorageKind::kNone}) {
      if (storage == KvStorageKind::kNone && name != "p1") continue;  // slow, and equal by other tests
      auto engine = make_engine(
          model, threads, {.storage = storage, .kv_plan = plan_of("f32"), .context = 512, .score_chunk = 64});
      Heard heard;
      Request request{.prompt = prompt,
                      .max_tokens = static_cast<int64_t>(expected.size()),
                      .ignore_end_tokens = true,
                      .logits_wanted = LogitsWanted::kEveryPosition};
      listen(request, heard);
      ASSERT_TRUE(engine->submit(request).ok());
      run_until_idle(*engine);
      EXPECT_EQ(heard.tokens, expected) << name;

      const auto vocab = static_cast<size_t>(model->config().vocab_size);
      const size_t positions = bytes.size() / sizeof(float) / vocab;
      ASSERT_GE(heard.logits.size(), positions);
      double worst = 0;
      for (size_t i = 0; i < positions * vocab; ++i) {
        float value = 0;
        std::copy_n(bytes.data() + i * sizeof(float), sizeof(float), reinterpret_cast<char*>(&value));
        worst = std::max(worst, static_cast<double>(std::abs(value - heard.logits[i / vocab][i % vocab])));
      }
      EXPECT_LT(worst, 1e-3) << name;
    }
  }
}

// The logits of `count` greedy steps after each of the prompts, all submitted at once.
std::vector<std::vector<std::vector<float>>> logits_of(const std::shared_ptr<const Model>& model,
                                                       int thread_count, const EngineOptions& options,
                                                       const std::vector<std::vector<TokenId>>& prompts,
                                                       int64_t count) {
  ThreadPool threads(thread_count);
  auto engine = make_engine(model, threads, options);
  std::vector<Heard> heard(prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i) {
    Request request{.prompt = prompts[i], .max_tokens = count, .ignore_end_tokens = true};
    listen(request, heard[i]);
    EXPECT_TRUE(engine->submit(std::move(request)).ok());
  }
  run_until_idle(*engine);
  std::vector<std::vector<std::vector<float>>> logits;
  for (Heard& h : heard) {
    EXPECT_EQ(h.results.at(0).reason, FinishReason::kLength);
    logits.push_back(std::move(h.logits));
  }
  return logits;
}

std::vector<TokenId> prompt_for(const Model& model, uint64_t seed, int64_t count) {
  auto tokens = some_prompt(seed, count);
  for (TokenId& token : tokens) token = static_cast<TokenId>(token % model.config().vocab_size);
  return tokens;
}

std::shared_ptr<const Model> load_stories(Isa isa) {
  ThreadPool threads(1);
  return load("stories260K/stories260K.gguf", isa, threads);
}

uint64_t block_bytes_of(const Model& model) {
  const Config& config = model.config();
  return KvGeometry::make({.layer_count = config.layer_count,
                           .kv_head_count = config.kv_head_count,
                           .head_dim = config.head_dim})
      ->block_bytes();
}

class EveryIsa : public ::testing::TestWithParam<Isa> {};
INSTANTIATE_TEST_SUITE_P(Isas, EveryIsa, ::testing::ValuesIn(available_isas()),
                         [](const auto& param) { return std::string(isa_name(param.param)); });

TEST_P(EveryIsa, AllHoldingsGiveTheBitsOfNone) {
  CAIRN_SKIP_WITHOUT_MODELS();
  const auto model = load_stories(GetParam());
  // Past one attention span, but where each row is slow.
  const auto prompt = prompt_for(*model, 1, GetParam() == Isa::kScalar ? 40 : 290);
  constexpr int64_t kCount = 5;
  const std::vector<std::pair<KvStorageKind, int64_t>> cases = {
      {KvStorageKind::kGrowing, 64}, {KvStorageKind::kContiguous, 7}, {KvStorageKind::kPaged, 512},
      {KvStorageKind::kPaged, 64},   {KvStorageKind::kPaged, 7},      {KvStorageKind::kPaged, 1}};
  for (const std::string plan :
       {"f32", "f16", "bf16", "fp8", "int8", "int4", "k=int8:channel,v=int8:channel"}) {
    const EngineOptions none{.storage = KvStorageKind::kNone, .kv_plan = plan_of(plan), .context = 512};
    const auto truth = logits_of(model, 1, none, {prompt}, kCount);
    for (const auto& [storage, chunk] : cases) {
      const EngineOptions options{
          .storage = storage, .kv_plan = plan_of(plan), .context = 512, .prefill_chunk = chunk};
      const int thread_count = chunk == 64 ? 2 : 1;
      EXPECT_EQ(logits_of(model, thread_count, options, {prompt}, kCount), truth)
          << kv_storage_kind_name(storage) << ", " << plan << ", chunk " << chunk;
    }
  }
}

TEST_P(EveryIsa, CompanyAndPreemptionChangeNoBit) {
  CAIRN_SKIP_WITHOUT_MODELS();
  const auto model = load_stories(GetParam());
  const bool is_slow = GetParam() == Isa::kScalar;
  const int64_t count = is_slow ? 5 : 30;
  std::vector<std::vector<TokenId>> prompts;
  for (uint64_t i = 0; i < (is_slow ? 3 : 8); ++i) {
    prompts.push_back(prompt_for(*model, i, 20 + 11 * static_cast<int64_t>(i)));
  }
  std::vector<std::vector<std::vector<float>>> alone;
  for (const auto& prompt : prompts) {
    alone.push_back(logits_of(model, 1, {.context = 256}, {prompt}, count).at(0));
  }
  EngineOptions crowd{.context = 256, .max_sequences = 8, .prefill_chunk = 50};
  EXPECT_EQ(logits_of(model, 2, crowd, prompts, count), alone);
  // Two or three of the eight fit into 12 blocks at once.
  crowd.pool_bytes = (is_slow ? 3 : 12) * block_bytes_of(*model);
  EXPECT_EQ(logits_of(model, 1, crowd, prompts, count), alone);
  crowd.storage = KvStorageKind::kNone;
  EXPECT_EQ(logits_of(model, 1, crowd, prompts, count), alone);
}

TEST_P(EveryIsa, AContinuedConversationHasTheBitsOfAFreshOne) {
  CAIRN_SKIP_WITHOUT_MODELS();
  const auto model = load_stories(GetParam());
  ThreadPool threads(1);
  auto engine = make_engine(model, threads, {.context = 512});
  const SessionId session = *engine->open_session();
  auto text = prompt_for(*model, 3, 75);
  for (const int64_t cut : {0, 0, 70, 33}) {  // the next turn keeps all, all, 70 and 33 tokens of the text
    if (cut > 0) text.resize(static_cast<size_t>(cut));
    text.push_back(11);
    text.push_back(29);
    Heard heard;
    Request request{.prompt = text, .max_tokens = 8, .ignore_end_tokens = true};
    request.session = session;
    listen(request, heard);
    ASSERT_TRUE(engine->submit(request).ok());
    run_until_idle(*engine);
    EXPECT_EQ(logits_of(model, 1, {.context = 512}, {text}, 8).at(0), heard.logits);
    text.insert(text.end(), heard.tokens.begin(), heard.tokens.end());
  }
}

TEST(Families, AllHoldingsGiveTheBitsOfNone) {
  CAIRN_SKIP_WITHOUT_MODELS();
  for (const auto& folder : std::filesystem::directory_iterator(kModels / "families")) {
    if (!folder.is_directory()) continue;
    ThreadPool threads(1);
    const auto model = load("families/" + folder.path().filename().string() + "/model.gguf",
                            available_isas().back(), threads);
    ASSERT_NE(model, nullptr);
    const int64_t context = std::min<int64_t>(model->config().context_length, 128);
    const auto prompt = prompt_for(*model, 5, context / 2);
    for (const std::string plan : {"f32", "f16", "int8", "int4", "layers 0: f16; rest: int3"}) {
      const EngineOptions none{.storage = KvStorageKind::kNone, .kv_plan = plan_of(plan), .context = context};
      const auto truth = logits_of(model, 1, none, {prompt}, 6);
      for (const KvStorageKind storage : {KvStorageKind::kContiguous, KvStorageKind::kPaged}) {
        const EngineOptions options{
            .storage = storage, .kv_plan = plan_of(plan), .context = context, .prefill_chunk = 7};
        EXPECT_EQ(logits_of(model, 1, options, {prompt}, 6), truth) << folder.path() << ", " << plan;
      }
    }
  }
}

TEST(Engine, RefusesAContextThatTheModelDoesNotHave) {
  CAIRN_SKIP_WITHOUT_MODELS();
  ThreadPool threads(1);
  const auto model = load("stories260K/stories260K.gguf", available_isas().back(), threads);
  const auto engine = Engine::create(model, threads, {.context = 513});
  EXPECT_EQ(engine.status().message(),
            "a context of 513 positions is not possible: this model was made for 1 to 512 (beyond that, with "
            "`extend_context`, it gets worse)");
}

}  // namespace
}  // namespace cairn
