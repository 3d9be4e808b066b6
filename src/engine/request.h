// Request: what a caller submits, what the engine reports on the way, and how a request ends. Plain data.
//
// Callbacks run inside Engine::step, extend and cancel, on the caller's thread, when all rows of the step have been
// committed. They may call everything of the engine, but step() does nothing there. They must not throw. After a
// cancel only on_finish is called, preceded by the text that was withheld.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/finish_reason.h"
#include "cairn/ids.h"
#include "cairn/sampling.h"
#include "cairn/status.h"
#include "cairn/token_choice.h"
#include "engine/tenant.h"
#include "kv/kept_rows.h"
#include "kv/match_report.h"

namespace cairn {

// A conversation whose rows stay in the cache between requests (Engine::open_session).
struct SessionId {
  uint64_t value = 0;
  friend auto operator<=>(const SessionId&, const SessionId&) = default;
};

struct RequestStats {
  int64_t prompt_tokens = 0;
  // Of the prompt: rows that the cache had before the request ran, in its session, its parent or the index. Rows that
  // the request computed itself, lost and found again do not count.
  int64_t reused_tokens = 0;
  int64_t generated_tokens = 0;       // the end token, if one came, is not counted
  int64_t draft_tokens = 0;           // that ran as guesses (EngineOptions::drafter)
  int64_t accepted_draft_tokens = 0;  // of these: that were what was picked
  int64_t preemptions = 0;            // how often it lost rows that it had computed
  KvMatchReport match;    // where the first match with the index ended, and why; what other tiers had
  uint64_t ttft_ns = 0;   // from submit to the first token; 0 where none came
  double tpot_ns = 0;     // mean time from one token to the next, over all but the first
  uint64_t kv_bytes = 0;  // of the rows or blocks that the request had when it ended
  std::vector<KvKeptRows> kept_rows;  // the rows that it had then, by layer group
  // Rows that were run through the layers: with a cache n + m - 1 for n prompt and m generated tokens
  // (the last one is never fed back), without one m*n + m*(m-1)/2. Those of drafts that were wrong count too.
  uint64_t projected_positions = 0;
  // Scores computed by one query head of each layer: a row at position t sees t + 1 positions, or the layer's
  // window where that is less.
  std::vector<uint64_t> scores_by_layer;
};

struct RequestResult {
  FinishReason reason = FinishReason::kError;
  Status status;                     // not ok exactly where reason is kError
  std::optional<TokenId> end_token;  // where reason is kEndToken
  RequestStats stats;
};

// Who picks a request's tokens.
enum class Picks : uint8_t {
  kSampled,   // the engine, by Request::sampling
  kByCaller,  // whoever submitted it: on_logits reports, then the request waits for Engine::extend
};

// Which rows' logits on_logits reports.
enum class LogitsWanted : uint8_t {
  kSampled,        // those that a token is picked from
  kEveryPosition,  // those of all positions, the prompt's too (scoring a text); EngineOptions::score_chunk at
                   // a time. Only rows of the session or of a fork's parent are reused, and not reported
  kEveryNewPosition,  // likewise, but none of a prefix that the cache has
};

class TokenConstraint;

struct Request {
  std::vector<TokenId> prompt;  // at least one token, at most the context
  SamplingParams sampling;
  // Absent: until the context is full. 0: the prompt is run (to score it, or to warm a session), nothing is
  // picked.
  std::optional<int64_t> max_tokens;
  std::vector<std::string>
      stop_strings;                 // none may be empty; the text before the first one is still reported
  std::vector<TokenId> end_tokens;  // besides the model's own
  // Special tokens whose names are part of the text (those that mark a tool call, or reasoning); others are hidden.
  std::vector<TokenId> shown_tokens;
  bool ignore_end_tokens = false;  // all of them become tokens like any other (--ignore-eos)
  // Teacher forcing: the first of the generated tokens are these, whatever the logits say (on_logits reports
  // them all the same). A forced token ends nothing by being an end token.
  std::vector<TokenId> forced_tokens;
  LogitsWanted logits_wanted = LogitsWanted::kSampled;
  // kByCaller: sampling, stop strings, end tokens and forced tokens mean nothing; on_text must be empty;
  // the request ends by Engine::cancel, or when max_tokens have been added.
  Picks picks = Picks::kSampled;
  // A tenant's secret: rows are shared only between requests with the same salt.
  std::string salt;
  OwnerTag owner_tag{};  // of its tenant's blocks outside memory, so that they can be erased; zeros: nobody's
  // The prompt continues this conversation: as much of it as the session's rows agree with is not run again
  // (but always the last token). One request at a time for a session.
  std::optional<SessionId> session;
  // On whose behalf it runs (tenant.h): tenants share the engine by their weights. A fork's is its parent's.
  TenantId tenant;
  // Of a tenant's requests the larger ones are served first; equal ones in the order of arrival.
  int32_t priority = 0;
  // On the engine's clock (EngineOptions::clock): a request that has not ended by then ends with kDeadline, in the first
  // step that begins later, wherever it is on its way. Absent: it has all the time it needs. Absent for Picks::kByCaller.
  std::optional<uint64_t> deadline_ns;

  // Of on_choice: how many tokens TokenChoice::likeliest has, at most the vocabulary's.
  int64_t likeliest_count = 0;

  // All may be empty. Once before any other: when the first rows of the request have been run. What it found in the
  // cache is known then (prompt_tokens, reused_tokens, match). A request that ends before that has no beginning.
  std::function<void(const RequestStats& stats)> on_begin;
  // In this order for each token that is picked: logits, mask, choice, token, text.
  // The raw logits, before bias, penalties and temperature, of the row at `position`: they predict the token
  // at position + 1. Valid during the call.
  std::function<void(int64_t position, std::span<const float> logits)> on_logits;
  // Before the engine picks a token: all tokens are allowed (or what `constraint` leaves), and it may forbid some. Not before a forced token. Where
  // none remains, the request ends with kError and kInvalidArgument. Empty for Picks::kByCaller, and so is on_choice.
  std::function<void(TokenMask& allowed)> on_mask;
  // Restricts what is picked, before on_mask, and learns each token; this request's own (token_constraint.h). Bias and
  // penalties come after it. Null: none. Null for Picks::kByCaller.
  std::shared_ptr<TokenConstraint> constraint;
  // Each token that was picked or forced, an end token too.
  std::function<void(const TokenChoice& choice)> on_choice;
  // Every generated token; not the end token that ends the request.
  std::function<void(TokenId token)> on_token;
  // Text as it becomes certain: whole UTF-8 characters, never a part of a stop string that came true.
  // What is still withheld when the request ends is reported before on_finish.
  std::function<void(std::string_view text)> on_text;
  // Exactly once, last.
  std::function<void(const RequestResult& result)> on_finish;
};

}  // namespace cairn
