// What of a request a beam search keeps, and what it refuses. That it finds the best texts: engine_by_caller_test.cc.
#include "engine/beam_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

constexpr int64_t kWidth = 4;

// Every token but those of the letters a to h is forbidden, so that texts can be read.
std::vector<LogitBias> only_letters() {
  std::vector<LogitBias> bias;
  for (TokenId token = 0; token < kFakeVocab; ++token) {
    const int letter = token - 3;
    if (letter >= 'a' && letter <= 'h') continue;
    bias.push_back({token, -std::numeric_limits<float>::infinity()});
  }
  return bias;
}

Request letters(int64_t max_tokens) {
  Request request{.prompt = bytes_of("Once upon a time"), .max_tokens = max_tokens};
  request.sampling.logit_bias = only_letters();
  return request;
}

class BeamSearchTest : public ::testing::Test {
 protected:
  BeamSearch started(const Request& request) {
    auto search = BeamSearch::start(*fake_.engine, tokenizer_, request, {.width = kWidth});
    EXPECT_TRUE(search.ok()) << search.status().message();
    return std::move(*search);
  }
  std::vector<Beam> found(const Request& request) {
    BeamSearch search = started(request);
    while (true) {
      const Result<bool> more = search.step();
      EXPECT_TRUE(more.ok()) << more.status().message();
      EXPECT_TRUE(fake_.engine->cache().check().ok());
      if (!more.ok() || !*more) return search.beams();
    }
  }
  StatusCode refusal(const Request& request, const BeamOptions& options = {.width = kWidth}) {
    return BeamSearch::start(*fake_.engine, tokenizer_, request, options).status().code();
  }

  FakeEngine fake_ = make_fake_engine({.context = 64, .max_sequences = kWidth});
  Tokenizer tokenizer_ = fake_tokenizer();
};

TEST_F(BeamSearchTest, BiasDecidesWhatIsPossible) {
  for (const Beam& beam : found(letters(6))) {
    EXPECT_EQ(beam.text.find_first_not_of("abcdefgh"), std::string::npos) << beam.text;
    EXPECT_EQ(beam.text.size(), 6U);
    EXPECT_EQ(beam.reason, FinishReason::kLength);
  }
  Request none = letters(6);
  for (TokenId token = 0; token < kFakeVocab; ++token) {
    none.sampling.logit_bias.push_back({token, -std::numeric_limits<float>::infinity()});
  }
  BeamSearch search = started(none);
  Result<bool> more = true;
  while (more.ok() && *more) more = search.step();
  EXPECT_EQ(more.status().code(), StatusCode::kInvalidArgument);
}

// Of the eight letters the prompt has a, c and e.
TEST_F(BeamSearchTest, PenaltiesCountPromptAndText) {
  Request request = letters(5);
  request.sampling.frequency_penalty = 90;
  const auto beams = found(request);
  ASSERT_EQ(beams.size(), static_cast<size_t>(kWidth));
  for (const Beam& beam : beams) {
    std::string sorted = beam.text;
    std::ranges::sort(sorted);
    EXPECT_EQ(sorted, "bdfgh") << beam.text;
  }
}

TEST_F(BeamSearchTest, AStopStringEndsATextBeforeIt) {
  const std::vector<Beam> free = found(letters(8));
  Request request = letters(8);
  const std::string stop = free.front().text.substr(2, 2);
  request.stop_strings = {stop};
  bool is_stopped = false;
  for (const Beam& beam : found(request)) {
    EXPECT_EQ(beam.text.find(stop), std::string::npos) << beam.text;
    is_stopped |= beam.reason == FinishReason::kStopString;
    if (beam.reason == FinishReason::kStopString) EXPECT_EQ(beam.tokens.size(), beam.text.size() + 2);
  }
  EXPECT_TRUE(is_stopped);
}

// The text of a special token is not shown, but it stops all the same.
TEST_F(BeamSearchTest, AStopStringMayBeASpecialToken) {
  static constexpr TokenId kBos = 1;  // "<s>"
  Request request = letters(8);
  std::erase_if(request.sampling.logit_bias, [](const LogitBias& bias) { return bias.token == kBos; });
  request.sampling.logit_bias.push_back({kBos, 2});
  const auto has_bos = [](const Beam& beam) { return std::ranges::count(beam.tokens, kBos) > 0; };
  ASSERT_TRUE(std::ranges::any_of(found(request), has_bos));
  request.stop_strings = {"<s>"};
  bool is_stopped = false;
  for (const Beam& beam : found(request)) {
    EXPECT_EQ(has_bos(beam), beam.reason == FinishReason::kStopString);
    if (!has_bos(beam)) continue;
    is_stopped = true;
    EXPECT_EQ(beam.tokens.back(), kBos);
    EXPECT_EQ(beam.text.size(), beam.tokens.size() - 1);
  }
  EXPECT_TRUE(is_stopped);
}

TEST_F(BeamSearchTest, EndTokensEndUnlessIgnored) {
  const TokenId common = found(letters(8)).front().tokens[3];
  Request request = letters(8);
  request.end_tokens = {common};
  bool has_ended = false;
  for (const Beam& beam : found(request)) {
    EXPECT_EQ(std::ranges::count(beam.tokens, common), 0);
    has_ended |= beam.reason == FinishReason::kEndToken;
    EXPECT_EQ(beam.end_token.has_value(), beam.reason == FinishReason::kEndToken);
  }
  EXPECT_TRUE(has_ended);
  request.ignore_end_tokens = true;
  EXPECT_EQ(found(request).front().tokens, found(letters(8)).front().tokens);
}

TEST_F(BeamSearchTest, SaysThatTheContextIsFull) {
  Request request = letters(1000);
  const auto room = 64 - std::ssize(request.prompt) + 1;  // the last token is never run
  const auto beams = found(request);
  EXPECT_EQ(std::ssize(beams.front().tokens), room);
  EXPECT_EQ(beams.front().reason, FinishReason::kContextFull);
  request.max_tokens.reset();
  EXPECT_EQ(found(request).front().tokens, beams.front().tokens);
}

TEST_F(BeamSearchTest, HasTheBestSoFar) {
  const std::vector<Beam> whole = found(letters(3));
  BeamSearch search = started(letters(20));
  EXPECT_TRUE(search.beams().empty());
  while (search.length() < 3) ASSERT_TRUE(*search.step());
  const std::vector<Beam> so_far = search.beams();
  ASSERT_EQ(so_far.size(), whole.size());
  for (size_t i = 0; i < whole.size(); ++i) {
    EXPECT_EQ(so_far[i].text, whole[i].text);
    EXPECT_EQ(so_far[i].score, whole[i].score);
    EXPECT_EQ(so_far[i].reason, FinishReason::kCancelled);
  }
}

TEST_F(BeamSearchTest, RefusesWhatItCannotKeep) {
  const auto changed = [](auto change) {
    Request request = letters(4);
    change(request);
    return request;
  };
  for (const Request& request :
       {changed([](Request& r) { r.sampling.temperature = 0.5; }),
        changed([](Request& r) { r.sampling.top_k = 3; }),
        changed([](Request& r) { r.sampling.top_p = 0.5; }),
        changed([](Request& r) { r.sampling.min_p = 0.5; }),
        changed([](Request& r) { r.forced_tokens = {5}; }),
        changed([](Request& r) { r.session = SessionId{1}; }),
        changed([](Request& r) { r.logits_wanted = LogitsWanted::kEveryPosition; }),
        changed([](Request& r) { r.on_token = [](TokenId) {}; }),
        changed([](Request& r) { r.max_tokens = 0; }), changed([](Request& r) { r.prompt.clear(); }),
        changed([](Request& r) { r.stop_strings = {""}; }),
        changed([](Request& r) { r.sampling.repetition_penalty = -1; })}) {
    EXPECT_EQ(refusal(request), StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(refusal(letters(4), {.width = kWidth + 1}), StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal(letters(4), {.width = 0}), StatusCode::kInvalidArgument);
  EXPECT_EQ(refusal(letters(4)), StatusCode::kOk);
}

}  // namespace
}  // namespace cairn
