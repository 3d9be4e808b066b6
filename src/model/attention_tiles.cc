#include "model/attention_tiles.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/thread_pool.h"

namespace cairn {
namespace {

int32_t spans_for(int64_t positions) { return static_cast<int32_t>((positions + kSpanSize - 1) / kSpanSize); }

// The work memory, in floats.
struct Sizes {
  Sizes(const AttentionShape& shape, const ForwardLimits& limits, int threads)
      : thread_count(threads),
        scratch(attention_scratch_floats(shape.head_dim)),
        state(attention_state_floats(shape.head_dim)),
        group_states(limits.sequences * shape.head_count),
        span_states(spans_for(limits.context) * shape.head_count) {}

  int thread_count;
  int64_t scratch;  // of a thread
  int64_t state;    // of a row
  int64_t group_states;
  int64_t span_states;

  [[nodiscard]] uint64_t bytes() const {
    const int64_t of_threads = thread_count * (scratch + kAttentionRows * state);
    return sizeof(float) * static_cast<uint64_t>(of_threads + (group_states + span_states) * state);
  }
};

// Sequences of a group that go into one tile.
int64_t tile_members(int64_t tile_heads) { return std::max<int64_t>(1, kAttentionRows / tile_heads); }

}  // namespace

uint64_t AttentionTiles::bytes_for(const AttentionShape& shape, const ForwardLimits& limits,
                                   int thread_count) {
  return Sizes(shape, limits, thread_count).bytes();
}

AttentionTiles::AttentionTiles(const AttentionShape& shape, const ForwardLimits& limits, int thread_count)
    : shape_(shape),
      max_rows_(static_cast<size_t>(limits.rows)),
      tile_heads_(std::min<int64_t>(shape.heads_of_kv_head(), kAttentionRows)),
      tile_positions_(std::min<int64_t>(kAttentionRows / tile_heads_, kBlockSize)),
      head_parts_((shape.heads_of_kv_head() + tile_heads_ - 1) / tile_heads_) {
  CHECK(shape.head_count % shape.kv_head_count == 0);
  pieces_.reserve(max_rows_);
  groups_.reserve(static_cast<size_t>(limits.sequences));
  const Sizes sizes(shape, limits, thread_count);
  Result<PageMemory> memory = PageMemory::allocate(sizes.bytes());
  CHECK(memory.ok());  // address space only: pages are counted when touched
  memory_ = std::move(memory).value();
  auto* at = reinterpret_cast<float*>(memory_.data());
  const auto take = [&at](int64_t count) { return std::exchange(at, at + count); };
  const auto take_states = [&](int64_t count) { return Rows{take(count * sizes.state), sizes.state, count}; };
  for (int t = 0; t < thread_count; ++t) {
    thread_scratch_.push_back({take(sizes.scratch)});
    thread_states_.push_back(take_states(kAttentionRows));
  }
  group_states_ = take_states(sizes.group_states);
  span_states_ = take_states(sizes.span_states);
  DCHECK(reinterpret_cast<std::byte*>(at) <= memory_.data() + memory_.bytes());
}

void AttentionTiles::RowList::add(const AttentionRow& row) {
  DCHECK(count_ < rows_.size());
  rows_[count_++] = row;
}

void AttentionTiles::RowList::clear_states() const {
  for (const AttentionRow& row : all()) clear_attention_state(row.state);
}

void AttentionTiles::set(const StepBlocks& blocks) {
  pieces_.clear();
  for (const StepBlock& block : blocks.blocks()) {
    const auto step = static_cast<int32_t>(tile_positions_);
    for (int32_t i = 0; i < block.row_count; i += step) {
      StepBlock part = block;
      part.first_row += i;
      part.first_position += i;
      part.row_count = std::min(step, block.row_count - i);
      pieces_.push_back({part});
    }
  }
  CHECK(pieces_.size() <= max_rows_);  // nothing may be allocated here
  grouped_for_.reset();
}

// How many spans two sequences have in common from the first one on. Neither has rows of this step in them.
int32_t AttentionTiles::shared_spans(const Piece& a, const Piece& b, const KvLayerView& kv) const {
  const KvSequenceView& of_a = kv.sequences[static_cast<size_t>(a.block.sequence)];
  const KvSequenceView& of_b = kv.sequences[static_cast<size_t>(b.block.sequence)];
  if (of_a.first_block != of_b.first_block) return 0;
  DCHECK(a.block.row_count == 1 && b.block.row_count == 1);
  const int32_t most = std::min(a.block.block, b.block.block);
  int32_t same = of_a.first_block;
  while (same < most && of_a.block(same) == of_b.block(same)) ++same;
  return same / kSpanBlocks;
}

// Whether this piece is one row, and all that its sequence runs in this step.
bool AttentionTiles::decodes(size_t index) const {
  const StepBlock& block = pieces_[index].block;
  const bool begins = index == 0 || pieces_[index - 1].block.sequence != block.sequence;
  const bool ends = index + 1 == pieces_.size() || pieces_[index + 1].block.sequence != block.sequence;
  return begins && ends && block.row_count == 1;
}

// Finds neighbours in the batch that decode one row each and begin with the same blocks. A sequence that shares much
// less than the others would make all of them share less, so it begins a group of its own.
void AttentionTiles::find_groups(const KvLayerView& kv) {
  if (grouped_for_ == kv.layer_group) return;
  grouped_for_ = kv.layer_group;
  groups_.clear();
  DCHECK(pieces_.empty() || pieces_.back().block.sequence < std::ssize(kv.sequences));
  for (Piece& piece : pieces_) piece.group = kNoGroup;
  int32_t member_count = 0;
  for (size_t i = 0; i < pieces_.size();) {
    Group group{.first = static_cast<int32_t>(i), .count = 1};
    size_t next = i + 1;
    for (; next < pieces_.size() && decodes(i) && decodes(next); ++next) {
      const int32_t shared = shared_spans(pieces_[i], pieces_[next], kv);
      if (shared == 0 || shared * 2 < group.span_count) break;
      group.span_count = group.count == 1 ? shared : std::min(group.span_count, shared);
      ++group.count;
    }
    if (group.count > 1) {
      DCHECK(group.span_count > 0 && group.first + group.count <= std::ssize(pieces_));
      for (size_t member = i; member < next; ++member) {
        pieces_[member].group = static_cast<int32_t>(groups_.size());
        pieces_[member].member = member_count++;
      }
      groups_.push_back(group);
    }
    i = next;
  }
}

AttentionTiles::Heads AttentionTiles::heads_at(int64_t index) const {
  DCHECK(index >= 0 && index < heads_count());
  const int64_t of_kv_head = shape_.heads_of_kv_head();
  const int64_t kv_head = index / head_parts_;
  const int64_t first = index % head_parts_ * tile_heads_;
  return {kv_head, kv_head * of_kv_head + first, std::min(tile_heads_, of_kv_head - first)};
}

void AttentionTiles::add_rows(const Layer& layer, const Piece& piece, const Heads& heads, const Rows& states,
                              RowList& to) const {
  DCHECK(states.count >= piece.block.row_count * heads.count && states.width == group_states_.width);
  for (int32_t i = 0; i < piece.block.row_count; ++i) {
    const Rows queries = layer.rows.query.split(piece.block.first_row + i, shape_.head_dim);
    const auto visible = layer.visibility.at(piece.block.first_position + i);
    for (int64_t h = 0; h < heads.count; ++h) {
      AttentionRow row{.state = states.row(i * heads.count + h)};
      for (size_t v = 0; v < visible.size(); ++v) {
        DCHECK(visible[v].begin >= 0 && visible[v].begin < visible[v].end);
        row.visible[v] = {queries.row(heads.first + h), visible[v].begin, visible[v].end};
      }
      to.add(row);
    }
  }
}

void AttentionTiles::finish_rows(const Layer& layer, const Piece& piece, const Heads& heads,
                                 const Rows& states) const {
  for (int32_t i = 0; i < piece.block.row_count; ++i) {
    const Rows attended = layer.rows.attended.split(piece.block.first_row + i, shape_.head_dim);
    for (int64_t h = 0; h < heads.count; ++h) {
      const float* state = states.row(i * heads.count + h);
      layer.kernels.finish_attention(state, shape_.head_dim, attended.row(heads.first + h));
    }
  }
}

Rows AttentionTiles::group_states(const Piece& member, const Heads& heads) const {
  DCHECK(member.group != kNoGroup && member.block.row_count == 1);
  return group_states_.slice(member.member * shape_.head_count + heads.first, heads.count);
}

void AttentionTiles::attend_tile(const Layer& layer, const StepBlock& block, const Heads& heads,
                                 const RowList& rows, SpanRange spans, int thread) const {
  DCHECK(!rows.all().empty() && spans.first >= 0 && spans.first < spans.last);
  const KvLayerLayout& layout = *layer.kv.layout;
  const StepBlocks::OpenTiles open = StepBlocks::open_tiles(layer.kv, block, heads.kv_head);
  const AttentionTile tile{.keys = layout.keys,
                           .values = layout.values,
                           .keys_offset = layout.keys_offset(heads.kv_head),
                           .values_offset = layout.values_offset(heads.kv_head),
                           .sequence = layer.kv.sequences[static_cast<size_t>(block.sequence)],
                           .open_block = block.block,
                           .open_keys = reinterpret_cast<const float*>(open.keys),
                           .open_values = reinterpret_cast<const float*>(open.values),
                           .soft_cap = shape_.soft_cap,
                           .rows = rows.all()};
  layer.kernels.attend(tile, spans, thread_scratch_[static_cast<size_t>(thread)]);
}

// The spans that a group shares, for as many of its members as a tile takes.
void AttentionTiles::attend_group(const Layer& layer, const Group& group, int64_t first_member,
                                  const Heads& heads, int thread) const {
  const int64_t last = std::min<int64_t>(first_member + tile_members(tile_heads_), group.count);
  RowList rows;
  for (int64_t m = first_member; m < last; ++m) {
    const Piece& member = pieces_[static_cast<size_t>(group.first + m)];
    add_rows(layer, member, heads, group_states(member, heads), rows);
  }
  rows.clear_states();
  DCHECK(first_member < group.count);
  const Piece& first = pieces_[static_cast<size_t>(group.first)];
  attend_tile(layer, first.block, heads, rows, {0, group.span_count}, thread);
}

void AttentionTiles::attend_piece(const Layer& layer, const Piece& piece, const Heads& heads,
                                  int thread) const {
  const bool in_group = piece.group != kNoGroup;
  const Rows states = in_group ? group_states(piece, heads) : thread_states_[static_cast<size_t>(thread)];
  RowList rows;
  add_rows(layer, piece, heads, states, rows);
  SpanRange spans{0, spans_for(piece.block.end_position())};
  if (in_group) {
    spans.first = groups_[static_cast<size_t>(piece.group)].span_count;
  } else {
    rows.clear_states();
  }
  attend_tile(layer, piece.block, heads, rows, spans, thread);
  finish_rows(layer, piece, heads, states);
}

// One sequence that decodes alone, with fewer KV heads than keep the threads evenly busy.
bool AttentionTiles::goes_by_spans(const Layer& layer, int thread_count) const {
  if (pieces_.size() != 1 || pieces_.front().block.row_count != 1 || thread_count == 1) return false;
  int64_t seen = 0;
  for (const auto& [begin, end] : layer.visibility.at(pieces_.front().block.first_position)) {
    seen += end - begin;
  }
  constexpr int64_t kFewTiles = 4;  // for each thread; more than these even out by themselves
  const int64_t tiles = heads_count();
  return seen > 2 * kSpanSize && tiles < kFewTiles * thread_count && tiles % thread_count != 0;
}

void AttentionTiles::attend_by_spans(const Layer& layer, ThreadPool& threads, const Piece& piece) const {
  const int64_t span_count = spans_for(piece.block.end_position());
  DCHECK(piece.block.row_count == 1 && span_count * shape_.head_count <= span_states_.count);
  const auto states_of = [&](int64_t span) {
    return span_states_.slice(span * shape_.head_count, shape_.head_count);
  };
  threads.for_each(heads_count() * span_count, [&](int64_t item, int thread) {
    const auto span = static_cast<int32_t>(item % span_count);
    const Heads heads = heads_at(item / span_count);
    RowList rows;
    add_rows(layer, piece, heads, states_of(span).slice(heads.first, heads.count), rows);
    rows.clear_states();
    attend_tile(layer, piece.block, heads, rows, {span, span + 1}, thread);
  });
  const Rows attended = layer.rows.attended.split(piece.block.first_row, shape_.head_dim);
  for (int64_t head = 0; head < shape_.head_count; ++head) {
    float* merged = states_of(0).row(head);
    for (int64_t span = 1; span < span_count; ++span) {
      layer.kernels.merge_attention(states_of(span).row(head), shape_.head_dim, merged);
    }
    layer.kernels.finish_attention(merged, shape_.head_dim, attended.row(head));
  }
}

void AttentionTiles::attend(const Kernels& kernels, ThreadPool& threads, const KvLayerView& kv, int64_t index,
                            const QkvRows& rows) {
  DCHECK(index >= 0 && index < shape_.layer_count());
  DCHECK(rows.query.width == shape_.query_width() && rows.attended.width == shape_.query_width());
  DCHECK(std::ssize(thread_scratch_) == threads.thread_count());
  find_groups(kv);
  const Layer layer{kernels, kv, rows, shape_.layers[static_cast<size_t>(index)]};
  if (goes_by_spans(layer, threads.thread_count())) return attend_by_spans(layer, threads, pieces_.front());
  const int64_t heads_count = this->heads_count();
  const int64_t members = tile_members(tile_heads_);
  for (const Group& group : groups_) {
    const int64_t member_parts = (group.count + members - 1) / members;
    threads.for_each(member_parts * heads_count, [&](int64_t item, int thread) {
      attend_group(layer, group, item / heads_count * members, heads_at(item % heads_count), thread);
    });
  }
  threads.for_each(std::ssize(pieces_) * heads_count, [&](int64_t item, int thread) {
    const Piece& piece = pieces_[static_cast<size_t>(item / heads_count)];
    attend_piece(layer, piece, heads_at(item % heads_count), thread);
  });
}

}  // namespace cairn
