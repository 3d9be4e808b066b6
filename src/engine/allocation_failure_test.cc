// Each allocation of each of the engine's operations fails in turn: the operation says kResourceExhausted (or
// ends the request so) and changes nothing; no exception leaves it, nothing is lost, and the next try works.
#include <array>
#include <deque>
#include <functional>
#include <optional>

#include "engine/allocation_failure_testing.h"
#include "engine/engine.h"
#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

KvPlan plan() { return KvPlan::parse("k=int8:channel,v=f16").value(); }
EngineOptions options(KvStorageKind holding) {
  return {.storage = holding,
          .kv_plan = plan(),
          .context = 256,
          .max_sequences = 4,
          .prefill_chunk = 40,
          .score_chunk = 256};
}

// What a request's callbacks were called with is kept by sound allocations.
Request quiet_request(std::vector<TokenId> prompt, int64_t max_tokens, Heard& heard) {
  Request request = make_request(std::move(prompt), max_tokens, heard);
  const auto quiet = [](auto callback) {
    return [callback = std::move(callback)](auto... arguments) {
      const SoundAllocations sound;
      callback(arguments...);
    };
  };
  request.on_logits = quiet(std::move(request.on_logits));
  request.on_token = quiet(std::move(request.on_token));
  request.on_text = quiet(std::move(request.on_text));
  auto on_finish = std::move(request.on_finish);
  request.on_finish = [on_finish](const RequestResult& result) {
    const SoundAllocations sound;
    on_finish(result);
  };
  return request;
}

// An engine amid its work: one request generates, one waits for its caller, a session has a text.
class Stage {
 public:
  // A request that was tried, and what it must become if it was taken.
  struct Tried {
    Heard heard;
    std::vector<TokenId> prompt;
    bool accepted = false;
  };

  explicit Stage(KvStorageKind holding) : fake_(make_fake_engine(options(holding))) {
    running_id_ = *engine().submit(quiet_request(some_prompt(1, 70), 40, running_));
    Request by_caller = quiet_request(some_prompt(2, 50), 100, waiting_);
    by_caller.picks = Picks::kByCaller;
    by_caller.on_text = nullptr;
    waiting_id_ = *engine().submit(std::move(by_caller));
    session_ = *engine().open_session();
    Request turn = quiet_request(some_prompt(3, 40), 3, turn_);
    turn.session = session_;
    EXPECT_TRUE(engine().submit(std::move(turn)).ok());
    for (int i = 0; i < 10; ++i) checked_step(engine());
    const auto more = some_prompt(4, 7);
    EXPECT_TRUE(engine().extend(waiting_id_, more).ok());
    checked_step(engine());
  }

  Engine& engine() { return *fake_.engine; }
  [[nodiscard]] RequestId running() const { return running_id_; }
  [[nodiscard]] RequestId waiting() const { return waiting_id_; }
  [[nodiscard]] SessionId session() const { return session_; }
  [[nodiscard]] const std::vector<TokenId>& running_tokens() const { return running_.tokens; }
  Tried& tried(std::vector<TokenId> prompt) {
    Tried& tried = tried_.emplace_back();
    tried.prompt = std::move(prompt);
    return tried;
  }
  Request request_for(Tried& tried, std::vector<TokenId> prompt) {
    return quiet_request(std::move(prompt), 20, tried.heard);
  }
  Result<RequestId> note(Tried& tried, Result<RequestId> id) {
    tried.accepted = id.ok();
    return id;
  }
  // Where a step may be what fails, requests may end for want of memory.
  void allow_exhausted() { exhausted_is_fine_ = true; }
  void cancel_is_expected(bool of_running) { (of_running ? running_cancelled_ : waiting_cancelled_) = true; }

  // Everything else is as it would have been.
  void finish() {
    if (!waiting_cancelled_ && waiting_.results.empty()) {
      for (int i = 0; i < 100 && !has_waiting_logits(); ++i) checked_step(engine());
      EXPECT_TRUE(engine().cancel(waiting_id_));
    }
    run_until_idle(engine());
    EXPECT_EQ(waiting_.results.size(), 1U);
    EXPECT_EQ(turn_.results.size(), 1U);
    if (running_cancelled_) {
      EXPECT_EQ(running_.results.size(), 1U);
    } else {
      expect_good_end(running_, some_prompt(1, 70), 40);
    }
    for (const Tried& tried : tried_) {
      if (tried.accepted) {
        expect_good_end(tried.heard, tried.prompt, 20);
      } else {
        EXPECT_TRUE(tried.heard.results.empty() && tried.heard.tokens.empty());
      }
    }
    engine().close_session(session_);
    EXPECT_EQ(engine().cache().used_bytes(), 0U);
  }

 private:
  [[nodiscard]] bool has_waiting_logits() const { return !waiting_.logit_positions.empty(); }
  void expect_good_end(const Heard& heard, const std::vector<TokenId>& prompt, int64_t count) const {
    ASSERT_EQ(heard.results.size(), 1U);
    if (exhausted_is_fine_ && heard.results[0].reason == FinishReason::kError) {
      EXPECT_EQ(heard.results[0].status.code(), StatusCode::kResourceExhausted);
      return;
    }
    expect_oracle(heard, prompt, count, plan());
  }

  FakeEngine fake_;
  Heard running_;
  Heard waiting_;
  Heard turn_;
  std::deque<Tried> tried_;
  RequestId running_id_;
  RequestId waiting_id_;
  SessionId session_;
  bool running_cancelled_ = false;
  bool waiting_cancelled_ = false;
  bool exhausted_is_fine_ = false;
};

// Makes all that the caller brings, and returns the operation itself.
using Prepare = std::function<std::function<Status()>(Stage& stage)>;

class EngineAllocations : public ::testing::TestWithParam<KvStorageKind> {
 protected:
  static void expect_survived(const Prepare& prepare) {
    for_each_failure([&](int64_t n, FailingAllocations which) {
      Stage stage(GetParam());
      const auto operation = prepare(stage);
      const Attempt tried = attempt(n, which, operation);
      if (!expect_no_throw(tried)) return tried;
      EXPECT_TRUE(stage.engine().cache().check().ok()) << stage.engine().cache().check().message();
      if (!tried.status.ok()) {
        const Status again = prepare(stage)();
        EXPECT_TRUE(again.ok()) << "the next try: " << again.message();
      }
      stage.finish();
      return tried;
    });
  }

  // submit() of this request.
  static std::function<Status()> submitting(Stage& stage, std::vector<TokenId> prompt, auto&& change) {
    Stage::Tried& tried = stage.tried(prompt);
    const auto request = std::make_shared<Request>(stage.request_for(tried, std::move(prompt)));
    change(*request);
    return [&stage, &tried, request] {
      return stage.note(tried, stage.engine().submit(std::move(*request))).status();
    };
  }
};
INSTANTIATE_TEST_SUITE_P(Holdings, EngineAllocations,
                         ::testing::Values(KvStorageKind::kNone, KvStorageKind::kGrowing,
                                           KvStorageKind::kContiguous, KvStorageKind::kPaged),
                         [](const auto& param) { return std::string(kv_storage_kind_name(param.param)); });

TEST_P(EngineAllocations, OfCreate) {
  for_each_failure([&](int64_t n, FailingAllocations which) {
    const EngineOptions asked = options(GetParam());
    const auto make_parts = [&] {
      return Engine::Parts{
          .pass = std::make_unique<FakePass>(Engine::step_rows(asked), Engine::step_logit_rows(asked)),
          .kv_shape = fake_shape(asked.kv_plan),
          .layer_windows = {0, 10},
          .tokenizer = fake_tokenizer()};
    };
    Engine::Parts parts = make_parts();
    const Attempt tried = attempt(n, which, [&] { return Engine::create(std::move(parts), asked).status(); });
    if (expect_no_throw(tried)) {
      EXPECT_TRUE(Engine::create(make_parts(), asked).ok());
    }
    return tried;
  });
}

TEST_P(EngineAllocations, OfSubmit) {
  expect_survived([](Stage& stage) {
    return submitting(stage, some_prompt(5, 90),
                      [](Request& request) { request.stop_strings = {"never to be seen, so long is it"}; });
  });
}

TEST_P(EngineAllocations, OfSubmitThatFindsAPrefix) {
  expect_survived([](Stage& stage) { return submitting(stage, some_prompt(1, 66), [](Request&) {}); });
}

TEST_P(EngineAllocations, OfSubmitInASession) {
  expect_survived([](Stage& stage) {
    return submitting(stage, some_prompt(3, 45),
                      [&stage](Request& request) { request.session = stage.session(); });
  });
}

TEST_P(EngineAllocations, OfFork) {
  expect_survived([](Stage& stage) {
    auto prompt = some_prompt(1, 70);
    prompt.insert(prompt.end(), stage.running_tokens().begin(), stage.running_tokens().end());
    prompt.push_back(9);
    Stage::Tried& tried = stage.tried(std::move(prompt));
    const auto request = std::make_shared<Request>(stage.request_for(tried, {9}));
    return [&stage, &tried, request] {
      return stage.note(tried, stage.engine().fork(stage.running(), std::move(*request))).status();
    };
  });
}

TEST_P(EngineAllocations, OfStep) {
  for_each_failure([&](int64_t n, FailingAllocations which) {
    Stage stage(GetParam());
    stage.allow_exhausted();
    for (uint64_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(
          submitting(stage, branch_of(1, 66, i, 70 + 10 * static_cast<int64_t>(i)), [](Request&) {})().ok());
    }
    const Attempt tried = attempt(n, which, [&] {
      for (int i = 0; i < 40; ++i) stage.engine().step();
      return Status();
    });
    if (!expect_no_throw(tried)) return tried;
    EXPECT_TRUE(stage.engine().cache().check().ok()) << stage.engine().cache().check().message();
    stage.finish();
    return tried;
  });
}

// fake_tokenizer(), but the last token's text is longer than anything that an engine keeps room for.
constexpr TokenId kLongToken = kFakeVocab - 1;
Tokenizer tokenizer_with_a_long_token() {
  TokenizerTables tables;
  tables.model = "llama";
  tables.tokens = {"<unk>", "<s>", "</s>"};
  tables.types = {2, 3, 3};
  while (std::ssize(tables.tokens) < kLongToken) {
    tables.tokens.push_back("t" + std::to_string(tables.tokens.size()));
  }
  tables.tokens.push_back(std::string(2000, 'x'));
  tables.types.resize(tables.tokens.size(), static_cast<int64_t>(TokenType::kNormal));
  tables.scores.assign(tables.tokens.size(), 0.0F);
  tables.bos = 1;
  tables.eos = 2;
  tables.unk = 0;
  auto tokenizer = make_tokenizer(std::move(tables));
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  return *tokenizer;
}

std::unique_ptr<Engine> engine_with_a_long_token(const EngineOptions& options) {
  auto pass = std::make_unique<FakePass>(Engine::step_rows(options), Engine::step_logit_rows(options));
  auto engine = Engine::create(Engine::Parts{.pass = std::move(pass),
                                             .kv_shape = fake_shape(options.kv_plan),
                                             .layer_windows = {0, 10},
                                             .tokenizer = tokenizer_with_a_long_token()},
                               options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return std::move(*engine);
}

// The other request goes on; this one ends for want of memory, or has all its text.
TEST_P(EngineAllocations, OfAStepWhoseTokenHasALongText) {
  for_each_failure([&](int64_t n, FailingAllocations which) {
    const auto engine = engine_with_a_long_token(options(GetParam()));
    std::array<Heard, 2> heard;
    Request with_long_text = quiet_request(some_prompt(7, 40), 5, heard[0]);
    with_long_text.forced_tokens = {10, kLongToken, 11, 12, 13};
    EXPECT_TRUE(engine->submit(std::move(with_long_text)).ok());
    EXPECT_TRUE(engine->submit(quiet_request(some_prompt(8, 40), 10, heard[1])).ok());
    const Attempt tried = attempt(n, which, [&] {
      for (int i = 0; i < 12; ++i) engine->step();
      return Status();
    });
    if (!expect_no_throw(tried)) return tried;
    run_until_idle(*engine);
    expect_oracle(heard[1], some_prompt(8, 40), 10, plan());
    EXPECT_EQ(heard[0].results.size(), 1U);
    if (heard[0].results.size() != 1) return tried;
    const RequestResult& result = heard[0].results[0];
    if (tried.had_failure && result.reason == FinishReason::kError) {
      EXPECT_EQ(result.status.code(), StatusCode::kResourceExhausted) << result.status.message();
    } else {
      EXPECT_EQ(result.reason, FinishReason::kLength);
      EXPECT_GE(heard[0].text.size(), 2000U);
    }
    return tried;
  });
}

TEST_P(EngineAllocations, OfExtend) {
  expect_survived([](Stage& stage) {
    const auto more = std::make_shared<std::vector<TokenId>>(some_prompt(6, 30));
    return [&stage, more] { return stage.engine().extend(stage.waiting(), *more); };
  });
}

TEST_P(EngineAllocations, OfExtendToTheEnd) {
  expect_survived([](Stage& stage) {
    const auto more = std::make_shared<std::vector<TokenId>>(some_prompt(6, 93));
    return [&stage, more] { return stage.engine().extend(stage.waiting(), *more); };
  });
}

TEST_P(EngineAllocations, OfRollBack) {
  expect_survived(
      [](Stage& stage) { return [&stage] { return stage.engine().roll_back(stage.waiting(), 52); }; });
}

// No room is needed to let something go.
TEST_P(EngineAllocations, OfCancelNothingIsNeeded) {
  for (const bool of_running : {true, false}) {
    expect_survived([of_running](Stage& stage) {
      stage.cancel_is_expected(of_running);
      return [&stage, of_running] {
        EXPECT_TRUE(stage.engine().cancel(of_running ? stage.running() : stage.waiting()));
        return Status();
      };
    });
  }
}

TEST_P(EngineAllocations, OfCloseSessionNothingIsNeeded) {
  expect_survived([](Stage& stage) {
    return [&stage] {
      stage.engine().close_session(stage.session());
      return Status();
    };
  });
}

TEST_P(EngineAllocations, OfOpenSession) {
  expect_survived([](Stage& stage) {
    return [&stage] {
      const Result<SessionId> session = stage.engine().open_session();
      if (session.ok()) stage.engine().close_session(*session);
      return session.status();
    };
  });
}

}  // namespace
}  // namespace cairn
