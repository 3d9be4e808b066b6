// Lists of random operations on an engine, each result held against the oracle, and the cache counted after
// each.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>

#include "engine/engine.h"
#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

// One request and what must come of it.
struct Asked {
  RequestId id;
  Heard heard;
  std::vector<TokenId> tokens;  // all that it must have in the end, or so far (by caller)
  int64_t prompt_count = 0;
  bool by_caller = false;
  bool cancelled = false;
  std::optional<SessionId> session;

  [[nodiscard]] bool ended() const { return !heard.results.empty(); }
};

class Player {
 public:
  Player(uint64_t seed, const EngineOptions& options, std::vector<int32_t> layer_groups)
      : random_(seed),
        plan_(options.kv_plan),
        context_(options.context),
        engine_(make_fake_engine(options, std::move(layer_groups)).engine) {}

  void play(int operations) {
    for (int i = 0; i < operations && !::testing::Test::HasFailure(); ++i) {
      SCOPED_TRACE("operation " + std::to_string(i));
      operate();
      const Status status = engine_->cache().check();
      ASSERT_TRUE(status.ok()) << status.message();
    }
    for (Asked& asked : asked_) {
      if (asked.by_caller && !asked.ended()) engine_->cancel(asked.id);
      asked.cancelled |= asked.by_caller;
    }
    run_until_idle(*engine_);
    for (const Asked& asked : asked_) expect_end(asked);
    for (const SessionId session : sessions_) engine_->close_session(session);
    EXPECT_EQ(engine_->cache().used_bytes(), 0u);
  }
  [[nodiscard]] int64_t preemptions() const {
    int64_t sum = 0;
    for (const Asked& asked : asked_) sum += asked.heard.results.at(0).stats.preemptions;
    return sum;
  }
  [[nodiscard]] int64_t reused() const {
    int64_t sum = 0;
    for (const Asked& asked : asked_) sum += asked.heard.results.at(0).stats.reused_tokens;
    return sum;
  }

 private:
  int64_t below(int64_t end) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(end)); }

  // Few texts, so that beginnings are shared; cut anywhere, edges of blocks more often.
  std::vector<TokenId> some_beginning() {
    const int64_t edge = 32 * (1 + below(3)) - 1 + below(3);
    const int64_t length = below(2) == 0 ? edge : 1 + below(100);
    return branch_of(static_cast<uint64_t>(below(2)), std::min<int64_t>(below(100), length),
                     static_cast<uint64_t>(below(3)), length);
  }

  void operate() {
    switch (below(10)) {
      case 0: return submit(some_beginning(), below(3) == 0, std::nullopt);
      case 1: return submit_turn();
      case 2: return fork();
      case 3: return extend();
      case 4: return roll_back();
      case 5:
        if (below(4) == 0) cancel();
        return;
      default: engine_->step(); return;
    }
  }

  Asked& ask(std::vector<TokenId> tokens, bool by_caller) {
    Asked& asked = asked_.emplace_back();
    asked.by_caller = by_caller;
    asked.prompt_count = std::ssize(tokens);
    asked.tokens = std::move(tokens);
    return asked;
  }
  Request request_for(Asked& asked, std::vector<TokenId> prompt) {
    const int64_t most = context_ - std::ssize(asked.tokens) + 1;
    Request request = make_request(std::move(prompt), std::min<int64_t>(below(50), most), asked.heard);
    if (asked.by_caller) {
      request.picks = Picks::kByCaller;
      request.max_tokens.reset();
      request.on_text = nullptr;
    } else {
      for (const TokenId token : oracle_tokens(asked.tokens, *request.max_tokens, plan_))
        asked.tokens.push_back(token);
    }
    request.logits_wanted = static_cast<LogitsWanted>(below(3));
    return request;
  }

  void submit(std::vector<TokenId> prompt, bool by_caller, std::optional<SessionId> session) {
    Asked& asked = ask(prompt, by_caller);
    Request request = request_for(asked, std::move(prompt));
    request.session = asked.session = session;
    const Result<RequestId> id = engine_->submit(std::move(request));
    ASSERT_TRUE(id.ok()) << id.status().message();
    asked.id = *id;
  }

  void submit_turn() {
    if (sessions_.size() < 2) sessions_.push_back(*engine_->open_session());
    const SessionId session = sessions_[static_cast<size_t>(below(std::ssize(sessions_)))];
    for (const Asked& asked : asked_) {
      if (asked.session == session && !asked.ended()) return;
    }
    submit(some_beginning(), false, session);
  }

  Asked* one_that(auto&& fits) {
    std::vector<Asked*> all;
    for (Asked& asked : asked_) {
      if (!asked.ended() && fits(asked)) all.push_back(&asked);
    }
    return all.empty() ? nullptr : all[static_cast<size_t>(below(std::ssize(all)))];
  }
  // All that a live request has at this moment.
  std::vector<TokenId> tokens_now(const Asked& asked) const {
    const RequestStats* stats = engine_->stats(asked.id);
    const int64_t count = stats->prompt_tokens + stats->generated_tokens;
    return {asked.tokens.begin(), asked.tokens.begin() + count};
  }

  void fork() {
    const Asked* parent = one_that([](const Asked&) { return true; });
    if (parent == nullptr) return;
    std::vector<TokenId> tokens = tokens_now(*parent);
    std::vector<TokenId> more = some_prompt(static_cast<uint64_t>(below(5)), below(4));
    if (std::ssize(tokens) + std::ssize(more) > std::min(context_, engine_->cache().max_length())) return;
    tokens.insert(tokens.end(), more.begin(), more.end());
    const RequestId id = parent->id;
    Asked& asked = ask(std::move(tokens), below(3) == 0);
    Request request = request_for(asked, std::move(more));
    const Result<RequestId> forked = engine_->fork(id, std::move(request));
    ASSERT_TRUE(forked.ok()) << forked.status().message();
    asked.id = *forked;
  }

  // A waiting request by caller, for which these logits have just been told.
  Asked* waiting() {
    return one_that([&](const Asked& asked) {
      return asked.by_caller && !asked.heard.logits.empty() &&
             asked.heard.logit_positions.back() == std::ssize(asked.tokens) - 1 &&
             std::ssize(asked.tokens) < context_;
    });
  }

  void extend() {
    Asked* asked = waiting();
    if (asked == nullptr) return;
    EXPECT_EQ(asked->heard.logits.back(), oracle_logits(asked->tokens, plan_));
    const auto more = some_prompt(static_cast<uint64_t>(below(5)),
                                  1 + below(std::min<int64_t>(40, context_ - std::ssize(asked->tokens))));
    const Status status = engine_->extend(asked->id, more);
    if (status.code() == StatusCode::kNotFound) return;  // it was rolled back and has not run again
    ASSERT_TRUE(status.ok()) << status.message();
    asked->tokens.insert(asked->tokens.end(), more.begin(), more.end());
  }

  void roll_back() {
    Asked* asked = waiting();
    if (asked == nullptr || std::ssize(asked->tokens) == asked->prompt_count) return;
    const int64_t length = asked->prompt_count + below(std::ssize(asked->tokens) - asked->prompt_count);
    const Status status = engine_->roll_back(asked->id, length);
    if (status.code() == StatusCode::kNotFound) return;
    ASSERT_TRUE(status.ok()) << status.message();
    asked->tokens.resize(static_cast<size_t>(length));
  }

  void cancel() {
    Asked* asked = one_that([](const Asked&) { return true; });
    if (asked == nullptr) return;
    asked->cancelled = true;
    EXPECT_TRUE(engine_->cancel(asked->id));
  }

  void expect_end(const Asked& asked) const {
    ASSERT_EQ(asked.heard.results.size(), 1u);
    const RequestResult& result = asked.heard.results[0];
    if (result.reason == FinishReason::kError) {  // outgrew the memory alone
      EXPECT_EQ(result.status.code(), StatusCode::kResourceExhausted) << result.status.message();
      EXPECT_GE(asked.prompt_count + result.stats.generated_tokens, engine_->cache().max_length());
      return;
    }
    const FinishReason whole = asked.by_caller ? FinishReason::kContextFull : FinishReason::kLength;
    EXPECT_EQ(result.reason, asked.cancelled ? FinishReason::kCancelled : whole);
    if (asked.by_caller) return;
    const std::vector<TokenId> expected(asked.tokens.begin() + asked.prompt_count, asked.tokens.end());
    if (!asked.cancelled) {
      EXPECT_EQ(asked.heard.tokens, expected);
    } else {
      EXPECT_TRUE(std::equal(asked.heard.tokens.begin(), asked.heard.tokens.end(), expected.begin()));
    }
    for (size_t i = 0; i < asked.heard.logits.size(); ++i) {
      const auto count = static_cast<size_t>(asked.heard.logit_positions[i] + 1);
      ASSERT_EQ(asked.heard.logits[i], oracle_logits(std::span(asked.tokens).first(count), plan_)) << count;
    }
  }

  std::mt19937_64 random_;
  KvPlan plan_;
  int64_t context_;
  std::unique_ptr<Engine> engine_;
  std::deque<Asked> asked_;
  std::vector<SessionId> sessions_;
};

// The oracle knows of no groups: with any of them, its are the logits.
void play_seeds(uint64_t count, const std::vector<const char*>& plans,
                const std::vector<int32_t>& layer_groups) {
  int64_t preemptions = 0;
  int64_t reused = 0;
  for (uint64_t seed = 0; seed < count && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    EngineOptions options{.context = 160,
                          .max_sequences = 1 + static_cast<int64_t>(seed % 5),
                          .prefill_chunk = seed % 3 == 0 ? 7 : 64,
                          .score_chunk = 16};
    options.kv_plan = KvPlan::parse(plans[seed % plans.size()]).value();
    if (seed % 4 < 2) options.pool_bytes = fake_blocks(5 + static_cast<int64_t>(seed % 7), options.kv_plan);
    if (seed % 10 == 9) options.storage = KvStorageKind::kContiguous;
    if (seed % 10 == 8) options.sharing = PrefixSharing::kOff;
    Player player(seed, options, layer_groups);
    player.play(150);
    preemptions += player.preemptions();
    reused += player.reused();
  }
  EXPECT_GT(preemptions, 20);
  EXPECT_GT(reused, 1000);
}

TEST(EngineOperations, EachResultIsTheOracles) { play_seeds(60, {"f16", "k=int8:channel,v=f32"}, {}); }
TEST(EngineOperations, EachResultIsTheOraclesInTwoGroups) {
  play_seeds(40, {"f16; layer 0: f32", "layer 0: f16; rest: k=int8:channel,v=f32"}, {0, 1});
}

// By position: what a caller adds is no prompt.
TEST(EngineCounts, SaysWhichRowsWereOfPrompts) {
  auto [engine, pass] = make_fake_engine({.context = 256, .max_sequences = 2, .prefill_chunk = 32});
  Heard sampled;
  Heard by_caller;
  ASSERT_TRUE(engine->submit(make_request(some_prompt(1, 70), 20, sampled)).ok());
  run_until_idle(*engine);
  EXPECT_EQ(engine->snapshot().counts.prompt_rows, 70);
  EXPECT_EQ(engine->snapshot().counts.decode_rows, 19) << "the last token is never fed back";
  Request request = make_request(some_prompt(2, 10), 100, by_caller);
  request.picks = Picks::kByCaller;
  request.on_text = {};
  const auto id = engine->submit(std::move(request));
  ASSERT_TRUE(id.ok()) << id.status().message();
  checked_step(*engine);
  ASSERT_TRUE(engine->extend(*id, some_prompt(3, 5)).ok());
  checked_step(*engine);
  EXPECT_EQ(engine->snapshot().counts.prompt_rows, 80);
  EXPECT_EQ(engine->snapshot().counts.decode_rows, 24);
  EXPECT_TRUE(engine->cancel(*id));
}

}  // namespace
}  // namespace cairn
