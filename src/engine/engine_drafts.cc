// Speculative decoding: where all sequences of a step decode, tokens that are likely to come next run with them, as rows
// behind their own. What the sampler picks from a row's logits decides whether the next row was the right one: the
// tokens are those that would have been picked without drafts, bit by bit, whatever the sampling. (Leviathan et al.,
// "Fast Inference from Transformers via Speculative Decoding", 2023, accept a token of a draft that is certain of itself
// as often: with the probability that the model gives it.)
//
// A draft never fills its sequence's open block. So it needs no memory, nothing that was not picked is ever sealed or named,
// and taking rows back is only a shorter open block. It is shorter than what windows keep behind (kRollbackMargin).
#include <algorithm>

#include "engine/engine.h"

namespace cairn {

// How many rows may run behind the next one.
int64_t Engine::draft_room(const Sequence& sequence) const {
  const int64_t held = cache_->length(sequence.kv);
  const int64_t to_block_end = kBlockSize - 1 - held % kBlockSize;
  // The row at position p needs p < context; and of the tokens that may come, the last one is not run.
  const int64_t to_context_end = context() - (held + 1);
  const int64_t to_last_token = sequence.max_tokens - sequence.stats.generated_tokens - 1;
  return std::clamp<int64_t>(std::min({to_block_end - 1, to_context_end, to_last_token}), 0, kMostDraft);
}

int64_t Engine::most_verified_rows(const EngineOptions& options) {
  return std::min({step_rows(options), step_logit_rows(options), kMostVerifiedRows});
}

bool Engine::may_have_drafts() const {
  return options_.drafter != nullptr && !parts_.empty() &&
         std::ssize(parts_) < most_verified_rows(options_) &&
         std::ranges::all_of(
             parts_,
             [](const Part& part) {
               const Sequence& sequence = *part.sequence;
               return sequence.failed_passes == 0 && part.row_count == 1 && part.logit_count == 1 &&
                      part.restored_count == 0 && sequence.request.picks == Picks::kSampled &&
                      sequence.request.logits_wanted == LogitsWanted::kSampled;
             });
}

// How many tokens of which drafts run in this step: none where that gains nothing.
void Engine::choose_drafts() {
  draft_offers_.clear();
  draft_asks_.clear();
  for (const Part& part : parts_) {
    Sequence& sequence = *part.sequence;
    sequence.draft.tokens.resize(static_cast<size_t>(draft_room(sequence)));
    draft_asks_.push_back({.id = sequence.id,
                           .text = sequence.tokens,
                           .salt = sequence.request.salt,
                           .draft = sequence.draft.tokens});
  }
  options_.drafter->look(draft_asks_);
  for (size_t i = 0; i < parts_.size(); ++i) {
    Draft& draft = parts_[i].sequence->draft;
    draft.match_length = draft_asks_[i].match_length;
    DraftOffer offer;
    if (draft.match_length > 0) {
      offer = {.length = std::ssize(draft.tokens), .chance = draft.chances.chance(draft.match_length)};
    }
    draft_offers_.push_back(offer);
  }
  draft_sizes_.choose(std::ssize(parts_), most_verified_rows(options_), draft_offers_);
  for (size_t i = 0; i < parts_.size(); ++i) {
    draft_asks_[i].draft = draft_asks_[i].draft.first(static_cast<size_t>(draft_offers_[i].granted));
  }
}

void Engine::fill_drafts() {
  const auto is_wanted = [](const DraftAsk& ask) { return !ask.draft.empty(); };
  if (std::ranges::none_of(draft_asks_, is_wanted)) return;
  const std::optional<uint64_t> ns = options_.drafter->draft(draft_asks_);
  if (ns.has_value()) draft_sizes_.note_drafting(*ns);
}

void Engine::add_drafts() {
  if (!may_have_drafts()) return;
  choose_drafts();
  fill_drafts();
  for (size_t i = 0; i < parts_.size(); ++i) {
    const auto count = std::ssize(draft_asks_[i].draft);
    parts_[i].draft_count = count;
    parts_[i].row_count += count;
    parts_[i].logit_count += count;
    parts_[i].sequence->draft.tokens.resize(static_cast<size_t>(count));
  }
}

// Row after row as long as the draft was right.
void Engine::report_draft(Sequence& sequence, int64_t first, int64_t first_logit_row) {
  Draft& draft = sequence.draft;
  const auto count = std::ssize(draft.tokens);
  int64_t right = 0;
  for (int64_t row = 0; row == right; ++row) {
    const std::span<const float> logits = logits_of(first_logit_row + row);
    if (sequence.request.on_logits) sequence.request.on_logits(first + row, logits);
    if (sequence.cancelled) return;
    pick_token(sequence, logits);
    if (sequence.cancelled || sequence.state == SequenceState::kEnded) return;
    right = draft.right;
  }
  draft.chances.note(draft.match_length, count, right);
}

// `token` was picked from a row; the row behind it is the draft's next. Rows that are not of the text are gone before
// anybody is called back; one that is counts as the sequence's when its token does (accept_draft).
void Engine::verify_draft(Sequence& sequence, TokenId token, bool goes_on) {
  Draft& draft = sequence.draft;
  if (draft.unverified_rows == 0) return;
  if (goes_on && draft.tokens[static_cast<size_t>(draft.right)] == token) return;
  cache_->truncate(sequence.kv, held_by(sequence));
  draft.unverified_rows = 0;
}

// The token that was verified is the sequence's last one now.
void Engine::accept_draft(Sequence& sequence) {
  Draft& draft = sequence.draft;
  if (draft.unverified_rows == 0) return;
  ++draft.right;
  --draft.unverified_rows;
  ++sequence.stats.accepted_draft_tokens;
  ++counts_.accepted_draft_tokens;
}

}  // namespace cairn
