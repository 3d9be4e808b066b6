// Blocks from other tiers: what memory has not of a text, and a disk or a store has, becomes its rows while others run. A
// load begins when the sequence has been granted rows, so that there is room for the whole text, by the rules that hold for
// computing; and ends as soon as a block is missing, so that the rest is computed.
#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/no_throw.h"
#include "engine/engine.h"
#include "kv/tiers/restoring_gate.h"

namespace cairn {

Result<std::unique_ptr<BlockTiers>> Engine::make_tiers(KvCache& cache, const EngineOptions& options) {
  if (!options.tiers.has_any()) return std::unique_ptr<BlockTiers>();
  CAIRN_ASSIGN_OR_RETURN(auto tiers, BlockTiers::create(options.tiers, cache, step_rows(options)));
  tiers->watch(cache);
  return tiers;
}

// It has rows that it did not compute.
void Engine::note_found(Sequence& sequence, int64_t held) {
  const bool is_new = sequence.stats.projected_positions == 0;
  if (is_new) sequence.stats.reused_tokens = held;
  sequence.scored = std::max(is_new ? sequence.inherited : sequence.scored, held);
}

// Only notes that they are to be asked: a sequence that is placed has no room yet.
void Engine::ask_tiers(Sequence& sequence) {
  if (tiers_ == nullptr) return;
  const int64_t held_blocks = held_by(sequence) / kBlockSize;
  tiers_->offer_again(*cache_, sequence.kv, {sequence.tokens, sequence.names}, held_blocks);
  sequence.may_load = findable_blocks(std::ssize(findable_tokens(sequence))) > held_blocks;
}

// Of the step's parts, those whose next rows a tier has do not run.
void Engine::start_loads() {
  if (tiers_ == nullptr) return;
  std::erase_if(parts_, [this](const Part& part) { return start_load(*part.sequence); });
}

// False: there is nothing to wait for.
bool Engine::start_load(Sequence& sequence) {
  if (!std::exchange(sequence.may_load, false)) return false;
  const int64_t held = held_by(sequence);
  BlockLoader::Begun begun;
  (void)no_throw([&] {
    const LoadWish wish{.tokens = sequence.tokens,
                        .names = sequence.names,
                        .first_block = held / kBlockSize,
                        .end_block = findable_blocks(std::ssize(findable_tokens(sequence))),
                        .may_stream = is_alone(sequence) && !cache_->geometry().has_windows()};
    begun = tiers_->begin_load(wish, sequence.request.owner_tag);
    return Status();
  });
  if (sequence.stats.projected_positions == 0) sequence.stats.match.load = begun.report;
  if (begun.load == nullptr) return false;
  sequence.load = std::move(begun.load);
  set_state(sequence, SequenceState::kRestoring);
  events_.of_request(EngineEventKind::kRestores, sequence.id, held);
  return true;
}

void Engine::take_loaded() {
  if (count_of(SequenceState::kRestoring) == 0) return;
  for (size_t i = 0; i < placed_.size(); ++i) {  // by index: forks that waited for rows get places
    if (placed_[i]->state == SequenceState::kRestoring) take_loaded(*placed_[i]);
  }
}

// What has come. Where its tenant's quota was lowered meanwhile, the rest is not waited for.
void Engine::take_loaded(Sequence& sequence) {
  bool has_room = true;
  for (;;) {
    const int64_t held = held_by(sequence);
    if (sequence.load->has_ended()) break;
    has_room = cache_->reserve(sequence.kv, std::ssize(sequence.tokens)) == Room::kOk;
    if (!has_room) break;
    const auto tokens = std::span<const TokenId>(sequence.tokens).subspan(static_cast<size_t>(held));
    if (tokens.size() < kBlockSize) break;
    if (!tiers_->restore_next(*sequence.load, *cache_, sequence.kv, tokens.first(kBlockSize))) break;
  }
  wake_waiters(sequence, held_by(sequence));
  if (!is_alone(sequence)) sequence.load->go_on();
  if (!has_room || sequence.load->has_ended()) end_load(sequence, held_by(sequence));
}

// Whether nobody else is kept waiting by a step that waits for its blocks.
bool Engine::is_alone(const Sequence& sequence) const {
  return sequence.request.logits_wanted == LogitsWanted::kSampled && count_of(SequenceState::kQueued) == 0 &&
         count_of(SequenceState::kRunning) + count_of(SequenceState::kRestoring) == 1;
}

// Where only one sequence is there, and its last blocks may come layer by layer, the rows behind them begin with the first
// layers.
void Engine::add_loading_part(const StepLimits& limits) {
  if (!parts_.empty() || count_of(SequenceState::kRestoring) == 0) return;
  Sequence& sequence = **std::ranges::find(placed_, SequenceState::kRestoring, &Sequence::state);
  const int64_t restored = sequence.load->waiting_blocks() * kBlockSize;
  if (restored == 0 || !is_alone(sequence)) return;
  const int64_t first = held_by(sequence) + restored;
  const int64_t left = std::ssize(sequence.tokens) - first;
  int64_t rows = std::min(limits.prefill_rows, left);
  const bool may_cut = scheduler_.cuts() != PromptCuts::kAtBlockEnds || rows < kBlockSize;
  if (rows < left && !may_cut) rows -= (first + rows) % kBlockSize;
  parts_.push_back({&sequence, rows, logit_row_count(sequence, first + rows, rows), restored});
}

// A load that fails goes on with the blocks before the bad one, whole, and is nobody's fault.
bool Engine::run_while_loading() {
  const Part part = parts_.front();
  BlockLoad& load = *part.sequence->load;
  KvStep step = cache_->begin_step(kv_rows_);
  bool load_failed = false;
  const Status status = no_throw([&] {
    RestoringGate gate(step, load, part.restored_count / kBlockSize, cache_->geometry().group_count());
    Status done = forward(gate);
    load_failed = gate.load_failed();
    if (done.ok()) gate.keep();
    return done;
  });
  if (status.ok()) {
    step.commit(tokens_);
    end_load(*part.sequence, batch_sequences_.front().first_position);
    return true;
  }
  step.abandon();
  if (!load_failed) give_up(status);
  return false;
}

void Engine::end_load(Sequence& sequence, int64_t held) {
  if (sequence.stats.projected_positions == 0) {
    KvMatchReport& match = sequence.stats.match;
    match.load = sequence.load->report();
    const bool is_all = held / kBlockSize == findable_blocks(std::ssize(findable_tokens(sequence)));
    if (is_all) match.end = KvMatchEnd::kComplete;
  }
  sequence.load.reset();
  set_state(sequence, SequenceState::kRunning);
  events_.of_request(EngineEventKind::kRestored, sequence.id, held);
  queue_.unpledge(sequence);
  queue_.pledge(sequence, std::ssize(sequence.tokens) - held);
  note_found(sequence, held);
}

// Steps whose time is that of a prompt's rows say what those cost.
void Engine::note_computed(uint64_t ns) {
  constexpr int64_t kEnoughRows = 16;
  const bool is_of_prompts =
      timing_.prompt_rows >= kEnoughRows && timing_.prompt_rows >= 8 * timing_.decode_rows;
  if (!is_of_prompts) return;
  const auto longest = std::ranges::max_element(parts_, {}, &Part::row_count);
  const int64_t first = batch_sequences_[static_cast<size_t>(longest - parts_.begin())].first_position;
  tiers_->note_computed(first, timing_.prompt_rows, ns);
}

}  // namespace cairn
