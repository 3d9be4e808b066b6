// The life of a KvStep: begun over some sequences, its layers opened and closed, committed or abandoned.
#include <algorithm>

#include "base/check.h"
#include "kv/kv_cache.h"

namespace cairn {

KvStep::~KvStep() {
  if (cache_ != nullptr) abandon();
}

int64_t KvStep::layer_count() const { return cache_->geometry().layer_count(); }

Result<KvLayerView> KvStep::open(int64_t layer) {
  DCHECK(cache_ != nullptr);
  return cache_->open_layer(layer);
}

std::span<std::byte> KvStep::restored_block(int64_t block, int32_t group) const {
  DCHECK(cache_ != nullptr);
  return cache_->restored_block(block, group);
}

// Every layer's blocks are in memory: there is nothing to release yet.
void KvStep::close(int64_t layer) { DCHECK(cache_ != nullptr && layer < cache_->opened_layers_); }

void KvStep::commit(std::span<const TokenId> tokens) {
  CHECK(cache_ != nullptr);
  std::exchange(cache_, nullptr)->commit_step(tokens);
}

void KvStep::abandon() {
  CHECK(cache_ != nullptr);
  std::exchange(cache_, nullptr)->abandon_step();
}

bool KvCache::may_restore(const KvStepRows& part) const {
  const auto s = static_cast<size_t>(part.sequence.value);
  return namer_.has_value() && !geometry_.has_windows() && sequences_[s].length % kBlockSize == 0 &&
         part.restored.size() % kBlockSize == 0;
}

KvStep KvCache::begin_step(std::span<const KvStepRows> rows) {
  CHECK(!in_step());
  CHECK(!rows.empty() && rows.size() <= sequences_.size());
  events_->begin_step();
  for (const KvStepRows& part : rows) {
    CHECK(part.sequence.value >= 0 && part.sequence.value < max_sequences());
    Sequence& s = sequence(part.sequence);
    CHECK(s.is_open);
    CHECK(!s.is_in_step);
    CHECK(part.row_count >= 1);
    CHECK(part.restored.empty() || may_restore(part));
    const int64_t end = s.length + std::ssize(part.restored) + part.row_count;
    CHECK(end <= context_);  // the last block may reach beyond it
    CHECK(end <= storage_->end_block(part.sequence) * kBlockSize);
    s.is_in_step = true;
    storage_->begin_rows(part.sequence, end);
    for (int32_t group = 0; group < geometry_.group_count(); ++group) {
      step_views(group)[step_.size()] = view(part.sequence, group);
    }
    step_.push_back(part);
  }
  opened_layers_ = 0;
  return KvStep(*this);
}

std::span<KvSequenceView> KvCache::step_views(int32_t group) {
  return std::span(step_views_).subspan(static_cast<size_t>(group) * sequences_.size(), sequences_.size());
}

std::span<std::byte> KvCache::restored_block(int64_t block, int32_t group) {
  const KvStepRows& part = step_.front();
  CHECK(block >= 0 && block < std::ssize(part.restored) / kBlockSize);
  const int64_t index = sequence(part.sequence).length / kBlockSize + block;
  return {step_views(group)[0].block(index), geometry_.block_bytes(group)};
}

KvLayerView KvCache::open_layer(int64_t layer) {
  CHECK(in_step());
  CHECK(layer >= 0 && layer < geometry_.layer_count());
  opened_layers_ = std::max(opened_layers_, layer + 1);
  const int32_t group = geometry_.group_of(layer);
  const KvLayout layout = geometry_.layout();
  const uint64_t slot_bytes = std::max<uint64_t>(geometry_.step_slot_bytes(), 1);
  return {.layout = &layout.layers[static_cast<size_t>(layer)],
          .kv_head_count = layout.kv_head_count,
          .head_dim = layout.head_dim,
          .visibility = geometry_.visibility(group),
          .layer_group = group,
          .sequences = step_views(group).first(step_.size()),
          .step_slots = step_slots_.data(),
          .step_slot_count = static_cast<int64_t>(step_slots_.bytes() / slot_bytes),
          .step_slot_bytes = layout.step_slot_bytes};
}

void KvCache::commit_step(std::span<const TokenId> tokens) {
  CHECK(opened_layers_ == geometry_.layer_count());  // a layer that was skipped would be named and shared
  for (const KvStepRows& part : step_) {
    const auto row_count = static_cast<size_t>(part.row_count);
    CHECK(tokens.size() >= row_count);
    int64_t& length = sequence(part.sequence).length;
    if (!part.restored.empty()) {
      storage_->commit(part.sequence, length, part.restored);
      length += std::ssize(part.restored);
      counts_.restored_positions += std::ssize(part.restored);
    }
    storage_->commit(part.sequence, length, tokens.first(row_count));
    length += part.row_count;
    tokens = tokens.subspan(row_count);
  }
  CHECK(tokens.empty());
  events_->of_step(KvEventKind::kStepCommitted);
  end_step();
}

// A layer's open rows are replaced when the layer is done, where the step went past their block and ends within another.
// Then some layers have the old open rows and some have new ones: only whole blocks are sound.
void KvCache::abandon_step() {
  ++counts_.abandoned_steps;
  events_->of_step(KvEventKind::kStepAbandoned);
  for (const KvStepRows& part : step_) {
    if (sequence(part.sequence).closes_after_step) continue;  // nobody computes its rows again
    const int64_t length = sequence(part.sequence).length;
    storage_->abandon_rows(part.sequence, length);
    const int64_t open_count = length % kBlockSize;
    const int64_t end = open_count + part.row_count;
    const bool overwrites =
        geometry_.opens_rows() && open_count > 0 && end > kBlockSize && end % kBlockSize != 0;
    if (!overwrites || opened_layers_ == 0) continue;
    counts_.recomputed_positions += open_count;
    cut(part.sequence, length - open_count);
  }
  end_step();
}

void KvCache::end_step() {
  for (const KvStepRows& part : step_) {
    Sequence& s = sequence(part.sequence);
    s.is_in_step = false;
    if (s.closes_after_step) {
      close_now(part.sequence);
    } else if (!storage_->keeps_rows()) {
      cut(part.sequence, 0);
    }
  }
  step_.clear();
}

}  // namespace cairn
