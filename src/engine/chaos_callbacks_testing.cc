// ChaosGame: what it expects of callbacks, of how a request ends, and of what its callbacks own.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/chaos_testing.h"

namespace cairn {

std::string ChaosGame::describe(const Asked& asked) const {
  return fmt::format("request {}{} of {} + {} tokens{}{}, step {}", asked.number,
                     asked.is_fork ? " (a fork)" : "", asked.prompt_count, asked.generated(),
                     asked.by_caller() ? ", by caller" : "", asked.cancelled ? ", cancelled" : "", steps_);
}

void ChaosGame::expect_position(const Asked& asked, int64_t position) const {
  const auto count = std::ssize(asked.tokens);
  ASSERT_LT(position, count) << describe(asked);
  if (asked.rolled_back_to.has_value()) {
    ASSERT_EQ(position, *asked.rolled_back_to - 1) << describe(asked);
  } else if (asked.request.logits_wanted == LogitsWanted::kSampled) {
    ASSERT_EQ(position, count - 1) << describe(asked);
  } else if (asked.reported_position.has_value()) {
    ASSERT_GT(position, *asked.reported_position) << describe(asked);
    if (asked.request.logits_wanted == LogitsWanted::kEveryPosition) {
      ASSERT_EQ(position, *asked.reported_position + 1) << describe(asked);
    }
  } else if (asked.request.logits_wanted == LogitsWanted::kEveryPosition) {
    if (!asked.is_fork && !asked.request.session.has_value()) {
      ASSERT_EQ(position, 0) << describe(asked);
    }
  }
}

void ChaosGame::on_logits(Asked& asked, int64_t position, std::span<const float> logits) {
  EXPECT_TRUE(asked.results.empty()) << describe(asked) << ": logits after its end";
  EXPECT_FALSE(asked.cancelled) << describe(asked) << ": logits of a cancelled request";
  expect_position(asked, position);
  asked.rolled_back_to.reset();
  asked.reported_position = position;
  asked.logits.assign(logits.begin(), logits.end());
  const uint64_t bits = bits_of(logits);
  asked.rows.push_back({position, bits, steps_});
  ++asked.logit_callbacks;
  operate_in_callback();
  --asked.logit_callbacks;
  EXPECT_EQ(bits_of(logits), bits) << describe(asked) << ": its logits changed during the call";
}

// From the last row of logits; nothing where that is not the row before the next token.
std::optional<TokenId> ChaosGame::pick(const Asked& asked) {
  const auto position = std::ssize(asked.tokens);
  if (asked.reported_position != position - 1) return std::nullopt;
  const auto token = sampler_.pick(asked.logits, asked.request.sampling, asked.tokens, position);
  return token.ok() ? std::optional(*token) : std::nullopt;
}

void ChaosGame::on_token(Asked& asked, TokenId token) {
  EXPECT_TRUE(asked.results.empty()) << describe(asked) << ": a token after its end";
  EXPECT_FALSE(asked.cancelled) << describe(asked) << ": a token of a cancelled request";
  EXPECT_FALSE(asked.by_caller()) << describe(asked) << ": a token that its caller did not pick";
  const auto& forced = asked.request.forced_tokens;
  const auto generated = static_cast<size_t>(asked.generated());
  EXPECT_EQ(token, generated < forced.size() ? std::optional(forced[generated]) : pick(asked))
      << describe(asked);
  asked.tokens.push_back(token);
  operate_in_callback();
}

void ChaosGame::on_text(Asked& asked) {
  EXPECT_TRUE(asked.results.empty()) << describe(asked) << ": text after its end";
  ++asked.text_callbacks;
  operate_in_callback();
  --asked.text_callbacks;
}

void ChaosGame::on_finish(Asked& asked, const RequestResult& result) {
  asked.results.push_back(result);
  EXPECT_EQ(asked.results.size(), 1U) << describe(asked) << ": it ended twice";
  EXPECT_EQ(result.stats.prompt_tokens, asked.prompt_count) << describe(asked);
  EXPECT_EQ(result.stats.generated_tokens, asked.generated()) << describe(asked);
  EXPECT_LT(result.stats.reused_tokens, asked.prompt_count) << describe(asked);
  counts_.preemptions += result.stats.preemptions;
  expect_end(asked, result);
  compare_rows(asked);
  operate_in_callback();
}

void ChaosGame::expect_end(const Asked& asked, const RequestResult& result) {
  switch (result.reason) {
    case FinishReason::kContextFull:
      EXPECT_NE(asked.request.max_tokens, asked.generated()) << describe(asked);
      [[fallthrough]];
    case FinishReason::kLength:
      EXPECT_EQ(asked.generated(), asked.tokens_max) << describe(asked);
      if (!asked.by_caller()) expect_all_reported(asked);
      return;
    case FinishReason::kEndToken:
      EXPECT_FALSE(asked.request.ignore_end_tokens) << describe(asked);
      EXPECT_EQ(result.end_token, pick(asked)) << describe(asked);
      return;
    case FinishReason::kStopString:
      EXPECT_FALSE(asked.request.stop_strings.empty()) << describe(asked);
      return;
    case FinishReason::kCancelled:
      EXPECT_TRUE(asked.cancelled) << describe(asked) << ": nobody cancelled it";
      return;
    case FinishReason::kDeadline: ADD_FAILURE() << describe(asked) << ": it has no deadline"; return;
    case FinishReason::kError: return expect_error(asked, result);
  }
}

// One that has failed once is tried again.
bool ChaosGame::is_failure_of_passes(const Asked& asked, const RequestResult& result) const {
  constexpr int64_t kTriesMin = 3;
  return parts_.pass->failure_of_one() == result.status &&
         parts_.pass->failures() - asked.failures_before >= kTriesMin;
}

// Only what outgrows the memory, alone, may end so, and one whose passes keep failing.
void ChaosGame::expect_error(const Asked& asked, const RequestResult& result) {
  if (is_failure_of_passes(asked, result)) {
    ++counts_.ends_by_failure;
    return;
  }
  EXPECT_EQ(result.status.code(), StatusCode::kResourceExhausted)
      << describe(asked) << ": " << result.status.message();
  if (has_tenants_ && result.status.message().find("its tenant may have") != std::string::npos) {
    ++counts_.ends_by_quota;
    return;
  }
  EXPECT_GE(std::ssize(asked.tokens), engine_.cache().max_length())
      << describe(asked) << ": " << result.status.message();
}

// The last token is never run; without any token, the prompt's last one is.
void ChaosGame::expect_all_reported(const Asked& asked) const {
  if (asked.tokens_max == 0 && asked.request.logits_wanted == LogitsWanted::kSampled) return;
  const int64_t last = std::ssize(asked.tokens) - (asked.tokens_max == 0 ? 1 : 2);
  EXPECT_EQ(asked.reported_position, last) << describe(asked);
}

// The request has ended, or was refused; or the engine is being destroyed.
void ChaosGame::on_captures_gone(Asked& asked) {
  ++asked.captures_gone;
  if (::testing::Test::HasFailure()) return;
  if (is_closing_) return use_the_closing(asked);
  EXPECT_FALSE(asked.is_live()) << describe(asked) << ": what its callbacks own was destroyed";
  operate_inside(counts_.operations_in_destructors);
}

// There are no requests any more, and none is taken.
void ChaosGame::use_the_closing(const Asked& asked) {
  ++counts_.calls_while_closing;
  EXPECT_FALSE(engine_.step()) << describe(asked);
  EXPECT_TRUE(engine_.idle()) << describe(asked);
  EXPECT_TRUE(engine_.waits()) << describe(asked);
  for (const Asked& one : asked_) {
    if (!one.accepted) continue;
    EXPECT_FALSE(engine_.cancel(one.id)) << describe(one);
    EXPECT_EQ(engine_.stats(one.id), nullptr) << describe(one);
    EXPECT_EQ(engine_.fork(one.id, {}).status().code(), StatusCode::kNotFound) << describe(one);
  }
  EXPECT_EQ(engine_.submit({.prompt = {5}}).status().code(), StatusCode::kInvalidArgument);
  if (sessions_.empty()) return;
  engine_.close_session(sessions_.back().id);
  sessions_.pop_back();
}

void ChaosGame::compare_rows(Asked& asked) {
  if (asked.rows.empty()) return;
  const auto first = static_cast<size_t>(asked.rows.front().position);
  const auto count = static_cast<size_t>(asked.rows.back().position) + 1;
  const auto expected = oracle_.bits_after(std::span(asked.tokens).first(count), first);
  for (const Row& row : asked.rows) {
    ASSERT_EQ(row.bits, expected[static_cast<size_t>(row.position) - first])
        << describe(asked) << ": the logits at position " << row.position << ", reported in step " << row.step
        << ", are not those of its tokens computed alone";
  }
  counts_.rows_compared += std::ssize(asked.rows);
  asked.rows.clear();
}

}  // namespace cairn
