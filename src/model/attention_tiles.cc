#include "model/attention_tiles.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/thread_pool.h"

namespace cairn {
namespace {

int32_t spans_for(int64_t positions) { return static_cast<int32_t>((positions + kSpanSize - 1) / kSpanSize); }

struct StateCounts {
  int64_t scratch_floats;
  int64_t thread_floats;
  int64_t group_floats;
  int64_t span_floats;
};

StateCounts counts_for(const Config& config, int64_t max_sequences, int64_t context) {
  const int64_t state = attention_state_floats(config.head_dim);
  return {attention_scratch_floats(config.head_dim), kAttentionRows * state,
          max_sequences * config.head_count * state, config.head_count * spans_for(context) * state};
}

}  // namespace

uint64_t AttentionTiles::bytes_for(const Config& config, int64_t max_sequences, int64_t context,
                                   int thread_count) {
  const StateCounts counts = counts_for(config, max_sequences, context);
  return 4 * static_cast<uint64_t>(thread_count * (counts.scratch_floats + counts.thread_floats) +
                                   counts.group_floats + counts.span_floats);
}

AttentionTiles::AttentionTiles(const Config& config, int64_t max_rows, int64_t max_sequences, int64_t context,
                               int thread_count)
    : config_(config),
      group_heads_(config.head_count / config.kv_head_count),
      tile_heads_(std::min<int64_t>(group_heads_, kAttentionRows)),
      tile_positions_(std::min<int64_t>(kAttentionRows / tile_heads_, kBlockSize)),
      state_floats_(attention_state_floats(config.head_dim)),
      context_spans_(spans_for(context)) {
  rows_.reserve(static_cast<size_t>(max_rows));
  groups_.reserve(static_cast<size_t>(max_sequences));
  Result<PageMemory> memory = PageMemory::allocate(bytes_for(config, max_sequences, context, thread_count));
  CHECK(memory.ok());  // address space only: pages are counted when touched
  memory_ = std::move(memory).value();
  const StateCounts counts = counts_for(config, max_sequences, context);
  auto* at = reinterpret_cast<float*>(memory_.data());
  const auto take = [&at](int64_t count) { return std::exchange(at, at + count); };
  for (int t = 0; t < thread_count; ++t) {
    thread_scratch_.push_back(take(counts.scratch_floats));
    thread_states_.push_back(take(counts.thread_floats));
  }
  group_states_ = take(counts.group_floats);
  span_states_ = take(counts.span_floats);
}

void AttentionTiles::set(const StepBlocks& blocks) {
  rows_.clear();
  for (const StepBlock& block : blocks.blocks()) {
    const auto step = static_cast<int32_t>(tile_positions_);
    for (int32_t i = 0; i < block.row_count; i += step) {
      StepBlock part = block;
      part.first_row += i;
      part.first_position += i;
      part.row_count = std::min(step, block.row_count - i);
      rows_.push_back({part});
    }
  }
  grouped_for_.reset();
}

// How many spans of blocks two sequences have in common from the beginning on, and both have behind them.
int32_t AttentionTiles::shared_spans(const Rows& a, const Rows& b, const KvLayerView& kv) const {
  const KvSequenceView& of_a = kv.sequences[static_cast<size_t>(a.block.sequence)];
  const KvSequenceView& of_b = kv.sequences[static_cast<size_t>(b.block.sequence)];
  if (of_a.first_block != of_b.first_block) return 0;
  const int32_t most = std::min(a.block.block, b.block.block);
  int32_t same = of_a.first_block;
  while (same < most && of_a.block(same) == of_b.block(same)) ++same;
  return same / kSpanBlocks;
}

// Whether this is all that its sequence runs in this step, and one row.
bool AttentionTiles::decodes(size_t index) const {
  const StepBlock& block = rows_[index].block;
  const bool begins = index == 0 || rows_[index - 1].block.sequence != block.sequence;
  const bool ends = index + 1 == rows_.size() || rows_[index + 1].block.sequence != block.sequence;
  return begins && ends && block.row_count == 1;
}

// Neighbours in the batch that decode one row each and begin with the same blocks. A member that shares much
// less than the others would make all of them share less: it begins a group of its own.
void AttentionTiles::find_groups(const KvLayerView& kv) {
  if (grouped_for_ == kv.layer_group) return;
  grouped_for_ = kv.layer_group;
  groups_.clear();
  for (Rows& rows : rows_) rows.group = kNoGroup;
  int32_t member_count = 0;
  for (size_t i = 0; i < rows_.size();) {
    Group group{.first = static_cast<int32_t>(i), .count = 1};
    size_t next = i + 1;
    for (; next < rows_.size() && decodes(i) && decodes(next); ++next) {
      const int32_t shared = shared_spans(rows_[i], rows_[next], kv);
      if (shared == 0 || shared * 2 < group.span_count) break;
      group.span_count = group.count == 1 ? shared : std::min(group.span_count, shared);
      ++group.count;
    }
    if (group.count > 1) {
      for (size_t member = i; member < next; ++member) {
        rows_[member].group = static_cast<int32_t>(groups_.size());
        rows_[member].state_row = member_count++;
      }
      groups_.push_back(group);
    }
    i = next;
  }
}

AttentionTile AttentionTiles::tile_of(const Layer& layer, const StepBlock& block, int64_t kv_head) const {
  const KvLayerLayout& layout = *layer.kv.layout;
  const KvSequenceView& sequence = layer.kv.sequences[static_cast<size_t>(block.sequence)];
  const StepBlocks::OpenTiles open = StepBlocks::open_tiles(layer.kv, block, kv_head);
  return {.keys = layout.keys,
          .values = layout.values,
          .keys_offset = layout.keys_offset(kv_head),
          .values_offset = layout.values_offset(kv_head),
          .sequence = sequence,
          .open_block = block.block,
          .open_keys = reinterpret_cast<const float*>(open.keys),
          .open_values = reinterpret_cast<const float*>(open.values),
          .soft_cap = config_.attention_soft_cap};
}

int64_t AttentionTiles::add_rows(const Layer& layer, const Rows& rows, int64_t kv_head, int64_t head_part,
                                 float* states, AttentionRow* to) const {
  const int64_t first_head = kv_head * group_heads_ + head_part * tile_heads_;
  const int64_t last_head = std::min(first_head + tile_heads_, (kv_head + 1) * group_heads_);
  int64_t count = 0;
  for (int32_t i = 0; i < rows.block.row_count; ++i) {
    const int32_t position = rows.block.first_position + i;
    const auto begin = layer.window == 0 ? 0 : std::max<int64_t>(0, position - layer.window + 1);
    for (int64_t head = first_head; head < last_head; ++head, ++count) {
      const int64_t at = ((rows.block.first_row + i) * config_.head_count + head) * config_.head_dim;
      to[count] = {.query = layer.buffers.query + at,
                   .state = states + count * state_floats_,
                   .begin = static_cast<int32_t>(begin),
                   .end = position + 1};
    }
  }
  return count;
}

void AttentionTiles::finish_rows(const Layer& layer, const Rows& rows, int64_t kv_head, int64_t head_part,
                                 const AttentionRow* done) const {
  const int64_t first_head = kv_head * group_heads_ + head_part * tile_heads_;
  const int64_t last_head = std::min(first_head + tile_heads_, (kv_head + 1) * group_heads_);
  for (int32_t i = 0; i < rows.block.row_count; ++i) {
    for (int64_t head = first_head; head < last_head; ++head, ++done) {
      const int64_t at = ((rows.block.first_row + i) * config_.head_count + head) * config_.head_dim;
      layer.kernels.finish_attention(done->state, config_.head_dim, layer.buffers.attended + at);
    }
  }
}

float* AttentionTiles::group_states(const Rows& rows, int64_t kv_head, int64_t head_part) const {
  const int64_t head = kv_head * group_heads_ + head_part * tile_heads_;
  return group_states_ + (rows.state_row * config_.head_count + head) * state_floats_;
}

// Item: (part of the members, KV head, part of its query heads).
void AttentionTiles::attend_group(const Layer& layer, const Group& group, int64_t item, int thread) const {
  const int64_t tile_members = std::max<int64_t>(1, kAttentionRows / tile_heads_);
  const int64_t head_part = item % head_parts();
  const int64_t kv_head = item / head_parts() % config_.kv_head_count;
  const int64_t first = item / head_parts() / config_.kv_head_count * tile_members;
  const int64_t last = std::min<int64_t>(first + tile_members, group.count);
  std::array<AttentionRow, kAttentionRows> rows;
  int64_t count = 0;
  for (int64_t m = first; m < last; ++m) {
    const Rows& member = rows_[static_cast<size_t>(group.first + m)];
    count += add_rows(layer, member, kv_head, head_part, group_states(member, kv_head, head_part),
                      rows.data() + count);
  }
  for (int64_t r = 0; r < count; ++r) clear_attention_state(rows[static_cast<size_t>(r)].state);
  AttentionTile tile = tile_of(layer, rows_[static_cast<size_t>(group.first)].block, kv_head);
  tile.rows = std::span(rows).first(static_cast<size_t>(count));
  layer.kernels.attend(tile, {0, group.span_count}, {thread_scratch_[static_cast<size_t>(thread)]});
}

void AttentionTiles::attend_rows(const Layer& layer, const Rows& rows, int64_t kv_head, int64_t head_part,
                                 int thread) const {
  const auto t = static_cast<size_t>(thread);
  const bool in_group = rows.group != kNoGroup;
  std::array<AttentionRow, kAttentionRows> tile_rows;
  float* states = in_group ? group_states(rows, kv_head, head_part) : thread_states_[t];
  const int64_t count = add_rows(layer, rows, kv_head, head_part, states, tile_rows.data());
  SpanRange spans{0, spans_for(rows.block.end_position())};
  if (in_group) {
    spans.first = groups_[static_cast<size_t>(rows.group)].span_count;
  } else {
    for (int64_t r = 0; r < count; ++r) clear_attention_state(tile_rows[static_cast<size_t>(r)].state);
  }
  AttentionTile tile = tile_of(layer, rows.block, kv_head);
  tile.rows = std::span(tile_rows).first(static_cast<size_t>(count));
  layer.kernels.attend(tile, spans, {thread_scratch_[t]});
  finish_rows(layer, rows, kv_head, head_part, tile_rows.data());
}

// One sequence that decodes alone, with fewer KV heads than keep the threads evenly busy.
bool AttentionTiles::goes_by_spans(const Layer& layer, int thread_count) const {
  if (rows_.size() != 1 || rows_.front().block.row_count != 1 || thread_count == 1) return false;
  const int64_t end = rows_.front().block.end_position();
  const int64_t seen = layer.window == 0 ? end : std::min(layer.window, end);
  const int64_t tiles = config_.kv_head_count * head_parts();
  constexpr int64_t kFewTiles = 4;  // for each thread; more even out by themselves
  return seen > 2 * kSpanSize && tiles < kFewTiles * thread_count && tiles % thread_count != 0;
}

void AttentionTiles::attend_by_spans(const Layer& layer, ThreadPool& threads, const Rows& rows) const {
  const int64_t span_count = spans_for(rows.block.end_position());
  const int64_t parts = head_parts();
  // States lie [head][span], so that those of one tile's rows at one span are apart by the context's spans.
  const auto rows_of = [&](int64_t kv_head, int64_t head_part, int64_t span, AttentionRow* to) {
    const int64_t head = kv_head * group_heads_ + head_part * tile_heads_;
    const int64_t count = add_rows(layer, rows, kv_head, head_part, nullptr, to);
    for (int64_t r = 0; r < count; ++r) {
      to[r].state = span_states_ + ((head + r) * context_spans_ + span) * state_floats_;
    }
    return count;
  };
  threads.for_each(config_.kv_head_count * parts * span_count, [&](int64_t item, int thread) {
    const auto span = static_cast<int32_t>(item % span_count);
    const int64_t tile_index = item / span_count;
    std::array<AttentionRow, kAttentionRows> tile_rows;
    const int64_t count = rows_of(tile_index / parts, tile_index % parts, span, tile_rows.data());
    for (int64_t r = 0; r < count; ++r) clear_attention_state(tile_rows[static_cast<size_t>(r)].state);
    AttentionTile tile = tile_of(layer, rows.block, tile_index / parts);
    tile.rows = std::span(tile_rows).first(static_cast<size_t>(count));
    layer.kernels.attend(tile, {span, span + 1}, {thread_scratch_[static_cast<size_t>(thread)]});
  });
  for (int64_t head = 0; head < config_.head_count; ++head) {
    float* merged = span_states_ + head * context_spans_ * state_floats_;
    for (int64_t span = 1; span < span_count; ++span) {
      layer.kernels.merge_attention(merged + span * state_floats_, config_.head_dim, merged);
    }
    const int64_t at = (rows.block.first_row * config_.head_count + head) * config_.head_dim;
    layer.kernels.finish_attention(merged, config_.head_dim, layer.buffers.attended + at);
  }
}

void AttentionTiles::attend(const Kernels& kernels, ThreadPool& threads, const KvLayerView& kv, int64_t index,
                            const StepBuffers& buffers) {
  find_groups(kv);
  const Layer layer{kernels, kv, buffers, config_.layers[static_cast<size_t>(index)].window};
  if (goes_by_spans(layer, threads.thread_count())) return attend_by_spans(layer, threads, rows_.front());
  const int64_t tile_members = std::max<int64_t>(1, kAttentionRows / tile_heads_);
  const int64_t per_rows = config_.kv_head_count * head_parts();
  for (const Group& group : groups_) {
    const int64_t member_parts = (group.count + tile_members - 1) / tile_members;
    threads.for_each(member_parts * per_rows,
                     [&](int64_t item, int thread) { attend_group(layer, group, item, thread); });
  }
  threads.for_each(static_cast<int64_t>(rows_.size()) * per_rows, [&](int64_t item, int thread) {
    const Rows& rows = rows_[static_cast<size_t>(item / per_rows)];
    attend_rows(layer, rows, item % per_rows / head_parts(), item % head_parts(), thread);
  });
}

}  // namespace cairn
