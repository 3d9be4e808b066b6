// The library's face against the engine under it, on a made model.
#include "cairn/llm.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>

#include "base/machine.h"
#include "base/temporary_folder_testing.h"
#include "base/thread_pool.h"
#include "engine/engine.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "model/synth.h"

namespace cairn {
namespace {

// One model for all tests; written once.
class LlmTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder();
    path_ = folder_->at("model.gguf");
    const auto written = write_synthetic_model({.shape = "tiny-llama"}, path_);
    ASSERT_TRUE(written.ok()) << written.status().message();
  }
  static void TearDownTestSuite() { delete folder_; }

  static LlmOptions options() { return {.context = 256, .prefill_chunk = 50, .thread_count = 1}; }
  static Llm open(const LlmOptions& options) {
    auto llm = Llm::open(path_, options);
    EXPECT_TRUE(llm.ok()) << llm.status().message();
    return std::move(*llm);
  }
  static std::string refusal(const LlmOptions& options) {
    const auto llm = Llm::open(path_, options);
    return llm.ok() ? "" : llm.status().message();
  }

  inline static TemporaryFolder* folder_ = nullptr;
  inline static std::string path_;
};

// What the samples of a request told.
struct Told {
  std::map<int64_t, std::string> texts;
  std::map<int64_t, std::vector<TokenId>> tokens;
  std::map<int64_t, TextResult> results;
};

TextRequest listening(TextRequest request, Told& told) {
  request.on_text = [&told](int64_t sample, std::string_view text) { told.texts[sample] += text; };
  request.on_token = [&told](int64_t sample, TokenId token) { told.tokens[sample].push_back(token); };
  request.on_finish = [&told](int64_t sample, const TextResult& result) {
    EXPECT_FALSE(told.results.contains(sample));
    told.results[sample] = result;
  };
  return request;
}

std::vector<TokenId> prompt_of(int64_t count, TokenId first = 5) {
  std::vector<TokenId> tokens;
  tokens.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) tokens.push_back(first + static_cast<TokenId>(i * 7 % 400));
  return tokens;
}

// The tokens that the engine itself picks.
std::vector<TokenId> engine_tokens(const std::string& path, const Request& asked) {
  ThreadPool threads(2);
  auto model = Model::load(path, **select_kernels(std::nullopt), threads);
  EXPECT_TRUE(model.ok());
  auto engine = Engine::create(*model, threads, {.context = 256});
  EXPECT_TRUE(engine.ok());
  std::vector<TokenId> tokens;
  Request request = asked;
  request.on_token = [&](TokenId token) { tokens.push_back(token); };
  EXPECT_TRUE((*engine)->submit(std::move(request)).ok());
  while (!(*engine)->idle()) (*engine)->step();
  return tokens;
}

TEST_F(LlmTest, ATextWithoutEndIsLongerThanItsModelsContext) {
  EXPECT_NE(refusal({.context = 100, .endless = true}).find("exclude each other"), std::string::npos);
  EXPECT_NE(refusal({.endless = true}).find("layer 0 keeps all"), std::string::npos);
  Llm llm = open({.endless = true, .prefill_chunk = 50, .thread_count = 1, .kv_plan = "sinks=4,window=60"});
  Told told;
  TextRequest request{.prompt = "Once", .max_tokens = 2500};
  request.ignore_end_tokens = true;
  ASSERT_TRUE(llm.submit(listening(std::move(request), told)).ok());
  llm.run();
  EXPECT_EQ(told.tokens[0].size(), 2500U);  // the model was made for 2,048 positions
  EXPECT_EQ(told.results[0].reason, FinishReason::kLength);
}

TEST_F(LlmTest, APreTokenizerIsForByteLevelVocabularies) {
  EXPECT_TRUE(open(options()).notes().empty());
  LlmOptions chosen = options();
  chosen.pre = "gpt-2";
  EXPECT_NE(refusal(chosen).find("`pre`"), std::string::npos);  // tiny-llama's is of SentencePiece's kind
  const std::string path = folder_->at("qwen.gguf");
  ASSERT_TRUE(write_synthetic_model({.shape = "tiny-qwen3"}, path).ok());
  const auto token_count = [&](const std::string& text) {
    auto llm = Llm::open(path, chosen);
    EXPECT_TRUE(llm.ok()) << llm.status().message();
    return llm.ok() ? llm->tokenize(text)->size() : 0;
  };
  EXPECT_EQ(token_count("e\xCC\x81"), 3U);  // its bytes
  chosen.pre = "qwen2";                     // composes é first
  EXPECT_EQ(token_count("e\xCC\x81"), 2U);
}

TEST_F(LlmTest, TwoRequestsThatShareAPrefixGetTheEnginesOwnTokens) {
  Llm llm = open(options());
  auto one = prompt_of(70);
  auto other = one;
  one.push_back(11);
  other.push_back(12);
  const SamplingParams sampling{.temperature = 1, .seed = 3};
  Told told_one;
  Told told_other;
  ASSERT_TRUE(llm.submit(listening({.prompt = one, .sampling = sampling, .max_tokens = 20}, told_one)).ok());
  ASSERT_TRUE(
      llm.submit(listening({.prompt = other, .sampling = sampling, .max_tokens = 20}, told_other)).ok());
  llm.run();
  EXPECT_EQ(told_one.tokens[0],
            engine_tokens(path_, {.prompt = one, .sampling = sampling, .max_tokens = 20}));
  EXPECT_EQ(told_other.tokens[0],
            engine_tokens(path_, {.prompt = other, .sampling = sampling, .max_tokens = 20}));
  EXPECT_EQ(told_one.results.at(0).reused_tokens, 0);
  EXPECT_EQ(told_other.results.at(0).prompt_tokens, 71);
  EXPECT_EQ(told_other.results.at(0).reused_tokens, 64);

  const CacheStatistics statistics = llm.cache_statistics();
  EXPECT_EQ(statistics.matched_positions, 64);
  EXPECT_EQ(statistics.block_count, statistics.free_blocks + statistics.idle_blocks);  // nobody is left
  EXPECT_EQ(statistics.used_bytes, 0);
  EXPECT_EQ(statistics.pool_bytes, statistics.block_bytes * static_cast<uint64_t>(statistics.block_count));
}

TEST_F(LlmTest, SamplesAreWhatSingleRequestsWouldBe) {
  Llm llm = open(options());
  const SamplingParams sampling{.temperature = 1, .seed = 9};
  Told told;
  const TextRequest request{
      .prompt = prompt_of(75), .sampling = sampling, .max_tokens = 12, .sample_count = 3};
  ASSERT_TRUE(llm.submit(listening(request, told)).ok());
  llm.run();
  ASSERT_EQ(told.results.size(), 3);
  for (int64_t i = 0; i < 3; ++i) {
    Request single{.prompt = prompt_of(75), .sampling = sampling, .max_tokens = 12};
    single.sampling.sample_index = static_cast<uint64_t>(i);
    EXPECT_EQ(told.tokens[i], engine_tokens(path_, single)) << i;
  }
  EXPECT_EQ(told.results.at(2).reused_tokens, 74);  // all but the last token, whose logits are wanted
}

TEST_F(LlmTest, AForkGoesOnFromItsParent) {
  Llm llm = open(options());
  Told told;
  Told told_fork;
  const TextRequest request{.prompt = prompt_of(40), .max_tokens = 30, .ignore_end_tokens = true};
  const RequestId parent = *llm.submit(listening(request, told));
  while (told.tokens[0].size() < 5) llm.step();
  const auto begun = told.tokens[0];
  const std::vector<TokenId> more{21, 22};
  ASSERT_TRUE(
      llm.fork(parent, listening({.prompt = more, .max_tokens = 6, .ignore_end_tokens = true}, told_fork))
          .ok());
  llm.run();
  auto prompt = prompt_of(40);
  prompt.insert(prompt.end(), begun.begin(), begun.end());
  prompt.insert(prompt.end(), more.begin(), more.end());
  EXPECT_EQ(told_fork.tokens[0],
            engine_tokens(path_, {.prompt = prompt, .max_tokens = 6, .ignore_end_tokens = true}));
  EXPECT_EQ(told.tokens[0],
            engine_tokens(path_, {.prompt = prompt_of(40), .max_tokens = 30, .ignore_end_tokens = true}));
  EXPECT_EQ(llm.fork(parent, {}).status().code(), StatusCode::kNotFound);  // it has ended
}

TEST_F(LlmTest, CancelEndsEverySample) {
  Llm llm = open(options());
  Told told;
  TextRequest request{.prompt = prompt_of(40), .ignore_end_tokens = true, .sample_count = 3};
  const RequestId early = *llm.submit(listening(request, told));
  EXPECT_TRUE(llm.cancel(early));  // nothing has run
  EXPECT_EQ(told.results.size(), 3);
  EXPECT_FALSE(llm.cancel(early));

  told = {};
  RequestId id;
  request = listening(request, told);
  request.on_token = [&](int64_t sample, TokenId token) {
    told.tokens[sample].push_back(token);
    if (told.tokens[2].size() == 2) llm.cancel(id);
  };
  id = *llm.submit(request);
  llm.run();
  ASSERT_EQ(told.results.size(), 3);
  for (const auto& [sample, result] : told.results)
    EXPECT_EQ(result.reason, FinishReason::kCancelled) << sample;
  EXPECT_TRUE(llm.idle());
  EXPECT_EQ(llm.cache_statistics().used_bytes, 0);
}

// Calls an Llm when it is destroyed.
struct LastCall {
  std::function<void()> call;
  ~LastCall() { call(); }
};

// What a callback owns may call the Llm when it is destroyed: while others run, and by the Llm's own destructor.
TEST_F(LlmTest, WhatCallbacksOwnMayCallWhenItIsDestroyed) {
  for (const bool runs : {true, false}) {
    int called = 0;
    Told told;
    {
      Llm llm = open(options());
      const RequestId other = *llm.submit(listening({.prompt = prompt_of(40), .max_tokens = 30}, told));
      auto last_call = std::make_shared<LastCall>();
      last_call->call = [&llm, &called, other, runs] {
        ++called;
        EXPECT_EQ(llm.cancel(other), runs);
        EXPECT_EQ(llm.submit({.prompt = prompt_of(3), .max_tokens = 1}).ok(), runs);
        EXPECT_EQ(llm.fork(other, {.max_tokens = 1}).ok(), runs);  // it ends with this step
        EXPECT_EQ(llm.idle(), !runs);
        EXPECT_FALSE(llm.step());
        llm.run();
        EXPECT_TRUE(llm.tokenize("Hello you").ok());
        EXPECT_EQ(llm.context(), 256);
        EXPECT_EQ(llm.cache_statistics().used_bytes > 0, runs);
      };
      TextRequest request{.prompt = prompt_of(5), .max_tokens = 3, .sample_count = 2};
      request.on_token = [last_call](int64_t, TokenId) {};
      ASSERT_TRUE(llm.submit(std::move(request)).ok());
      last_call.reset();
      if (runs) llm.run();
      EXPECT_EQ(called, runs ? 1 : 0);
    }
    EXPECT_EQ(called, 1);
    EXPECT_EQ(told.results.size(), runs ? 1U : 0U);
  }
}

TEST_F(LlmTest, TextGoesBothWays) {
  Llm llm = open(options());
  const auto tokens = llm.tokenize("Hello you");
  ASSERT_TRUE(tokens.ok()) << tokens.status().message();
  EXPECT_EQ(llm.detokenize(*tokens), "Hello you");
  EXPECT_EQ(llm.tokenize("\xFF").status().code(), StatusCode::kInvalidArgument);

  Told told;
  ASSERT_TRUE(llm.submit(listening({.prompt = "Hello you", .max_tokens = 15}, told)).ok());
  llm.run();
  EXPECT_EQ(told.tokens[0], engine_tokens(path_, {.prompt = *tokens, .max_tokens = 15}));
  EXPECT_EQ(told.results.at(0).prompt_tokens, std::ssize(*tokens));
}

TEST_F(LlmTest, WrongOptionsAreNamed) {
  EXPECT_EQ(Llm::open(path_ + ".not").status().code(), StatusCode::kNotFound);
  const auto changed = [](auto&& change) {
    LlmOptions options = LlmTest::options();
    change(options);
    return refusal(options);
  };
  EXPECT_EQ(changed([](LlmOptions&) {}), "");
  EXPECT_EQ(
      changed([](LlmOptions& o) { o.context = 5000; }),
      "a context of 5000 positions is not possible: this model was made for 1 to 2048 (beyond that, with "
      "`extend_context`, it gets worse)");
  // Refused before anything is loaded, with what would fit.
  const std::string refused =
      changed([](LlmOptions& o) { o.context = 2048, o.max_sequences = 65536, o.kv_plan = "f32"; });
  if (memory_facts().available_bytes < uint64_t{100} << 30) {
    EXPECT_NE(refused.find("Ways out"), std::string::npos) << refused;
  }
  EXPECT_EQ(changed([](LlmOptions& o) { o.thread_count = -1; }),
            "-1 threads are not possible: 1 to 1024 are");
  EXPECT_EQ(changed([](LlmOptions& o) { o.max_sequences = 0; }),
            "0 sequences at once are not possible: 1 to 65536 are");
  EXPECT_NE(changed([](LlmOptions& o) { o.isa = "sse9"; }).find("sse9"), std::string::npos);
  EXPECT_NE(changed([](LlmOptions& o) { o.kv_plan = "int5"; }).find("int5"), std::string::npos);
  EXPECT_NE(changed([](LlmOptions& o) { o.kv_plan = "layers 2-9: f32; rest: f16"; }).find('9'),
            std::string::npos);
  EXPECT_EQ(
      changed([](LlmOptions& o) { o.kv_plan = R"([{"layers": "0", "codec": "f32"}, {"codec": "int8"}])"; }),
      "");
}

TEST_F(LlmTest, WrongRequestsAreNamed) {
  Llm llm = open(options());
  EXPECT_EQ(llm.submit({.prompt = std::vector<TokenId>{}}).status().message(),
            "the prompt is empty: it needs at least one token");
  EXPECT_EQ(llm.submit({.prompt = ""}).status().message(),
            "the prompt is empty: it needs at least one token");
  EXPECT_EQ(llm.submit({.prompt = prompt_of(3), .sample_count = 0}).status().message(),
            "0 samples of one prompt are not possible: 1 to 1024 are");
  EXPECT_EQ(llm.submit({.prompt = std::vector<TokenId>{9999}}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(llm.submit({.prompt = prompt_of(3), .sampling = {.top_p = 7}}).status().code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(llm.submit({.prompt = "Hello", .stop_strings = {""}}).status().message(),
            "a stop string is empty: leave it out");
  const RequestId two = *llm.submit({.prompt = prompt_of(3), .max_tokens = 1, .sample_count = 2});
  EXPECT_EQ(llm.fork(two, {}).status().code(), StatusCode::kInvalidArgument);
  llm.run();
}

}  // namespace
}  // namespace cairn
