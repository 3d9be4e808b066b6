// The step: admit, schedule, run, settle.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/no_throw.h"
#include "engine/engine.h"
#include "engine/engine_call.h"
#include "engine/schedule_trace.h"

namespace cairn {

class Engine::CacheRoom final : public RoomKeeper {
 public:
  explicit CacheRoom(Engine& engine) : engine_(engine), cache_(*engine.cache_) {}

  // Room for the whole sequence, not only for the rows of this step: a prompt that was begun can be finished. Idle
  // sessions go first; for a tenant's quota its own.
  Room make_room(int32_t index) override {
    const Sequence& sequence = sequence_at(index);
    for (;;) {
      lack_ = cache_.reserve(sequence.kv, std::ssize(sequence.tokens));
      const bool is_for_memory = lack_ == Room::kNoRoom && engine_.drop_an_idle_session();
      const bool is_for_quota =
          lack_ == Room::kOverQuota && engine_.drop_an_idle_session_of(sequence.request.tenant);
      if (!is_for_memory && !is_for_quota) return lack_;
    }
  }

  [[nodiscard]] int64_t missing(int32_t index) const override {
    const Sequence& sequence = sequence_at(index);
    const int64_t length = std::ssize(sequence.tokens);
    if (lack_ == Room::kOverQuota) return static_cast<int64_t>(cache_.quota_shortage(sequence.kv, length));
    shortage_ = cache_.shortage(sequence.kv, length);
    return shortage_.block_count;
  }
  [[nodiscard]] int64_t freed_by(int32_t index) const override {
    const KvLease& kv = sequence_at(index).kv;
    if (lack_ == Room::kOverQuota) return static_cast<int64_t>(cache_.sole_quota_bytes(kv));
    return cache_.sole_blocks(kv, shortage_.group);
  }

  void take_back(int32_t index) override {
    Sequence& victim = sequence_at(index);
    engine_.events_.of_request(EngineEventKind::kPreempted, victim.id, engine_.held_by(victim));
    engine_.take_back(victim);
  }

 private:
  [[nodiscard]] Sequence& sequence_at(int32_t index) const {
    return *engine_.placed_[static_cast<size_t>(index)];
  }

  Engine& engine_;
  KvCache& cache_;
  Room lack_ = Room::kOk;        // what make_room said last
  mutable KvShortage shortage_;  // as `missing` last found it: freed_by counts blocks of that group
};

bool Engine::step(const StepLimits& limits) {
  if (call_depth_ > 0 || waits()) return false;
  const Call call(*this);
  in_step_ = true;
  const uint64_t now_ns = clock_->now_ns();
  events_.begin_step(now_ns);
  finish_late(now_ns);
  take_loaded();
  admit();
  schedule(within_step_limits(limits));
  if (!parts_.empty()) {
    if (run()) settle();
  } else if (count_of(SequenceState::kRestoring) > 0) {
    constexpr std::chrono::milliseconds kPatience{2};  // what a new request waits at most
    tiers_->wait_for_news(kPatience);
  }
  finish_exceeding();
  return true;
}

// What a callback has cancelled ends with the step.
void Engine::finish_late(uint64_t now_ns) {
  while (!deadlines_.empty() && *deadlines_.first().request.deadline_ns <= now_ns) {
    finish(deadlines_.first(), FinishReason::kDeadline);
  }
}

void Engine::finish_cancelled() {
  for (size_t i = 0; i < cancelled_.size(); ++i) {  // by index: a callback may cancel another
    Sequence& sequence = *cancelled_[i];
    if (sequence.state != SequenceState::kEnded) finish(sequence, FinishReason::kCancelled);
  }
  cancelled_.clear();
}

SequenceNeed Engine::need_of(const Sequence& sequence) const {
  // What is being loaded for it is not given to others: it would be loaded again.
  if (sequence.state == SequenceState::kRestoring) {
    return {.is_restoring = true, .tenant = sequence.request.tenant.value};
  }
  if (sequence.state != SequenceState::kRunning) {
    return {.holds_memory = true, .tenant = sequence.request.tenant.value};
  }
  const auto length = static_cast<int64_t>(sequence.tokens.size());
  const int64_t held = cache_->length(sequence.kv);
  const bool scores = sequence.request.logits_wanted != LogitsWanted::kSampled;
  return {.held_rows = held,
          .pending_rows = length - held,
          .holds_memory = true,
          .unscored_rows = scores ? length - std::max(held, sequence.scored) : 0,
          .tenant = sequence.request.tenant.value,
          .served = sequence.tenant->served};
}

void Engine::fill_needs() {
  needs_.clear();
  for (const Sequence* sequence : placed_) needs_.push_back(need_of(*sequence));
}

StepLimits Engine::within_step_limits(const StepLimits& limits) const {
  if (scheduler_.cuts() == PromptCuts::kNowhere) return step_limits_;
  return {.prefill_rows = std::clamp<int64_t>(limits.prefill_rows, 1, step_limits_.prefill_rows),
          .score_rows = std::clamp<int64_t>(limits.score_rows, 1, step_limits_.score_rows)};
}

// As many rows of prompts as the streams that run can bear.
StepLimits Engine::at_pace(StepLimits limits) {
  if (!pace_.has_value() || scheduler_.cuts() == PromptCuts::kNowhere) return limits;
  const auto decodes = [](const SequenceNeed& need) { return need.pending_rows == 1; };
  pace_note_.decode_rows = std::ranges::count_if(needs_, decodes);
  pace_note_.answer = pace_->prompt_rows(pace_note_.decode_rows);
  limits.prefill_rows = std::min(limits.prefill_rows, pace_note_.answer);
  return limits;
}

Scheduler::Plan Engine::make_plan(const StepLimits& limits) {
  CacheRoom room(*this);
  if (options_.trace == nullptr) return scheduler_.schedule(needs_, limits, room);
  const PaceNote* const pace = pace_.has_value() ? &pace_note_ : nullptr;
  return options_.trace->schedule(scheduler_, needs_, limits, room, pace);
}

void Engine::schedule(const StepLimits& wanted) {
  fill_needs();
  const StepLimits limits = at_pace(wanted);
  const Scheduler::Plan plan = make_plan(limits);
  pace_note_ = {};
  timing_ = {.prompt_limit = limits.prefill_rows};
  parts_.clear();
  for (const RowGrant& grant : plan.grants) {
    Sequence* const sequence = placed_[static_cast<size_t>(grant.sequence)];
    const int64_t end = cache_->length(sequence->kv) + grant.row_count;
    parts_.push_back({sequence, grant.row_count, logit_row_count(*sequence, end, grant.row_count)});
  }
  start_loads();
  add_loading_part(limits);
  isolate_suspect();
  add_drafts();
  note_grants();
  blocked_.reset();
  if (plan.blocked.has_value()) blocked_ = placed_[static_cast<size_t>(*plan.blocked)]->id;
  note_quotas(plan);
  Sequence* const starved = plan.starved.has_value() ? placed_[static_cast<size_t>(*plan.starved)] : nullptr;
  std::erase_if(placed_, [](const Sequence* sequence) { return !sequence->kv; });
  // Those that restore hold memory, and will run and end.
  if (starved == nullptr || count_of(SequenceState::kRestoring) > 0) return;
  events_.of_request(EngineEventKind::kStarved, starved->id, held_by(*starved));
  finish(*starved, FinishReason::kError, no_throw([&] {
    return resource_exhausted(fmt::format(
        "the cache's memory is full at position {}: ask for more `kv_memory_bytes` or for fewer tokens",
        starved->tokens.size() - 1));
  }));
}

void Engine::note_grants() {
  int64_t row_count = 0;
  for (const Part& part : parts_) {
    row_count += part.row_count;
    const bool decodes = std::ssize(part.sequence->tokens) - held_by(*part.sequence) == 1;
    (decodes ? timing_.decode_rows : timing_.prompt_rows) += part.row_count - part.draft_count;
    if (decodes) continue;
    events_.of_request(EngineEventKind::kRowsGranted, part.sequence->id, part.row_count);
  }
  events_.of_step(EngineEventKind::kScheduled, row_count);
}

// How many of the rows that run now, up to `end`, have logits that somebody wants; they are the last ones.
int64_t Engine::logit_row_count(const Sequence& sequence, int64_t end, int64_t row_count) {
  if (sequence.request.logits_wanted != LogitsWanted::kSampled) {
    return std::clamp<int64_t>(end - sequence.scored, 0, row_count);
  }
  const bool picks = end == static_cast<int64_t>(sequence.tokens.size()) && sequence.max_tokens > 0;
  return picks ? 1 : 0;
}

void Engine::lay_batch() {
  tokens_.clear();
  batch_sequences_.clear();
  logit_rows_.clear();
  kv_rows_.clear();
  for (const Part& part : parts_) {
    const Sequence& sequence = *part.sequence;
    const int64_t held = cache_->length(sequence.kv);
    const int64_t first_position = held + part.restored_count;
    const auto first_row = static_cast<int32_t>(tokens_.size());
    const auto row_count = static_cast<int32_t>(part.row_count);
    const auto begin = sequence.tokens.begin() + first_position;
    batch_sequences_.push_back({first_row, row_count, first_position});
    const auto restored = std::span<const TokenId>(sequence.tokens).subspan(static_cast<size_t>(held));
    kv_rows_.push_back({.sequence = sequence.kv.sequence(),
                        .row_count = part.row_count,
                        .restored = restored.first(static_cast<size_t>(part.restored_count))});
    tokens_.insert(tokens_.end(), begin, begin + (row_count - part.draft_count));
    if (part.draft_count > 0)
      tokens_.insert(tokens_.end(), sequence.draft.tokens.begin(), sequence.draft.tokens.end());
    const int32_t end_row = first_row + row_count;
    for (int32_t row = end_row - static_cast<int32_t>(part.logit_count); row < end_row; ++row) {
      logit_rows_.push_back(row);
    }
  }
}

Status Engine::forward(KvLayerGate& gate) {
  const auto floats = logit_rows_.size() * static_cast<size_t>(pass_->vocab_size());
  return pass_->forward({tokens_, batch_sequences_, logit_rows_}, gate, logits_.as<float>().first(floats));
}

// False where the pass failed: its rows are lost, and the next step tries again.
bool Engine::run() {
  lay_batch();
  if (parts_.front().restored_count > 0) return run_while_loading();
  KvStep step = cache_->begin_step(kv_rows_);
  const bool is_timed = pace_.has_value() || tiers_ != nullptr || options_.drafter != nullptr;
  const uint64_t begin_ns = is_timed ? clock_->now_ns() : 0;
  const Status status = no_throw([&] { return forward(step); });
  if (status.ok()) {
    step.commit(tokens_);
    if (is_timed) note_time(begin_ns);
    return true;
  }
  step.abandon();
  give_up(status);
  return false;
}

// Only what the rows cost: what callbacks do with their results is nobody's business here.
void Engine::note_time(uint64_t begin_ns) {
  timing_.ns = clock_->now_ns() - begin_ns;
  if (tiers_ != nullptr) note_computed(timing_.ns);
  const auto row_count = std::ssize(tokens_);
  if (timing_.prompt_rows == 0) draft_sizes_.note(row_count, timing_.ns);
  const bool has_drafts = row_count > timing_.decode_rows + timing_.prompt_rows;
  if (!pace_.has_value() || has_drafts) return;
  pace_->note(timing_);
  pace_note_.before = timing_;
}

// A pass may fail for one of its sequences (a block that cannot be read), and work when it is tried again. A sequence
// whose passes failed twice runs alone (schedule), so that the others go on; one that keeps failing alone ends.
void Engine::give_up(const Status& status) {
  constexpr int kMostFailures = 5;
  ++counts_.failed_steps;
  for (const Part& part : parts_) {
    events_.of_request(EngineEventKind::kPassFailed, part.sequence->id, ++part.sequence->failed_passes);
  }
  if (parts_.size() > 1 || parts_[0].sequence->failed_passes < kMostFailures) return;
  finish(*parts_[0].sequence, FinishReason::kError, no_throw([&] { return Status(status); }));
}

// Of the step's parts only the first whose passes failed before.
void Engine::isolate_suspect() {
  constexpr int kSuspect = 2;
  const auto suspect =
      std::ranges::find_if(parts_, [](const Part& part) { return part.sequence->failed_passes >= kSuspect; });
  if (suspect == parts_.end()) return;
  parts_.front() = *suspect;
  parts_.resize(1);
}

}  // namespace cairn
