// Settling a step: its rows are in the cache. Now they are counted, requests that waited for them are woken, and
// callers get their logits, tokens, text and results.
#include <algorithm>
#include <new>
#include <span>
#include <utility>

#include "base/check.h"
#include "engine/engine.h"
#include "engine/push_token.h"
#include "engine/token_constraint.h"

namespace cairn {
namespace {

// What positions [0, end) see together: 1 + 2 + ... + end, or the window where that is less.
uint64_t scores_before(int64_t end, int64_t window) {
  const int64_t ramp = window > 0 ? std::min(window, end) : end;
  return static_cast<uint64_t>(ramp * (ramp + 1) / 2 + (end - ramp) * window);
}

uint64_t score_count(int64_t first, int64_t row_count, int64_t window) {
  return scores_before(first + row_count, window) - scores_before(first, window);
}

// Short enough to need no memory itself.
Status out_of_memory() { return resource_exhausted("out of memory"); }

}  // namespace

// All sequences are counted and woken before anybody is called back: a callback sees the whole step done.
void Engine::settle() {
  ++counts_.steps;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    const int64_t first = batch_sequences_[i].first_position;
    part.sequence->draft.right = 0;
    part.sequence->draft.unverified_rows = part.draft_count;
    count_rows(part, first);
    wake_waiters(*part.sequence, held_by(*part.sequence));
  }
  int64_t logit_row = 0;
  for (const Part& part : parts_) {
    Sequence& sequence = *part.sequence;
    const bool may_hear = sequence.state == SequenceState::kRunning && !sequence.cancelled;
    if (may_hear) {
      try {
        report(sequence, logit_row, part);
      } catch (const std::bad_alloc&) {
        if (sequence.state != SequenceState::kEnded) finish(sequence, FinishReason::kError, out_of_memory());
      }
    }
    logit_row += part.logit_count;
  }
}

std::span<const float> Engine::logits_of(int64_t logit_row) const {
  const auto vocab_size = static_cast<size_t>(pass_->vocab_size());
  return logits_.as<const float>().subspan(static_cast<size_t>(logit_row) * vocab_size, vocab_size);
}

void Engine::note_beginning(Sequence& sequence) {
  if (std::exchange(sequence.has_begun, true)) return;
  counts_.reused_tokens += sequence.stats.reused_tokens;
  counts_.prompt_tokens += sequence.stats.prompt_tokens;
  if (sequence.request.on_begin) sequence.request.on_begin(sequence.stats);
}

void Engine::report(Sequence& sequence, int64_t first_logit_row, const Part& part) {
  const int64_t first = batch_sequences_[static_cast<size_t>(&part - parts_.data())].first_position;
  const int64_t end = first + part.row_count - part.draft_count;
  sequence.scored = std::max(sequence.scored, end);
  note_beginning(sequence);
  if (sequence.cancelled) return;
  if (part.draft_count > 0) return report_draft(sequence, first, first_logit_row);
  for (int64_t i = 0; i < part.logit_count && sequence.request.on_logits; ++i) {
    sequence.request.on_logits(end - part.logit_count + i, logits_of(first_logit_row + i));
    if (sequence.cancelled) return;
  }
  if (end < static_cast<int64_t>(sequence.tokens.size())) return;
  if (sequence.max_tokens == 0) {
    finish(sequence, reason_of_length(sequence));
  } else if (sequence.request.picks == Picks::kByCaller) {
    set_state(sequence, SequenceState::kAwaitsCaller);
    events_.of_request(EngineEventKind::kAwaitsCaller, sequence.id, std::ssize(sequence.tokens));
    note_pick(sequence);
  } else {
    pick_token(sequence, logits_of(first_logit_row + part.logit_count - 1));
  }
}

void Engine::count_rows(const Part& part, int64_t first) {
  Sequence& sequence = *part.sequence;
  const int64_t row_count = part.row_count;
  sequence.has_run = true;
  sequence.failed_passes = 0;
  const int64_t prompt_rows = std::clamp<int64_t>(sequence.prompt_count - first, 0, row_count);
  counts_.prompt_rows += prompt_rows;
  counts_.decode_rows += row_count - prompt_rows;
  counts_.draft_tokens += part.draft_count;
  sequence.stats.draft_tokens += part.draft_count;
  queue_.charge(sequence, row_count);
  sequence.stats.projected_positions += static_cast<uint64_t>(row_count);
  for (size_t layer = 0; layer < layer_windows_.size(); ++layer) {
    sequence.stats.scores_by_layer[layer] += score_count(first, row_count, layer_windows_[layer]);
  }
}

// Of a request that has as many tokens as it may have.
FinishReason Engine::reason_of_length(const Sequence& sequence) {
  return sequence.request.max_tokens == sequence.max_tokens ? FinishReason::kLength
                                                            : FinishReason::kContextFull;
}

void Engine::note_pick(Sequence& sequence) {
  sequence.last_pick_ns = clock_->now_ns();
  if (sequence.picks++ == 0) sequence.first_pick_ns = sequence.last_pick_ns;
}

bool Engine::is_end(const Request& request, TokenId token) const {
  return tokenizer_.is_end(token) || std::ranges::find(request.end_tokens, token) != request.end_tokens.end();
}

// The token means nothing where the request was cancelled meanwhile.
Result<TokenId> Engine::choose_token(Sequence& sequence, std::span<const float> logits) {
  const Request& request = sequence.request;
  const TokenMask* mask = nullptr;
  if (request.constraint != nullptr || request.on_mask) {
    mask_.allow_all();
    mask = &mask_;
  }
  if (request.constraint != nullptr) {
    request.constraint->restrict(mask_, sequence.max_tokens - sequence.stats.generated_tokens);
  }
  if (request.on_mask) {
    request.on_mask(mask_);
    if (sequence.cancelled) return TokenId{};
  }
  return sampler_.pick(logits, request.sampling, sequence.tokens, std::ssize(sequence.tokens), mask);
}

void Engine::pick_token(Sequence& sequence, std::span<const float> logits) {
  const Request& request = sequence.request;
  const auto generated = static_cast<size_t>(std::ssize(sequence.tokens) - sequence.prompt_count);
  const bool is_forced = generated < request.forced_tokens.size();
  const Result<TokenId> token =
      is_forced ? Result<TokenId>(request.forced_tokens[generated]) : choose_token(sequence, logits);
  if (sequence.cancelled) return;
  if (!token.ok()) return finish(sequence, FinishReason::kError, token.status());
  const bool ends = is_end(request, *token) && !is_forced && !request.ignore_end_tokens;
  verify_draft(sequence, *token, !ends);
  note_pick(sequence);
  if (request.constraint != nullptr) request.constraint->take(*token);
  if (request.on_choice) {
    const Result<TokenChoice> choice = sequence.choice_report.of(logits, *token);
    if (!choice.ok()) return finish(sequence, FinishReason::kError, choice.status());
    request.on_choice(*choice);
    if (sequence.cancelled) return;
  }
  if (ends) return finish(sequence, FinishReason::kEndToken, {}, *token);
  deliver(sequence, *token);
}

void Engine::deliver(Sequence& sequence, TokenId token) {
  make_history_room(sequence, 1);
  sequence.tokens.push_back(token);
  accept_draft(sequence);
  ++sequence.stats.generated_tokens;
  if (sequence.request.on_token) sequence.request.on_token(token);
  if (sequence.cancelled) return;
  const StopMatcher::Output output =
      push_token(tokenizer_, token, sequence.request.shown_tokens, sequence.decoder, sequence.stops);
  if (!output.text.empty() && sequence.request.on_text) sequence.request.on_text(output.text);
  if (sequence.cancelled) return;
  if (output.stopped) return finish(sequence, FinishReason::kStopString);
  if (sequence.stats.generated_tokens == sequence.max_tokens) finish(sequence, reason_of_length(sequence));
}

void Engine::finish(Sequence& sequence, FinishReason reason, Status status,
                    std::optional<TokenId> end_token) {
  CHECK(sequence.state != SequenceState::kEnded);
  DCHECK(!cache_->in_step());
  if (sequence.state == SequenceState::kQueued) queue_.erase(sequence);
  if (sequence.state == SequenceState::kLoading) stop_waiting(sequence);
  if (sequence.request.deadline_ns.has_value()) deadlines_.erase(sequence);
  sequence.load.reset();
  if (options_.drafter != nullptr) options_.drafter->forget(sequence.id);
  set_state(sequence, SequenceState::kEnded);
  events_.of_request(EngineEventKind::kEnded, sequence.id, static_cast<int64_t>(reason));
  ended_.push_back(&sequence);
  if (reason != FinishReason::kStopString) flush_text(sequence);
  release_rows(sequence);
  queue_.remove(sequence);
  wake_waiters(sequence, kAllPositions);
  RequestStats& stats = sequence.stats;
  if (sequence.picks > 0) stats.ttft_ns = sequence.first_pick_ns - sequence.submitted_ns;
  if (sequence.picks > 1) {
    const auto span_ns = static_cast<double>(sequence.last_pick_ns - sequence.first_pick_ns);
    stats.tpot_ns = span_ns / static_cast<double>(sequence.picks - 1);
  }
  if (sequence.request.on_finish) {
    sequence.request.on_finish({reason, std::move(status), end_token, std::move(stats)});
  }
}

// The text that was withheld: the end of a character, the beginning of a stop string. Where there is no memory for it,
// the request ends without it.
void Engine::flush_text(Sequence& sequence) try {
  if (!sequence.request.on_text) return;
  const StopMatcher::Output last = sequence.stops.push(sequence.decoder.flush());
  if (!last.text.empty()) sequence.request.on_text(last.text);
  const std::string_view held = last.stopped ? std::string_view() : sequence.stops.flush();
  if (!held.empty()) sequence.request.on_text(held);
} catch (const std::bad_alloc&) {
  return;
}

// To the session, where there is one: its next request may continue from here.
void Engine::release_rows(Sequence& sequence) {
  Session* session = find_session(sequence.request.session);
  if (session != nullptr) session->busy = false;
  if (!sequence.kv) return;
  std::erase(placed_, &sequence);
  const int64_t held = held_by(sequence);
  KvLease kv = std::move(sequence.kv);
  cache_->truncate(kv, held);  // releases reserved room without rows
  sequence.stats.kv_bytes = cache_->used_bytes(kv);
  for (int32_t group = 0; group < cache_->geometry().group_count(); ++group) {
    sequence.stats.kept_rows[static_cast<size_t>(group)] = cache_->kept_rows(kv, group);
  }
  if (session != nullptr) keep_for_session(*session, sequence, std::move(kv));
}

}  // namespace cairn
