#include "model/attention_tiles.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/thread_pool.h"

namespace cairn {
namespace {

SpanRange spans_of(Visibility::Range positions) {
  return {positions.begin / kSpanSize, (positions.end + kSpanSize - 1) / kSpanSize};
}

// How many reductions of their own a row's sinks and spans are, at most.
int64_t most_reductions(const Visibility& visibility, int64_t context) {
  const int64_t all = spans_of({0, context}).last;
  if (visibility.sees_all()) return all;
  const int64_t window = std::min(visibility.window, context);
  const int64_t touched = spans_of({0, window - 1}).last + 1;  // wherever in a span it begins
  return std::min(all, touched) + (visibility.sinks > 0 ? 1 : 0);
}

int64_t most_reductions(const AttentionShape& shape, int64_t context) {
  int64_t most = 0;
  for (const Visibility& layer : shape.layers) most = std::max(most, most_reductions(layer, context));
  return most;
}

// The work memory, in floats.
struct Sizes {
  Sizes(const AttentionShape& shape, const ForwardLimits& limits, int threads)
      : thread_count(threads),
        scratch(attention_scratch_floats(shape.head_dim)),
        state(attention_state_floats(shape.head_dim)),
        group_states(limits.sequences * shape.head_count),
        span_states(most_reductions(shape, limits.context) * shape.head_count) {}

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

void clear_states(const Rows& states) {
  for (int64_t i = 0; i < states.count; ++i) clear_attention_state(states.row(i));
}

// All sinks lie in it.
constexpr SpanRange kSinkSpan{0, 1};
static_assert(Visibility::kMaxSinks <= kSpanSize);

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

SpanRange AttentionTiles::RowList::spans() const {
  DCHECK(count_ > 0);
  Visibility::Range seen{rows_[0].visible.begin, rows_[0].visible.end};
  for (const AttentionRow& row : all()) {
    seen.begin = std::min(seen.begin, row.visible.begin);
    seen.end = std::max(seen.end, row.visible.end);
  }
  return spans_of(seen);
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

// The spans that two sequences have in common, from the first that both see on. Neither has rows of this step in them,
// and all blocks of them (and all sinks) that `b` sees are read where `a` has them.
SpanRange AttentionTiles::shared_spans(const Layer& layer, const Piece& a, const Piece& b) {
  DCHECK(a.block.row_count == 1 && b.block.row_count == 1);
  const KvSequenceView& of_a = layer.kv.sequences[static_cast<size_t>(a.block.sequence)];
  const KvSequenceView& of_b = layer.kv.sequences[static_cast<size_t>(b.block.sequence)];
  const auto same = [&](int64_t block) { return of_a.has(block) && of_a.block(block) == of_b.block(block); };
  const int64_t begin = layer.visibility.recent_range(b.block.first_position).begin;
  const int64_t first = begin / kSpanSize;
  if (layer.visibility.recent_range(a.block.first_position).begin / kSpanSize != first) return {};
  const int64_t most = std::min(a.block.block, b.block.block);
  int64_t end = begin / kBlockSize;
  while (end < most && same(end)) ++end;
  if (end / kSpanBlocks <= first) return {};
  for (int64_t block = 0; block * kBlockSize < layer.visibility.sinks; ++block) {
    if (!same(block)) return {};
  }
  return {first, end / kSpanBlocks};
}

// Whether this piece is one row, and all that its sequence runs in this step.
bool AttentionTiles::decodes(size_t index) const {
  const StepBlock& block = pieces_[index].block;
  const bool begins = index == 0 || pieces_[index - 1].block.sequence != block.sequence;
  const bool ends = index + 1 == pieces_.size() || pieces_[index + 1].block.sequence != block.sequence;
  return begins && ends && block.row_count == 1;
}

// Finds neighbours in the batch that decode one row each and share spans. A sequence that shares much less than the
// others would make all of them share less, so it begins a group of its own.
void AttentionTiles::find_groups(const Layer& layer) {
  const GroupedFor wanted{layer.kv.layer_group, layer.visibility};
  if (grouped_for_ == wanted) return;
  grouped_for_ = wanted;
  groups_.clear();
  DCHECK(pieces_.empty() || pieces_.back().block.sequence < std::ssize(layer.kv.sequences));
  for (Piece& piece : pieces_) piece.group = kNoGroup;
  int32_t member_count = 0;
  for (size_t i = 0; i < pieces_.size();) {
    Group group{.first = static_cast<int32_t>(i), .count = 1};
    size_t next = i + 1;
    for (; next < pieces_.size() && decodes(i) && decodes(next); ++next) {
      const SpanRange shared = shared_spans(layer, pieces_[i], pieces_[next]);
      if (shared.count() == 0 || shared.count() * 2 < group.shared.count()) break;
      DCHECK(group.count == 1 || group.shared.first == shared.first);
      group.shared = {shared.first,
                      group.count == 1 ? shared.last : std::min(group.shared.last, shared.last)};
      ++group.count;
    }
    if (group.count > 1) {
      DCHECK(group.shared.count() > 0 && group.first + group.count <= std::ssize(pieces_));
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

Rows AttentionTiles::states_of(const Piece& piece, const Heads& heads, int thread) const {
  if (piece.group == kNoGroup) {
    return thread_states_[static_cast<size_t>(thread)].first(piece.block.row_count * heads.count);
  }
  DCHECK(piece.block.row_count == 1);
  return group_states_.slice(piece.member * shape_.head_count + heads.first, heads.count);
}

void AttentionTiles::add_rows(const Layer& layer, const Piece& piece, const Heads& heads, Part part,
                              const Rows& states, RowList& to) const {
  DCHECK(states.count >= piece.block.row_count * heads.count && states.width == group_states_.width);
  const Rows& from = part == Part::kSinks ? layer.rows.sink_query : layer.rows.query;
  for (int32_t i = 0; i < piece.block.row_count; ++i) {
    const auto [begin, end] = layer.range(part, piece.block.first_position + i);
    if (begin >= end) continue;
    const Rows queries = from.split(piece.block.first_row + i, shape_.head_dim);
    for (int64_t h = 0; h < heads.count; ++h) {
      to.add(
          {.visible = {queries.row(heads.first + h), begin, end}, .state = states.row(i * heads.count + h)});
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

void AttentionTiles::attend_tile(const Layer& layer, const Place& place, const RowList& rows,
                                 SpanRange spans) const {
  DCHECK(!rows.all().empty() && spans.first >= 0 && spans.count() > 0);
  const KvLayerLayout& layout = *layer.kv.layout;
  const int64_t kv_head = place.heads.kv_head;
  const StepBlocks::OpenTiles open = StepBlocks::open_tiles(layer.kv, place.block, kv_head);
  const AttentionTile tile{.keys = layout.keys,
                           .values = layout.values,
                           .keys_offset = layout.keys_offset(kv_head),
                           .values_offset = layout.values_offset(kv_head),
                           .sequence = layer.kv.sequences[static_cast<size_t>(place.block.sequence)],
                           .open_block = place.block.block,
                           .open_keys = reinterpret_cast<const float*>(open.keys),
                           .open_values = reinterpret_cast<const float*>(open.values),
                           .soft_cap = shape_.soft_cap,
                           .rows = rows.all()};
  layer.kernels.attend(tile, spans, thread_scratch_[static_cast<size_t>(place.thread)]);
}

void AttentionTiles::attend_part(const Layer& layer, const Place& place, std::span<const Piece> pieces,
                                 Part part, SpanRange spans) const {
  RowList rows;
  for (const Piece& piece : pieces) {
    add_rows(layer, piece, place.heads, part, states_of(piece, place.heads, place.thread), rows);
  }
  if (rows.all().empty()) return;
  const SpanRange seen = rows.spans();
  attend_tile(layer, place, rows, {std::max(seen.first, spans.first), std::min(seen.last, spans.last)});
}

// The sinks and the spans that a group shares, for as many of its members as a tile takes.
void AttentionTiles::attend_group(const Layer& layer, const Group& group, int64_t first_member,
                                  const Heads& heads, int thread) const {
  DCHECK(first_member < group.count);
  const std::span<const Piece> all =
      std::span(pieces_).subspan(static_cast<size_t>(group.first), static_cast<size_t>(group.count));
  const int64_t count = std::min<int64_t>(tile_members(tile_heads_), group.count - first_member);
  const auto members = all.subspan(static_cast<size_t>(first_member), static_cast<size_t>(count));
  for (const Piece& member : members) clear_states(states_of(member, heads, thread));
  const Place place{all.front().block, heads, thread};
  if (layer.has_sinks()) attend_part(layer, place, members, Part::kSinks, kSinkSpan);
  attend_part(layer, place, members, Part::kRecent, group.shared);
}

void AttentionTiles::attend_piece(const Layer& layer, const Piece& piece, const Heads& heads,
                                  int thread) const {
  const Rows states = states_of(piece, heads, thread);
  const Place place{piece.block, heads, thread};
  SpanRange spans{0, spans_of({0, piece.block.end_position()}).last};
  if (piece.group != kNoGroup) {
    spans.first = groups_[static_cast<size_t>(piece.group)].shared.last;
  } else {
    clear_states(states);
    if (layer.has_sinks()) attend_part(layer, place, {&piece, 1}, Part::kSinks, kSinkSpan);
  }
  attend_part(layer, place, {&piece, 1}, Part::kRecent, spans);
  finish_rows(layer, piece, heads, states);
}

// One sequence that decodes alone, with fewer KV heads than keep the threads evenly busy.
bool AttentionTiles::goes_by_spans(const Layer& layer, int thread_count) const {
  if (pieces_.size() != 1 || pieces_.front().block.row_count != 1 || thread_count == 1) return false;
  int64_t seen = 0;
  for (const Part part : {Part::kSinks, Part::kRecent}) {
    const auto [begin, end] = layer.range(part, pieces_.front().block.first_position);
    seen += std::max<int64_t>(0, end - begin);
  }
  constexpr int64_t kFewTiles = 4;  // for each thread; more than these even out by themselves
  const int64_t tiles = heads_count();
  return seen > 2 * kSpanSize && tiles < kFewTiles * thread_count && tiles % thread_count != 0;
}

Rows AttentionTiles::span_states(int64_t place) const {
  return span_states_.slice(place * shape_.head_count, shape_.head_count);
}

// Each reduction has a place: the sinks, where the layer has some, then the spans.
void AttentionTiles::attend_by_spans(const Layer& layer, ThreadPool& threads, const Piece& piece) const {
  DCHECK(piece.block.row_count == 1);
  const SpanRange spans = spans_of(layer.range(Part::kRecent, piece.block.first_position));
  const int64_t first_span_place = layer.has_sinks() ? 1 : 0;
  const int64_t places = first_span_place + spans.count();
  threads.for_each(heads_count() * places, [&](int64_t item, int thread) {
    const int64_t place = item % places;
    const Heads heads = heads_at(item / places);
    const bool meets_sinks = place < first_span_place;
    const int64_t span = meets_sinks ? kSinkSpan.first : spans.first + place - first_span_place;
    const Rows states = span_states(place).slice(heads.first, heads.count);
    clear_states(states);
    RowList rows;
    add_rows(layer, piece, heads, meets_sinks ? Part::kSinks : Part::kRecent, states, rows);
    attend_tile(layer, {piece.block, heads, thread}, rows, {span, span + 1});
  });
  const Rows attended = layer.rows.attended.split(piece.block.first_row, shape_.head_dim);
  for (int64_t head = 0; head < shape_.head_count; ++head) {
    float* merged = span_states(0).row(head);
    for (int64_t place = 1; place < places; ++place) {
      layer.kernels.merge_attention(span_states(place).row(head), shape_.head_dim, merged);
    }
    layer.kernels.finish_attention(merged, shape_.head_dim, attended.row(head));
  }
}

void AttentionTiles::attend(const Kernels& kernels, ThreadPool& threads, const KvLayerView& kv, int64_t index,
                            const QkvRows& rows) {
  DCHECK(index >= 0 && index < shape_.layer_count());
  DCHECK(rows.query.width == shape_.query_width() && rows.attended.width == shape_.query_width());
  DCHECK(std::ssize(thread_scratch_) == threads.thread_count());
  const Layer layer{kernels, kv, rows, shape_.layers[static_cast<size_t>(index)]};
  find_groups(layer);
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
