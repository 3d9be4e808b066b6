// The step: schedule, run, settle.
#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <utility>

#include "base/check.h"
#include "engine/engine.h"

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

}  // namespace

class Engine::CacheRoom final : public RoomKeeper {
 public:
  explicit CacheRoom(Engine& engine) : engine_(engine) {}

  // Room for the whole sequence, not only for the rows of this step: a prompt that was begun can be finished.
  Room make_room(int32_t index) override {
    Sequence& sequence = *engine_.live_[static_cast<size_t>(index)];
    const auto positions = static_cast<int64_t>(sequence.tokens.size());
    while (engine_.cache_->reserve(sequence.kv, positions) == Room::kNoRoom) {
      if (!engine_.drop_an_idle_session()) return Room::kNoRoom;
    }
    return Room::kOk;
  }

  void take_back(int32_t index) override { engine_.take_back(*engine_.live_[static_cast<size_t>(index)]); }

 private:
  Engine& engine_;
};

void Engine::step() {
  in_step_ = true;
  retire_cancelled();
  if (schedule()) {
    run();
    settle();
    retire_cancelled();
  }
  in_step_ = false;
}

void Engine::retire_cancelled() {
  for (size_t i = 0; i < live_.size(); ++i) {  // by index: a callback may submit
    if (live_[i]->cancelled && !live_[i]->finished) finish(*live_[i], FinishReason::kCancelled);
  }
  std::erase_if(live_, [](const auto& sequence) { return sequence->finished; });
}

void Engine::take_back(Sequence& sequence) {
  sequence.kv = {};
  ++sequence.stats.preemptions;
}

// Whether an earlier request is about to compute a block that this one could find: then it waits for it.
bool Engine::waits_for_prefix(size_t index) const {
  if (options_.sharing == KvSharing::kNone || options_.holding != KvHolding::kPaged) return false;
  const Sequence& sequence = *live_[index];
  if (sequence.request.logits_wanted == LogitsWanted::kEveryPosition) return false;
  for (size_t j = 0; j < index; ++j) {
    const Sequence& earlier = *live_[j];
    if (earlier.finished || earlier.waits || earlier.request.salt != sequence.request.salt) continue;
    const auto differs = std::ranges::mismatch(sequence.tokens, earlier.tokens);
    const int64_t common = differs.in1 - sequence.tokens.begin();
    const int64_t findable =
        std::min<int64_t>(common, std::ssize(sequence.tokens) - 1) / kBlockSize * kBlockSize;
    const int64_t held = earlier.kv ? cache_->length(earlier.kv) : 0;
    if (held < findable) return true;
  }
  return false;
}

// Whose place this sequence may have: the last one's that came later, else one's that only waits for its
// caller.
Sequence* Engine::place_to_take(size_t index) const {
  for (size_t i = live_.size(); i-- > 0;) {
    const bool may_lose_it = i > index || live_[i]->waits;
    if (i != index && live_[i]->kv && may_lose_it) return live_[i].get();
  }
  return nullptr;
}

// A place in the cache, with what it holds already of the sequence's beginning.
bool Engine::begin_rows(size_t index) {
  Sequence& sequence = *live_[index];
  std::span<const TokenId> findable = sequence.tokens;
  if (sequence.request.logits_wanted == LogitsWanted::kEveryPosition) {
    // Rows whose logits are still to be told must run.
    findable = findable.first(std::min(findable.size(), static_cast<size_t>(sequence.scored) + 1));
  }
  while (true) {
    sequence.kv = cache_->match(findable, sequence.request.salt);
    if (sequence.kv) break;
    if (drop_an_idle_session()) continue;
    Sequence* loser = place_to_take(index);
    if (loser == nullptr) return false;
    take_back(*loser);
  }
  const int64_t held = cache_->length(sequence.kv);
  if (sequence.stats.preemptions == 0) sequence.stats.reused_tokens = held;
  sequence.scored = std::max(sequence.scored, held);
  return true;
}

// Requests get their place in the order of arrival, as long as there are places.
void Engine::admit() {
  for (size_t i = 0; i < live_.size(); ++i) {
    if (live_[i]->kv || live_[i]->waits || waits_for_prefix(i)) continue;
    if (!begin_rows(i)) return;
  }
}

SequenceNeed Engine::need_of(const Sequence& sequence) const {
  if (!sequence.kv || sequence.waits) return {.holds_memory = static_cast<bool>(sequence.kv)};
  const auto length = static_cast<int64_t>(sequence.tokens.size());
  const int64_t held = cache_->length(sequence.kv);
  const bool scores = sequence.request.logits_wanted != LogitsWanted::kSampled;
  return {.held_rows = held,
          .pending_rows = length - held,
          .holds_memory = true,
          .unscored_rows = scores ? length - std::max(held, sequence.scored) : 0};
}

bool Engine::schedule() {
  admit();
  needs_.clear();
  for (const auto& sequence : live_) needs_.push_back(need_of(*sequence));
  CacheRoom room(*this);
  const Scheduler::Plan plan = scheduler_.schedule(needs_, room);
  grants_ = plan.grants;
  if (plan.starved.has_value()) {
    Sequence& sequence = *live_[static_cast<size_t>(*plan.starved)];
    finish(
        sequence, FinishReason::kError,
        resource_exhausted(fmt::format("the cache's memory is full at position {}: give it more, or ask for "
                                       "fewer tokens",
                                       sequence.tokens.size() - 1)));
    retire_cancelled();
  }
  return !grants_.empty();
}

// How many of the rows that run now have logits that somebody wants; they are the last ones.
int64_t Engine::logit_row_count(const Sequence& sequence, int64_t row_count) const {
  const int64_t end = cache_->length(sequence.kv) + row_count;
  if (sequence.request.logits_wanted != LogitsWanted::kSampled) {
    return std::clamp<int64_t>(end - sequence.scored, 0, row_count);
  }
  const bool picks = end == static_cast<int64_t>(sequence.tokens.size()) && sequence.max_tokens > 0;
  return picks ? 1 : 0;
}

void Engine::run() {
  tokens_.clear();
  batch_sequences_.clear();
  logit_rows_.clear();
  kv_sequences_.clear();
  for (const RowGrant& grant : grants_) {
    const Sequence& sequence = *live_[static_cast<size_t>(grant.sequence)];
    const auto first_position = static_cast<int32_t>(cache_->length(sequence.kv));
    const auto first_row = static_cast<int32_t>(tokens_.size());
    const auto begin = sequence.tokens.begin() + first_position;
    batch_sequences_.push_back({first_row, grant.row_count, first_position});
    kv_sequences_.push_back(sequence.kv.sequence());
    tokens_.insert(tokens_.end(), begin, begin + grant.row_count);
    const int32_t end_row = first_row + grant.row_count;
    for (auto row = end_row - static_cast<int32_t>(logit_row_count(sequence, grant.row_count)); row < end_row;
         ++row) {
      logit_rows_.push_back(row);
    }
  }
  const auto floats = logit_rows_.size() * static_cast<size_t>(pass_->vocab_size());
  pass_->forward({tokens_, batch_sequences_, logit_rows_}, cache_->view(kv_sequences_),
                 logits_.as<float>().first(floats));
}

void Engine::settle() {
  int64_t logit_row = 0;
  for (const RowGrant& grant : grants_) {
    logit_row += settle_rows(*live_[static_cast<size_t>(grant.sequence)], grant.row_count, logit_row);
  }
}

std::span<const float> Engine::logits_of(int64_t logit_row) const {
  const auto vocab_size = static_cast<size_t>(pass_->vocab_size());
  return logits_.as<const float>().subspan(static_cast<size_t>(logit_row) * vocab_size, vocab_size);
}

int64_t Engine::settle_rows(Sequence& sequence, int64_t row_count, int64_t first_logit_row) {
  const int64_t first = cache_->length(sequence.kv);
  const int64_t end = first + row_count;
  const int64_t logit_count = logit_row_count(sequence, row_count);
  cache_->commit(
      sequence.kv,
      std::span(sequence.tokens).subspan(static_cast<size_t>(first), static_cast<size_t>(row_count)));
  count_rows(sequence, first, row_count);
  if (sequence.cancelled) return logit_count;

  for (int64_t i = 0; i < logit_count && sequence.request.on_logits; ++i) {
    sequence.request.on_logits(end - logit_count + i, logits_of(first_logit_row + i));
  }
  sequence.scored = std::max(sequence.scored, end);
  if (end < static_cast<int64_t>(sequence.tokens.size())) return logit_count;
  if (sequence.max_tokens == 0) {
    finish(sequence, FinishReason::kLength);
  } else if (sequence.request.picks == Picks::kByCaller) {
    sequence.waits = true;
    note_pick(sequence);
  } else {
    pick_token(sequence, logits_of(first_logit_row + logit_count - 1));
  }
  return logit_count;
}

void Engine::count_rows(Sequence& sequence, int64_t first, int64_t row_count) {
  sequence.stats.projected_positions += static_cast<uint64_t>(row_count);
  for (size_t layer = 0; layer < layer_windows_.size(); ++layer) {
    sequence.stats.scores_by_layer[layer] += score_count(first, row_count, layer_windows_[layer]);
  }
}

void Engine::note_pick(Sequence& sequence) {
  sequence.last_pick_ns = clock_->now_ns();
  if (sequence.picks++ == 0) sequence.first_pick_ns = sequence.last_pick_ns;
}

void Engine::pick_token(Sequence& sequence, std::span<const float> logits) {
  const auto& [prompt_count, forced] = std::tie(sequence.prompt_count, sequence.request.forced_tokens);
  const auto position = static_cast<int64_t>(sequence.tokens.size());
  const auto generated = static_cast<size_t>(position - prompt_count);
  const bool is_forced = generated < forced.size();
  Result<TokenId> token = is_forced
                              ? Result<TokenId>(forced[generated])
                              : sampler_.pick(logits, sequence.request.sampling, sequence.tokens, position);
  if (!token.ok()) return finish(sequence, FinishReason::kError, token.status());

  note_pick(sequence);
  const auto& also = sequence.request.end_tokens;
  const bool is_end = tokenizer_.is_end(*token) || std::find(also.begin(), also.end(), *token) != also.end();
  if (is_end && !is_forced && !sequence.request.ignore_end_tokens) {
    return finish(sequence, FinishReason::kEndToken, {}, *token);
  }
  deliver(sequence, *token);
}

void Engine::deliver(Sequence& sequence, TokenId token) {
  sequence.tokens.push_back(token);
  ++sequence.stats.generated_tokens;
  if (sequence.request.on_token) sequence.request.on_token(token);
  const StopMatcher::Output output = sequence.stops.push(sequence.decoder.push(token));
  if (!output.text.empty() && sequence.request.on_text) sequence.request.on_text(output.text);
  if (output.stopped) return finish(sequence, FinishReason::kStopString);
  if (sequence.stats.generated_tokens == sequence.max_tokens) finish(sequence, FinishReason::kLength);
}

void Engine::finish(Sequence& sequence, FinishReason reason, Status status,
                    std::optional<TokenId> end_token) {
  CHECK(!sequence.finished);
  sequence.finished = true;
  const Request& request = sequence.request;
  if (reason != FinishReason::kStopString && request.on_text) {
    const StopMatcher::Output last = sequence.stops.push(sequence.decoder.flush());
    if (!last.text.empty()) request.on_text(last.text);
    const std::string_view held = last.stopped ? std::string_view() : sequence.stops.flush();
    if (!held.empty()) request.on_text(held);
  }
  release_rows(sequence);
  RequestStats& stats = sequence.stats;
  if (sequence.picks > 0) stats.ttft_ns = sequence.first_pick_ns - sequence.submitted_ns;
  if (sequence.picks > 1) {
    const auto span_ns = static_cast<double>(sequence.last_pick_ns - sequence.first_pick_ns);
    stats.tpot_ns = span_ns / static_cast<double>(sequence.picks - 1);
  }
  if (request.on_finish) request.on_finish({reason, std::move(status), end_token, std::move(stats)});
}

// To the session, where there is one: its next request may continue from here.
void Engine::release_rows(Sequence& sequence) {
  Session* session = find_session(sequence.request.session);
  if (session != nullptr) session->busy = false;
  if (!sequence.kv) return;
  KvLease kv = std::move(sequence.kv);
  const int64_t length = cache_->length(kv);
  cache_->truncate(kv, length);  // lets reserved room without rows go
  sequence.stats.kv_bytes = cache_->used_bytes(kv);
  if (session == nullptr) return;
  sequence.tokens.resize(static_cast<size_t>(length));
  session->tokens = std::move(sequence.tokens);
  session->kv = std::move(kv);
  // The one that was used last stands last: drop_an_idle_session begins at the front.
  std::rotate(sessions_.begin() + (session - sessions_.data()),
              sessions_.begin() + (session - sessions_.data()) + 1, sessions_.end());
}

}  // namespace cairn
