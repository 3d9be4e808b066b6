#include "engine/chaos_testing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

constexpr int64_t kDepthMax = 4;  // of operations in callbacks of operations
constexpr uint64_t kFnvOffset = 0xcbf29ce484222325U;

uint64_t mixed(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9e3779b97f4a7c15U;
  return hash ^ (hash >> 29);
}

}  // namespace

uint64_t bits_of(std::span<const float> logits) {
  uint64_t hash = kFnvOffset;
  for (const float logit : logits) {
    uint32_t bits = 0;
    std::memcpy(&bits, &logit, sizeof(bits));
    hash = mixed(hash, bits);
  }
  return hash;
}

std::vector<uint64_t> prefix_keys(std::span<const TokenId> tokens) {
  std::vector<uint64_t> keys;
  keys.reserve(tokens.size());
  uint64_t hash = kFnvOffset;
  for (const TokenId token : tokens) keys.push_back(hash = mixed(hash, static_cast<uint64_t>(token) + 1));
  return keys;
}

ChaosEngine make_chaos_engine(uint64_t seed, Engine::Parts parts, const EngineOptions& options) {
  constexpr std::array kFailsOneIn = {2, 4, 30};
  Dice dice(seed, 2);
  const std::optional<int64_t> fails_one_in =
      dice.one_in(2) ? std::nullopt : std::optional<int64_t>(dice.one_of(kFailsOneIn));
  auto pass = std::make_unique<FailingPass>(std::move(parts.pass), fails_one_in, Dice(seed, 3));
  FailingPass* const failing = pass.get();
  parts.pass = std::move(pass);
  auto engine = Engine::create(std::move(parts), options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return {std::move(*engine), failing};
}

ChaosCounts& ChaosCounts::operator+=(const ChaosCounts& other) {
  rows_compared += other.rows_compared;
  preemptions += other.preemptions;
  operations_in_callbacks += other.operations_in_callbacks;
  operations_in_destructors += other.operations_in_destructors;
  failed_passes += other.failed_passes;
  ends_by_quota += other.ends_by_quota;
  quota_waits += other.quota_waits;
  ends_by_failure += other.ends_by_failure;
  calls_while_closing += other.calls_while_closing;
  return *this;
}

ChaosGame::ChaosGame(uint64_t seed, const EngineOptions& options, ChaosEngine engine, LogitOracle& oracle,
                     const ChaosLimits& limits)
    : dice_(seed, 1),
      tenant_dice_(seed, 2),
      has_tenants_(options.storage == KvStorageKind::kPaged && tenant_dice_.one_in(2)),
      ends_amid_work_(seed % 3 == 0),
      options_(options),
      parts_(std::move(engine)),
      engine_(*parts_.engine),
      oracle_(oracle),
      limits_(limits),
      sampler_(engine_.pass().vocab_size()),
      operations_left_(limits.operations) {}

// Quotas from less than a request needs to more than all need.
void ChaosGame::choose_tenants() {
  std::vector<TenantShare> shares;
  for (uint32_t tenant = 1; tenant <= 3; ++tenant) {
    TenantShare share{.id = {tenant}, .weight = tenant_dice_.between(1, 5)};
    const auto blocks = static_cast<uint64_t>(tenant_dice_.between(2, 12));
    if (!tenant_dice_.one_in(4)) share.kv_quota_bytes = blocks * engine_.cache().geometry().block_bytes();
    shares.push_back(share);
  }
  const Status status = engine_.set_tenants(shares);
  ASSERT_TRUE(status.ok()) << status.message();
}

void ChaosGame::play() {
  if (has_tenants_) choose_tenants();
  while (operations_left_ > 0 && !::testing::Test::HasFailure()) {
    if (dice_.one_in(4)) {
      operate();
    } else {
      step();
    }
  }
  if (!::testing::Test::HasFailure() && !ends_amid_work_) drain();
  counts_.failed_passes = parts_.pass->failures();
  counts_.quota_waits = engine_.snapshot().counts.quota_waits;
  close();
}

// Where the test has failed, requests are still live: what their callbacks own must find the game.
ChaosGame::~ChaosGame() { close(); }

void ChaosGame::close() {
  if (parts_.engine == nullptr) return;
  operations_left_ = 0;
  is_closing_ = true;
  for (Asked& asked : asked_) {
    if (asked.is_live() && !::testing::Test::HasFailure()) compare_rows(asked);
  }
  parts_.engine.reset();
  for (const Asked& asked : asked_) EXPECT_EQ(asked.captures_gone, 1) << describe(asked);
}

void ChaosGame::step() {
  if (has_tenants_ && tenant_dice_.one_in(100)) choose_tenants();
  engine_.step();
  ++steps_;
  ASSERT_LT(steps_, limits_.step_count) << "the engine does not come to an end";
  const Status status = engine_.cache().check();
  ASSERT_TRUE(status.ok()) << "after step " << steps_ << ": " << status.message();
}

void ChaosGame::drain() {
  operations_left_ = 0;
  while (!engine_.idle() && !::testing::Test::HasFailure()) {
    for (Asked& asked : asked_) {
      if (!asked.waits()) continue;
      asked.cancelled = true;
      EXPECT_TRUE(engine_.cancel(asked.id));
    }
    step();
  }
  if (::testing::Test::HasFailure()) return;
  for (const Asked& asked : asked_) {
    EXPECT_EQ(asked.results.size(), asked.accepted ? 1U : 0U) << describe(asked);
  }
  for (const OpenSession& session : sessions_) engine_.close_session(session.id);
  EXPECT_EQ(engine_.cache().used_bytes(), 0U);
}

void ChaosGame::operate() {
  --operations_left_;
  switch (dice_.below(12)) {
    case 0:
    case 1: return submit();
    case 2: return submit_turn();
    case 3:
    case 4:
    case 5: return fork();
    case 6:
    case 7: return extend();
    case 8: return roll_back();
    case 9: return dice_.one_in(3) ? cancel() : extend();
    case 10: return change_sessions();
    default: return use_the_dead();
  }
}

void ChaosGame::operate_inside(int64_t& count) {
  if (operations_left_ <= 0 || callback_depth_ >= kDepthMax || !dice_.one_in(4)) return;
  ++callback_depth_;
  ++count;
  operate();
  --callback_depth_;
}

int64_t ChaosGame::longest() const { return std::min(engine_.context(), engine_.cache().max_length()); }

int64_t ChaosGame::live_count() const { return std::ranges::count_if(asked_, &Asked::is_live); }

// Half of them of few texts, so that beginnings are shared; cut anywhere, around the edges of blocks more often.
std::vector<TokenId> ChaosGame::some_text(int64_t most) {
  const int64_t edge = kBlockSize * dice_.between(1, 4) + dice_.between(-1, 1);
  const int64_t length = std::clamp<int64_t>(dice_.one_in(2) ? edge : dice_.between(1, most), 1, most);
  const int64_t shared = std::min(length, dice_.below(120));
  auto tokens = branch_of(static_cast<uint64_t>(dice_.below(dice_.one_in(2) ? 2 : 40)), shared,
                          static_cast<uint64_t>(dice_.below(3)), length);
  for (TokenId& token : tokens) token = static_cast<TokenId>(token % engine_.pass().vocab_size());
  return tokens;
}

SamplingParams ChaosGame::some_sampling() {
  SamplingParams sampling{.seed = dice_.bits()};
  if (dice_.one_in(2)) return sampling;  // greedy
  sampling.temperature = 0.7;
  if (dice_.one_in(2)) sampling.top_k = 5;
  if (dice_.one_in(3)) sampling.top_p = 0.8;
  if (dice_.one_in(3)) sampling.repetition_penalty = 1.2;
  return sampling;
}

ChaosGame::Asked& ChaosGame::ask(std::vector<TokenId> tokens) {
  Asked& asked = asked_.emplace_back();
  asked.number = asked_.size() - 1;
  asked.prompt_count = std::ssize(tokens);
  asked.tokens = std::move(tokens);
  asked.failures_before = parts_.pass->failures();
  if (has_tenants_) asked.request.tenant = {static_cast<uint32_t>(tenant_dice_.below(4))};
  return asked;
}

void ChaosGame::choose_parameters(Asked& asked) {
  Request& request = asked.request;
  request.sampling = some_sampling();
  request.logits_wanted = static_cast<LogitsWanted>(dice_.below(3));
  request.max_tokens = dice_.below(limits_.tokens_max);
  request.ignore_end_tokens = !dice_.one_in(4);
  if (dice_.one_in(3)) {
    request.picks = Picks::kByCaller;
    if (dice_.one_in(2)) request.max_tokens.reset();
  } else if (dice_.one_in(4)) {
    request.forced_tokens = some_text(20);
  }
  if (dice_.one_in(8)) request.stop_strings = {"a", "the"};
  if (dice_.one_in(8)) request.end_tokens = {5, 99};
  if (dice_.one_in(2)) request.priority = static_cast<int32_t>(dice_.between(-2, 2));
  const int64_t room = engine_.context() - asked.prompt_count + 1;
  asked.tokens_max = std::min(room, request.max_tokens.value_or(room));
}

class ChaosGame::Capture {
 public:
  Capture(ChaosGame& game, Asked& asked) : game_(game), asked_(asked) {}
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;
  ~Capture() { game_.on_captures_gone(asked_); }

 private:
  ChaosGame& game_;
  Asked& asked_;
};

Request ChaosGame::request_of(Asked& asked, std::vector<TokenId> prompt) {
  choose_parameters(asked);
  Request request = asked.request;
  request.prompt = std::move(prompt);
  const auto capture = std::make_shared<Capture>(*this, asked);
  request.on_logits = [this, &asked, capture](int64_t position, std::span<const float> logits) {
    on_logits(asked, position, logits);
  };
  request.on_token = [this, &asked, capture](TokenId token) { on_token(asked, token); };
  if (!asked.by_caller()) {
    request.on_text = [this, &asked, capture](std::string_view) { on_text(asked); };
  }
  request.on_finish = [this, &asked, capture](const RequestResult& result) { on_finish(asked, result); };
  return request;
}

bool ChaosGame::is_score_too_long(const Asked& asked, int64_t row_count) const {
  return options_.storage == KvStorageKind::kNone && asked.request.logits_wanted != LogitsWanted::kSampled &&
         row_count > options_.score_chunk;
}

StatusCode ChaosGame::expected_code(const Asked& asked) const {
  const bool fits = asked.prompt_count > 0 && asked.prompt_count <= longest() &&
                    !is_score_too_long(asked, asked.prompt_count);
  return fits ? StatusCode::kOk : StatusCode::kInvalidArgument;
}

void ChaosGame::note(Asked& asked, const Result<RequestId>& id, StatusCode expected) {
  ASSERT_EQ(id.ok() ? StatusCode::kOk : id.status().code(), expected)
      << describe(asked) << ": " << (id.ok() ? "taken" : id.status().message());
  asked.accepted = id.ok();
  if (id.ok()) asked.id = *id;
}

void ChaosGame::submit() {
  if (live_count() >= limits_.live_requests) return cancel();
  std::vector<TokenId> prompt = some_text(longest());
  Asked& asked = ask(prompt);
  if (dice_.one_in(4)) asked.request.salt = dice_.one_in(2) ? "a" : "b";
  Request request = request_of(asked, std::move(prompt));
  note(asked, engine_.submit(std::move(request)), expected_code(asked));
}

// The conversation's text, cut somewhere, and a bit more.
void ChaosGame::submit_turn() {
  if (sessions_.empty() || live_count() >= limits_.live_requests) return;
  const auto which = static_cast<size_t>(dice_.below(std::ssize(sessions_)));
  const Asked* before = sessions_[which].asked;
  std::vector<TokenId> prompt;
  if (before != nullptr && !dice_.one_in(3)) prompt = before->tokens;
  if (dice_.one_in(2)) prompt.resize(static_cast<size_t>(dice_.below(std::ssize(prompt) + 1)));
  const int64_t more = std::max<int64_t>(longest() - std::ssize(prompt), 1);
  const std::vector<TokenId> tail = some_text(std::min<int64_t>(more, 50));
  prompt.insert(prompt.end(), tail.begin(), tail.end());

  Asked& asked = ask(prompt);
  if (before != nullptr && !dice_.one_in(5)) asked.request.salt = before->request.salt;
  asked.request.session = sessions_[which].id;
  Request request = request_of(asked, std::move(prompt));
  const bool is_busy = before != nullptr && before->is_live();
  note(asked, engine_.submit(std::move(request)),
       is_busy ? StatusCode::kInvalidArgument : expected_code(asked));
  if (asked.accepted) sessions_[which].asked = &asked;
}

ChaosGame::Asked* ChaosGame::one_that(const Fits& fits) {
  std::vector<Asked*> all;
  for (Asked& asked : asked_) {
    if (fits(asked)) all.push_back(&asked);
  }
  return all.empty() ? nullptr : dice_.one_of(all);
}

// One in the midst of its prompt, where there is one.
ChaosGame::Asked* ChaosGame::some_parent() {
  Asked* in_prefill = one_that([this](const Asked& asked) {
    if (!asked.is_steady() || asked.reported_position.has_value()) return false;
    const RequestStats* stats = engine_.stats(asked.id);
    return stats != nullptr && stats->projected_positions > 0;
  });
  if (in_prefill != nullptr && !dice_.one_in(3)) return in_prefill;
  return one_that([](const Asked& asked) { return asked.is_steady(); });
}

void ChaosGame::fork() {
  const Asked* parent = some_parent();
  if (parent == nullptr) return;
  if (live_count() >= limits_.live_requests) return cancel();
  const RequestStats* stats = engine_.stats(parent->id);
  ASSERT_NE(stats, nullptr) << describe(*parent);
  ASSERT_EQ(stats->prompt_tokens, parent->prompt_count) << describe(*parent);
  ASSERT_EQ(stats->generated_tokens, parent->generated()) << describe(*parent);

  std::vector<TokenId> more = dice_.one_in(2) ? std::vector<TokenId>() : some_text(4);
  std::vector<TokenId> tokens = parent->tokens;
  tokens.insert(tokens.end(), more.begin(), more.end());
  Asked& asked = ask(std::move(tokens));
  asked.is_fork = true;
  asked.request.salt = parent->request.salt;
  Request request = request_of(asked, std::move(more));
  request.salt.clear();  // its parent's counts
  note(asked, engine_.fork(parent->id, std::move(request)), expected_code(asked));
}

void ChaosGame::extend() {
  Asked* asked = one_that([](const Asked& a) { return a.is_steady() && a.by_caller(); });
  if (asked == nullptr || asked->generated() == asked->tokens_max) return;
  const int64_t room = asked->tokens_max - asked->generated();
  const auto more = some_text(std::min<int64_t>(room, dice_.one_in(2) ? 1 : 40));
  const bool is_refused = is_score_too_long(*asked, std::ssize(more));
  const bool waits = asked->waits();
  const auto before = asked->tokens.size();
  asked->tokens.insert(asked->tokens.end(), more.begin(), more.end());  // it may end in the call
  const Status status = engine_.extend(asked->id, more);
  if (!status.ok()) asked->tokens.resize(before);
  if (asked->logit_callbacks > 0) return;  // whether it waits already is not promised
  const StatusCode expected = !waits       ? StatusCode::kNotFound
                              : is_refused ? StatusCode::kInvalidArgument
                                           : StatusCode::kOk;
  ASSERT_EQ(status.code(), expected) << describe(*asked) << ": " << status.message();
}

void ChaosGame::roll_back() {
  Asked* asked = one_that([](const Asked& a) { return a.waits() && a.generated() > 0; });
  if (asked == nullptr || asked->logit_callbacks > 0) return;
  const int64_t length = asked->prompt_count + dice_.below(asked->generated());
  compare_rows(*asked);
  const Status status = engine_.roll_back(asked->id, length);
  ASSERT_TRUE(status.ok()) << describe(*asked) << ": " << status.message();
  asked->tokens.resize(static_cast<size_t>(length));
  asked->reported_position.reset();
  asked->rolled_back_to = length;
}

void ChaosGame::cancel() {
  Asked* asked = one_that([](const Asked& a) { return a.is_steady(); });
  if (asked == nullptr) return;
  asked->cancelled = true;
  EXPECT_TRUE(engine_.cancel(asked->id)) << describe(*asked);
}

void ChaosGame::change_sessions() {
  if (sessions_.size() < 3) {
    sessions_.push_back({.id = *engine_.open_session()});
  } else {
    const int64_t which = dice_.below(std::ssize(sessions_));
    engine_.close_session(sessions_[static_cast<size_t>(which)].id);
    sessions_.erase(sessions_.begin() + which);
  }
}

// Requests that have ended are nobody's any more.
void ChaosGame::use_the_dead() {
  const Asked* dead = one_that([](const Asked& asked) { return asked.accepted && !asked.is_live(); });
  if (dead == nullptr) return;
  EXPECT_EQ(engine_.stats(dead->id), nullptr);
  EXPECT_FALSE(engine_.cancel(dead->id));
  EXPECT_EQ(engine_.extend(dead->id, std::vector<TokenId>{1}).code(), StatusCode::kNotFound);
  EXPECT_EQ(engine_.roll_back(dead->id, 1).code(), StatusCode::kNotFound);
  EXPECT_EQ(engine_.fork(dead->id, {}).status().code(), StatusCode::kNotFound);
}

}  // namespace cairn
