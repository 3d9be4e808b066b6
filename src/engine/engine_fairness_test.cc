// Who runs when, in numbers: nobody waits behind work that is not its own, a running request keeps its place,
// nothing is computed twice, and the counters count what an operator would mean.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>
#include <vector>

#include "base/sanitizer_testing.h"
#include "engine/engine.h"
#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

EngineOptions options(int64_t max_sequences = 8) {
  return {.context = 4096, .max_sequences = max_sequences, .prefill_chunk = 64};
}

// Runs until nothing is left; the number of the step in which `heard` got its first token.
int first_token_step(Engine& engine, const Heard& heard) {
  int first = 0;
  for (int step = 1; !engine.idle() && step < 10000; ++step) {
    engine.step();
    if (first == 0 && !heard.tokens.empty()) first = step;
  }
  EXPECT_TRUE(engine.idle());
  EXPECT_TRUE(engine.cache().check().ok()) << engine.cache().check().message();
  return first;
}

// The longest time between two tokens, in steps: 1 where there is one in each.
int longest_gap(Engine& engine, const Heard& heard) {
  int gap = 0;
  int last_step = 0;
  size_t count = 0;
  for (int step = 1; !engine.idle() && step < 10000; ++step) {
    engine.step();
    if (heard.tokens.size() == count) continue;
    if (count > 0) gap = std::max(gap, step - last_step);
    count = heard.tokens.size();
    last_step = step;
  }
  EXPECT_TRUE(engine.idle());
  return gap;
}

void submit(Engine& engine, Request request) {
  const auto id = engine.submit(std::move(request));
  ASSERT_TRUE(id.ok()) << id.status().message();
}

// ---- long prompts and short ones ------------------------------------------------------------------

constexpr int64_t kDocument = 3000;  // 47 steps of 64 rows
constexpr int64_t kHeader = 40;      // one whole block, and a bit

TEST(Fairness, AShortPromptDoesNotWaitForALongOne) {
  auto [engine, pass] = make_fake_engine(options());
  Heard document;
  Heard chat;
  submit(*engine, make_request(some_prompt(1, kDocument), 4, document));
  submit(*engine, make_request(some_prompt(2, 60), 4, chat));
  EXPECT_LE(first_token_step(*engine, chat), 4);
  expect_oracle(chat, some_prompt(2, 60), 4);
  expect_oracle(document, some_prompt(1, kDocument), 4);
}

TEST(Fairness, AShortPromptThatComesLaterDoesNotWaitEither) {
  auto [engine, pass] = make_fake_engine(options());
  Heard document;
  Heard chat;
  submit(*engine, make_request(some_prompt(1, kDocument), 4, document));
  for (int i = 0; i < 5; ++i) engine->step();
  submit(*engine, make_request(some_prompt(2, 60), 4, chat));
  EXPECT_LE(first_token_step(*engine, chat), 4);
}

// Nor the other way round: short prompts that keep coming, a quarter of what a step can do, do not stop it.
TEST(Fairness, ALongPromptDoesNotWaitForShortOnes) {
  auto [engine, pass] = make_fake_engine(options());
  Heard document;
  std::vector<Heard> chats(100);
  submit(*engine, make_request(some_prompt(1, kDocument), 1, document));
  size_t steps = 0;
  for (; document.tokens.empty() && steps < 4 * chats.size(); ++steps) {
    if (steps % 4 == 0) submit(*engine, make_request(some_prompt(100 + steps, 60), 2, chats[steps / 4]));
    engine->step();
  }
  EXPECT_LE(steps, 3U * (kDocument / 64 + 1));  // alone it takes 47
  run_until_idle(*engine);
}

Request scored(Request request) {
  request.logits_wanted = LogitsWanted::kEveryPosition;
  return request;
}

// 32 scored rows a step: 94 steps for the document alone, and 8 of the rows for the short text.
TEST(Fairness, AShortScoredTextDoesNotWaitForALongOne) {
  auto [engine, pass] = make_fake_engine(options());
  Heard document;
  Heard text;
  submit(*engine, scored(make_request(some_prompt(1, kDocument), 0, document)));
  for (int i = 0; i < 5; ++i) engine->step();
  submit(*engine, scored(make_request(some_prompt(2, 60), 1, text)));
  EXPECT_LE(first_token_step(*engine, text), 8);
  expect_oracle(text, some_prompt(2, 60), 1);
  EXPECT_EQ(text.logits.size(), 60U);
  EXPECT_EQ(document.logits.size(), static_cast<size_t>(kDocument));
}

TEST(Fairness, ALongScoredTextDoesNotWaitForShortOnes) {
  auto [engine, pass] = make_fake_engine(options());
  Heard document;
  std::vector<Heard> texts(50);
  submit(*engine, scored(make_request(some_prompt(1, kDocument), 0, document)));
  size_t steps = 0;
  for (; document.results.empty() && steps < 8 * texts.size(); ++steps) {
    if (steps % 8 == 0) {
      submit(*engine, scored(make_request(some_prompt(100 + steps, 64), 0, texts[steps / 8])));
    }
    engine->step();
  }
  EXPECT_LE(steps, 126U);  // 24 rows in each
  run_until_idle(*engine);
}

// A stream whose logits are all wanted is a stream: its row is beside those of the text, also where that is served first.
TEST(Fairness, AScoredTextDoesNotStopAScoredStream) {
  auto [engine, pass] = make_fake_engine(options());
  Heard document;
  Heard stream;
  Request later = scored(make_request(some_prompt(2, 5), 60, stream));
  later.priority = -1;
  submit(*engine, std::move(later));
  engine->step();
  submit(*engine, scored(make_request(some_prompt(1, kDocument), 0, document)));
  EXPECT_EQ(longest_gap(*engine, stream), 1);
  expect_oracle(stream, some_prompt(2, 5), 60);
}

class SharedHeader : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(OtherRequestsForTheDocument, SharedHeader, ::testing::Values(0, 1));

// The block of the header is in the cache after one step; nothing else is worth waiting for.
TEST_P(SharedHeader, WaitsForThatBlockOnly) {
  auto [engine, pass] = make_fake_engine(options());
  const auto document = branch_of(1, kHeader, 1, kDocument);
  auto other_document = document;
  for (const TokenId token : some_prompt(77, 30)) other_document.push_back(token);
  const auto chat = branch_of(1, kHeader, 2, 60);
  std::vector<Heard> heard(3);
  submit(*engine, make_request(document, 4, heard[0]));
  if (GetParam() == 1) submit(*engine, make_request(other_document, 4, heard[1]));
  submit(*engine, make_request(chat, 4, heard[2]));
  EXPECT_LE(first_token_step(*engine, heard[2]), 5);
  expect_oracle(heard[2], chat, 4);
  EXPECT_EQ(heard[2].results[0].stats.reused_tokens, kBlockSize);
  if (GetParam() == 1) {
    expect_oracle(heard[1], other_document, 4);
    EXPECT_GE(heard[1].results[0].stats.reused_tokens, kDocument / kBlockSize * kBlockSize);
  }
}

// The document is scored, 32 rows a step: it takes 94 steps.
TEST_P(SharedHeader, WaitsForThatBlockOnlyBehindAScoredText) {
  EngineOptions scoring = options();
  scoring.prefill_chunk = 512;
  auto [engine, pass] = make_fake_engine(scoring);
  const auto document = branch_of(1, kHeader, 1, kDocument);
  auto other_document = document;
  other_document.push_back(7);
  const auto chat = branch_of(1, kHeader, 2, 60);
  std::vector<Heard> heard(3);
  submit(*engine, scored(make_request(document, 0, heard[0])));
  if (GetParam() == 1) submit(*engine, make_request(other_document, 4, heard[1]));
  submit(*engine, make_request(chat, 4, heard[2]));
  EXPECT_LE(first_token_step(*engine, heard[2]), 5);
  expect_oracle(heard[2], chat, 4);
}

// ---- places ---------------------------------------------------------------------------------------

// Two requests share a long beginning, so the second waits for the first; the third runs meanwhile and has the
// second place. The waiter's turn comes while it runs.
void expect_no_gap(Engine& engine, const std::vector<TokenId>& third) {
  std::vector<Heard> heard(3);
  auto first = some_prompt(1, 640);
  auto second = first;
  first.push_back(5);
  second.push_back(6);
  submit(engine, make_request(first, 300, heard[0]));
  submit(engine, make_request(second, 300, heard[1]));
  submit(engine, make_request(third, 200, heard[2]));
  EXPECT_EQ(longest_gap(engine, heard[2]), 1);
  expect_oracle(heard[0], first, 300);
  expect_oracle(heard[1], second, 300);
  expect_oracle(heard[2], third, 200);
  for (const Heard& h : heard) EXPECT_EQ(h.results[0].stats.preemptions, 0);
}

TEST(Places, AWaiterDoesNotTakeARunningRequestsPlace) {
  auto [engine, pass] = make_fake_engine(options(2));
  expect_no_gap(*engine, some_prompt(9, 30));
}

TEST(Places, NorThatOfOneWhosePromptWasInTheCache) {
  auto [engine, pass] = make_fake_engine(options(2));
  const auto warm = some_prompt(9, 33);
  Heard heard;
  submit(*engine, make_request(warm, 1, heard));
  run_until_idle(*engine);
  expect_no_gap(*engine, warm);
}

void on_finish_also(Request& request, std::function<void()> then) {
  request.on_finish = [before = request.on_finish, then = std::move(then)](const RequestResult& result) {
    before(result);
    then();
  };
}

// A fork's rows are its parent's: it takes the place that has just become free past a request that came before it, which
// gets the next one. Nothing of the fork is computed again.
TEST(Places, AForkOfRowsThatAreThereTakesAFreePlace) {
  auto [engine, pass] = make_fake_engine(options(2));
  int64_t rows = 0;
  pass->on_forward = [&rows](const Batch& batch) { rows += std::ssize(batch.tokens); };
  std::vector<Heard> heard(4);
  const auto prompt = some_prompt(1, 45);
  const RequestId parent = *engine->submit(make_request(prompt, 30, heard[0]));
  Request other = make_request(some_prompt(2, 10), 3, heard[1]);
  on_finish_also(other, [&] { ASSERT_TRUE(engine->fork(parent, make_request({}, 5, heard[3])).ok()); });
  submit(*engine, std::move(other));
  submit(*engine, make_request(some_prompt(3, 10), 3, heard[2]));
  while (heard[3].tokens.empty()) checked_step(*engine);
  EXPECT_TRUE(heard[2].tokens.empty());
  EXPECT_EQ(engine->count_of(SequenceState::kQueued), 1);
  run_until_idle(*engine);
  expect_oracle(heard[0], prompt, 30);
  expect_oracle(heard[2], some_prompt(3, 10), 3);
  EXPECT_EQ(heard[3].results.at(0).stats.reused_tokens, heard[3].results[0].stats.prompt_tokens - 1);
  EXPECT_EQ(rows, (45 + 29) + 2 * (10 + 2) + 5);
}

// Likewise a turn of a session whose rows are there: the place is its own. Once a request that waits for a place has
// taken it, the turn comes behind that one.
class NextTurn : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(ComesAtOnce, NextTurn, ::testing::Bool());

TEST_P(NextTurn, HasItsSessionsPlaceAsLongAsItIsThere) {
  const bool at_once = GetParam();
  auto [engine, pass] = make_fake_engine(options(1));
  const SessionId session = *engine->open_session();
  std::vector<Heard> heard(3);
  const auto prompt = some_prompt(1, 45);
  auto next_prompt = prompt;
  for (const TokenId token : oracle_tokens(prompt, 3)) next_prompt.push_back(token);
  next_prompt.push_back(9);
  const auto turn = [&](const std::vector<TokenId>& tokens, Heard& into) {
    Request request = make_request(tokens, 3, into);
    request.session = session;
    if (at_once && tokens.size() == prompt.size()) {
      on_finish_also(request, [&, session] {
        Request next = make_request(next_prompt, 3, heard[2]);
        next.session = session;
        submit(*engine, std::move(next));
      });
    }
    submit(*engine, std::move(request));
  };
  turn(prompt, heard[0]);
  submit(*engine, make_request(some_prompt(3, 10), 3, heard[1]));
  while (heard[0].results.empty()) checked_step(*engine);
  checked_step(*engine);
  if (!at_once) turn(next_prompt, heard[2]);
  EXPECT_EQ(heard[1].tokens.empty(), at_once);
  run_until_idle(*engine);
  expect_oracle(heard[1], some_prompt(3, 10), 3);
  expect_oracle(heard[2], next_prompt, 3);
  EXPECT_EQ(heard[2].results[0].stats.reused_tokens, at_once ? 47 : kBlockSize);
}

// ---- nothing is computed twice --------------------------------------------------------------------

class ForkInMidPrefill : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(StepsBefore, ForkInMidPrefill, ::testing::Values(0, 1, 5, 31));

TEST_P(ForkInMidPrefill, ThePromptIsComputedOnce) {
  constexpr int64_t kPrompt = 2048;
  constexpr int64_t kChildren = 3;
  auto [engine, pass] = make_fake_engine(options());
  int64_t rows = 0;
  pass->on_forward = [&rows](const Batch& batch) { rows += std::ssize(batch.tokens); };
  std::vector<Heard> heard(kChildren + 1);
  const RequestId id = *engine->submit(make_request(some_prompt(1, kPrompt), 2, heard[0]));
  for (int i = 0; i < GetParam(); ++i) engine->step();
  for (size_t i = 1; i < heard.size(); ++i) ASSERT_TRUE(engine->fork(id, make_request({}, 2, heard[i])).ok());
  run_until_idle(*engine);
  for (const Heard& h : heard) expect_oracle(h, some_prompt(1, kPrompt), 2);
  // Each runs one generated token, and a child may run the prompt's last block again.
  EXPECT_LE(rows, kPrompt + kChildren * kBlockSize + kChildren + 1);
}

TEST(Sessions, TakeTheLongerOfTheirOwnRowsAndTheCaches) {
  auto [engine, pass] = make_fake_engine(options());
  const SessionId session = *engine->open_session();
  const auto ask = [&](const std::vector<TokenId>& prompt, bool in_session) {
    Heard heard;
    Request request = make_request(prompt, 2, heard);
    if (in_session) request.session = session;
    submit(*engine, std::move(request));
    run_until_idle(*engine);
    expect_oracle(heard, prompt, 2);
    return heard.results.at(0).stats.reused_tokens;
  };
  const auto other = branch_of(1, 3, 5, 2000);  // agrees with the session's text in 3 tokens
  EXPECT_EQ(ask(some_prompt(1, 100), true), 0);
  EXPECT_EQ(ask(other, false), 0);
  EXPECT_EQ(ask(other, true), 62 * kBlockSize);
  // And its own rows where those reach further: all of them, not whole blocks only.
  auto next = other;
  for (const TokenId token : oracle_tokens(other, 2)) next.push_back(token);
  next.push_back(17);
  EXPECT_EQ(ask(next, true), 2001);
}

// ---- counters -------------------------------------------------------------------------------------

// Follows one request through the batches, by its text.
class Watcher {
 public:
  explicit Watcher(std::vector<TokenId> text) : text_(std::move(text)) {}

  void see(const Batch& batch) {
    const bool ran_before = ran_;
    ran_ = std::ranges::any_of(batch.sequences, [&](const BatchSequence& s) { return is_mine(batch, s); });
    if (ran_ && !ran_before && end_ > 0) ++pauses;
    for (const BatchSequence& sequence : batch.sequences) {
      if (!is_mine(batch, sequence)) continue;
      if (sequence.first_position < end_) ++rewinds;
      end_ = sequence.first_position + sequence.row_count;
    }
  }

  int64_t rewinds = 0;  // rows that it had run ran again
  int64_t pauses = 0;   // it ran, did not, and ran again

 private:
  [[nodiscard]] bool is_mine(const Batch& batch, const BatchSequence& sequence) const {
    const auto rows = batch.tokens.subspan(static_cast<size_t>(sequence.first_row),
                                           static_cast<size_t>(sequence.row_count));
    const auto first = static_cast<size_t>(sequence.first_position);
    return first + rows.size() <= text_.size() &&
           std::equal(rows.begin(), rows.end(), text_.begin() + sequence.first_position);
  }

  std::vector<TokenId> text_;
  int64_t end_ = 0;
  bool ran_ = false;
};

TEST(Counters, OwnRowsThatWereLostAreNoHits) {
  EngineOptions small = options(2);
  small.pool_bytes = fake_blocks(20);
  small.context = 640;
  auto [engine, pass] = make_fake_engine(small);
  std::vector<Heard> heard(2);
  const auto prompt = some_prompt(2, 300);
  auto text = prompt;
  for (const TokenId token : oracle_tokens(prompt, 200)) text.push_back(token);
  Watcher watcher(text);
  pass->on_forward = [&watcher](const Batch& batch) { watcher.see(batch); };
  // The other one's tokens never look like this one's.
  TokenId absent = 3;
  while (std::ranges::find(text, absent) != text.end()) ++absent;
  ASSERT_LT(absent, kFakeVocab);
  Request other = make_request(some_prompt(1, 64), 500, heard[0]);
  other.forced_tokens.assign(500, absent);
  submit(*engine, std::move(other));
  submit(*engine, make_request(prompt, 200, heard[1]));
  run_until_idle(*engine);
  EXPECT_EQ(heard[0].tokens, std::vector<TokenId>(500, absent));
  expect_oracle(heard[1], prompt, 200);

  const RequestStats& stats = heard[1].results[0].stats;
  EXPECT_EQ(stats.reused_tokens, 0);
  EXPECT_EQ(engine->cache().counts().matched_positions, 0);
  // Taken back while it ran: not for a place that it was given and lost before it ran.
  EXPECT_GE(watcher.pauses, 1);
  EXPECT_GE(stats.preemptions, 1);
  EXPECT_GE(stats.preemptions, watcher.rewinds);
  EXPECT_LE(stats.preemptions, watcher.pauses);
  EXPECT_EQ(heard[0].results[0].stats.preemptions, 0);
}

TEST(Counters, OthersRowsAreHitsOnce) {
  auto [engine, pass] = make_fake_engine(options(2));
  const auto prompt = some_prompt(3, 100);
  for (int i = 0; i < 2; ++i) {
    Heard heard;
    submit(*engine, make_request(prompt, 5, heard));
    run_until_idle(*engine);
    EXPECT_EQ(heard.results.at(0).stats.reused_tokens, i * 96);
    EXPECT_EQ(heard.results.at(0).stats.preemptions, 0);
    EXPECT_EQ(engine->cache().counts().matched_positions, i * 96);
  }
}

// ---- what is reported -----------------------------------------------------------------------------

// A cancelled request ends at once: its end is all that is still reported.
TEST(Cancel, InOnLogitsNoTokenFollows) {
  auto [engine, pass] = make_fake_engine({.context = 512, .max_sequences = 2, .prefill_chunk = 64});
  Heard heard;
  RequestId id;
  Request request = make_request(some_prompt(1, 5), 10, heard);
  const auto report = request.on_logits;
  request.on_logits = [&](int64_t position, std::span<const float> logits) {
    report(position, logits);
    if (heard.logits.size() == 2) {
      EXPECT_TRUE(engine->cancel(id));
    }
  };
  id = *engine->submit(std::move(request));
  engine->step();
  engine->step();
  ASSERT_EQ(heard.results.size(), 1U);
  EXPECT_EQ(heard.results[0].reason, FinishReason::kCancelled);
  EXPECT_EQ(heard.logits.size(), 2U);
  EXPECT_EQ(heard.tokens.size(), 1U);
  EXPECT_EQ(heard.results[0].stats.generated_tokens, 1);
  EXPECT_TRUE(engine->idle());
}

TEST(Cancel, InOnLogitsNoFurtherRowFollows) {
  auto [engine, pass] = make_fake_engine({.context = 512, .prefill_chunk = 64, .score_chunk = 16});
  Heard heard;
  RequestId id;
  Request request = make_request(some_prompt(1, 40), 0, heard);
  request.logits_wanted = LogitsWanted::kEveryPosition;
  const auto report = request.on_logits;
  request.on_logits = [&](int64_t position, std::span<const float> logits) {
    report(position, logits);
    if (position == 3) {
      EXPECT_TRUE(engine->cancel(id));
    }
  };
  id = *engine->submit(std::move(request));
  run_until_idle(*engine);
  EXPECT_EQ(heard.logits.size(), 4U);
  ASSERT_EQ(heard.results.size(), 1U);
  EXPECT_EQ(heard.results[0].reason, FinishReason::kCancelled);
}

// Another request's token may cancel one that ran in the same step: it hears nothing more either.
TEST(Cancel, OfAnotherRequestInTheSameStep) {
  auto [engine, pass] = make_fake_engine(options());
  std::vector<Heard> heard(2);
  std::vector<RequestId> ids(2);
  for (size_t i = 0; i < 2; ++i) {
    Request request = make_request(some_prompt(i, 5), 10, heard[i]);
    request.on_token = [&, i](TokenId token) {
      heard[i].tokens.push_back(token);
      if (heard[i].tokens.size() == 3) {
        EXPECT_TRUE(engine->cancel(ids[1 - i]));
      }
    };
    ids[i] = *engine->submit(std::move(request));
  }
  run_until_idle(*engine);
  const size_t loser = heard[0].tokens.size() < heard[1].tokens.size() ? 0 : 1;
  EXPECT_EQ(heard[loser].tokens.size(), 2U);
  EXPECT_EQ(heard[loser].results.at(0).reason, FinishReason::kCancelled);
  EXPECT_EQ(heard[1 - loser].results.at(0).reason, FinishReason::kLength);
}

// ---- what a queue costs ---------------------------------------------------------------------------

// Before the forward pass begins. The bar of `cairn bench scheduler` is far lower; this one holds on a busy
// machine, and not with work that grows with requests times prefix.
TEST(QueueCost, AStepDoesNotWalkAllWaitingPrompts) {
  constexpr int64_t kPrefix = 4096;
  EngineOptions queue{.context = kPrefix + 512, .max_sequences = 16, .prefill_chunk = 64};
  auto [engine, pass] = make_fake_engine(queue);
  const auto document = some_prompt(1, kPrefix);
  for (int i = 0; i < 2000; ++i) {
    auto prompt = document;
    prompt.push_back(3 + i % 250);
    prompt.push_back(3 + i / 250);
    submit(*engine, {.prompt = std::move(prompt), .max_tokens = 4});
  }
  using Clock = std::chrono::steady_clock;
  Clock::time_point begun;
  auto least = Clock::duration::max();
  pass->on_forward = [&](const Batch&) { least = std::min(least, Clock::now() - begun); };
  for (int i = 0; i < 20; ++i) {
    begun = Clock::now();
    engine->step();
  }
  EXPECT_LT(std::chrono::duration<double>(least).count(), kSanitized ? 20e-3 : 1e-3);
}

}  // namespace
}  // namespace cairn
