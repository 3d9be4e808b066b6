// Each allocation of each of Llm's operations fails in turn (allocation_failure_testing.h).
#include <map>
#include <memory>

#include "base/memory_limit_testing.h"
#include "base/temporary_folder_testing.h"
#include "cairn/llm.h"
#include "engine/allocation_failure_testing.h"
#include "model/synth.h"

namespace cairn {
namespace {

// What the samples of a request were given.
struct Heard {
  std::map<int64_t, std::vector<TokenId>> tokens;
  std::map<int64_t, std::vector<TextResult>> results;
};

TextRequest listening(TextRequest request, Heard& heard) {
  request.on_token = [&heard](int64_t sample, TokenId token) {
    const SoundAllocations sound;
    heard.tokens[sample].push_back(token);
  };
  request.on_finish = [&heard](int64_t sample, const TextResult& result) {
    const SoundAllocations sound;
    heard.results[sample].push_back(result);
  };
  return request;
}

class LlmAllocations : public ::testing::Test {
 protected:
  static constexpr int64_t kTokens = 12;

  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder();
    path_ = folder_->at("model.gguf");
    ASSERT_TRUE(write_synthetic_model({.shape = "tiny-llama"}, path_).ok());
  }
  static void TearDownTestSuite() { delete folder_; }
  static LlmOptions options() {
    return {.context = 256, .prefill_chunk = 50, .thread_count = 1, .kv_plan = "k=int8:channel,v=f16"};
  }
  static Llm open() {
    auto llm = Llm::open(path_, options());
    EXPECT_TRUE(llm.ok()) << llm.status().message();
    return std::move(*llm);
  }
  static TextRequest request(int64_t sample_count) {
    return {.prompt =
                "Once upon a time there was a mole, and it was tired of cleaning its house; so it "
                "went up, and up, and out into the sun",
            .sampling = {.temperature = 0.9, .seed = 5},
            .max_tokens = kTokens,
            .stop_strings = {"a stop string that will never come"},
            .ignore_end_tokens = true,
            .salt = "a salt that is longer than a string's own room",
            .sample_count = sample_count};
  }
  // A request ends well, and nothing of it is left.
  static void expect_well(Llm& llm, const std::map<int64_t, std::vector<TokenId>>& truth) {
    Heard heard;
    ASSERT_TRUE(llm.submit(listening(request(std::ssize(truth)), heard)).ok());
    llm.run();
    EXPECT_EQ(heard.tokens, truth);
    for (const auto& [sample, results] : heard.results) EXPECT_EQ(results.size(), 1U) << sample;
    EXPECT_EQ(llm.cache_statistics().used_bytes, 0U);
  }
  static std::map<int64_t, std::vector<TokenId>> truth_of(int64_t sample_count) {
    Llm llm = open();
    Heard heard;
    EXPECT_TRUE(llm.submit(listening(request(sample_count), heard)).ok());
    llm.run();
    return heard.tokens;
  }
  // Ended as `truth` says, or for want of memory.
  static void expect_end(const Heard& heard, const std::map<int64_t, std::vector<TokenId>>& truth) {
    ASSERT_EQ(heard.results.size(), truth.size());
    for (const auto& [sample, results] : heard.results) {
      ASSERT_EQ(results.size(), 1U);
      if (results[0].reason == FinishReason::kError) {
        EXPECT_EQ(results[0].status.code(), StatusCode::kResourceExhausted) << results[0].status.message();
      } else {
        EXPECT_EQ(heard.tokens.at(sample), truth.at(sample));
      }
    }
  }

  inline static TemporaryFolder* folder_ = nullptr;
  inline static std::string path_;
};

TEST_F(LlmAllocations, OfOpen) {
  LlmOptions asked = options();
  asked.thread_count = 2;  // of which one can fail to start
  const auto truth = truth_of(1);
  for_each_failure([&](int64_t n, FailingAllocations which) {
    const Attempt tried = attempt(n, which, [&] { return Llm::open(path_, asked).status(); });
    (void)expect_no_throw(tried);
    return tried;
  });
  Llm llm = open();
  expect_well(llm, truth);
}

// Whatever fails, no request of the search stays behind.
TEST_F(LlmAllocations, OfABeamSearch) {
  TextRequest asked = request(1);
  asked.sampling = {};
  asked.max_tokens = 6;
  const BeamOptions options{.width = 3};
  const auto truth = truth_of(1);
  Llm llm = open();
  const auto best = llm.search_beams(asked, options);
  ASSERT_TRUE(best.ok()) << best.status().message();
  for_each_failure([&](int64_t n, FailingAllocations which) {
    std::vector<Beam> found;
    TextRequest again = asked;
    const Attempt tried = attempt(n, which, [&] {
      auto beams = llm.search_beams(std::move(again), options);
      if (!beams.ok()) return beams.status();
      found = std::move(beams).value();
      return Status();
    });
    if (!expect_no_throw(tried)) return tried;
    EXPECT_TRUE(llm.idle());
    if (tried.status.ok()) {
      EXPECT_EQ(found.size(), best->size());
      for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i].tokens, (*best)[i].tokens);
    }
    return tried;
  });
  expect_well(llm, truth);
}

TEST_F(LlmAllocations, OfSubmit) {
  const auto truth = truth_of(3);
  Llm llm = open();
  for_each_failure([&](int64_t n, FailingAllocations which) {
    Heard heard;
    TextRequest asked = listening(request(3), heard);
    const Attempt tried = attempt(n, which, [&] { return llm.submit(std::move(asked)).status(); });
    if (!expect_no_throw(tried)) return tried;
    EXPECT_EQ(llm.idle(), !tried.status.ok());
    llm.run();
    if (tried.status.ok()) {
      expect_end(heard, truth);
    } else {
      EXPECT_TRUE(heard.results.empty() && heard.tokens.empty());
    }
    expect_well(llm, truth);
    return tried;
  });
}

TEST_F(LlmAllocations, OfFork) {
  const auto truth = truth_of(1);
  Llm llm = open();
  for_each_failure([&](int64_t n, FailingAllocations which) {
    Heard parent;
    Heard child;
    const RequestId id = *llm.submit(listening(request(1), parent));
    for (int i = 0; i < 5; ++i) llm.step();
    TextRequest asked = listening({.prompt = std::string(" and more"), .max_tokens = 5}, child);
    const Attempt tried = attempt(n, which, [&] { return llm.fork(id, std::move(asked)).status(); });
    if (!expect_no_throw(tried)) return tried;
    llm.run();
    expect_end(parent, truth);
    EXPECT_EQ(child.results.size(), tried.status.ok() ? 1U : 0U);
    expect_well(llm, truth);
    return tried;
  });
}

TEST_F(LlmAllocations, OfStep) {
  const auto truth = truth_of(3);
  Llm llm = open();
  for_each_failure([&](int64_t n, FailingAllocations which) {
    Heard heard;
    EXPECT_TRUE(llm.submit(listening(request(3), heard)).ok());
    const Attempt tried = attempt(n, which, [&] {
      llm.run();
      return Status();
    });
    if (!expect_no_throw(tried)) return tried;
    expect_end(heard, truth);
    expect_well(llm, truth);
    return tried;
  });
}

// No room is needed to let something go.
TEST_F(LlmAllocations, OfCancelNothingIsNeeded) {
  const auto truth = truth_of(3);
  Llm llm = open();
  for (const int steps : {0, 1, 5}) {
    for_each_failure([&](int64_t n, FailingAllocations which) {
      Heard heard;
      const RequestId id = *llm.submit(listening(request(3), heard));
      for (int i = 0; i < steps; ++i) llm.step();
      const Attempt tried = attempt(n, which, [&] {
        EXPECT_TRUE(llm.cancel(id));
        return Status();
      });
      if (!expect_no_throw(tried)) return tried;
      llm.run();
      EXPECT_EQ(heard.results.size(), 3U);
      for (const auto& [sample, results] : heard.results) {
        EXPECT_EQ(results.size(), 1U);
        EXPECT_EQ(results[0].reason, FinishReason::kCancelled);
      }
      expect_well(llm, truth);
      return tried;
    });
  }
}

// Far more text than the context holds, and than there is memory for.
TEST_F(LlmAllocations, AnAbsurdPromptIsRefused) {
  Llm llm = open();
  std::string text(60U << 20, 'a');
  for (size_t i = 0; i < text.size(); i += 5) text[i] = ' ';
  TextRequest asked{.prompt = std::move(text)};
  Status status;
  {
    const MemoryLimit limit(90U << 20);
    status = llm.submit(std::move(asked)).status();
  }
  EXPECT_TRUE(status.code() == StatusCode::kInvalidArgument ||
              status.code() == StatusCode::kResourceExhausted)
      << status.message();
  expect_well(llm, truth_of(1));
}

}  // namespace
}  // namespace cairn
