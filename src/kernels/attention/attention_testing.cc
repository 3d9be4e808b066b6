#include "kernels/attention/attention_testing.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/codecs/kv_codec_testing.h"

namespace cairn {
namespace {

constexpr int64_t kKeysOffset = 64;
constexpr int64_t kUnitBytes = 64;  // blocks stand apart: their ids count units from the first one
constexpr BlockId kNowhere{std::numeric_limits<int32_t>::min()};  // an address where nothing is mapped

template <typename T>
TestArray<T> garbage(int64_t count) {
  TestArray<T> array(count);
  std::memset(static_cast<void*>(array.data()), 0xFF, static_cast<size_t>(count) * sizeof(T));
  return array;
}

// The rows of a tile, and the cut blocks that they need.
struct Call {
  AttentionTile tile;
  std::vector<AttentionRow> rows;
  std::vector<BlockId> table;
};

Call call_of(const AttentionTile& tile, std::vector<AttentionRow> rows,
             const std::vector<TestArray<std::byte>>& blocks) {
  Call call{tile, std::move(rows), std::vector<BlockId>(blocks.size(), kNowhere)};
  std::byte* const first = blocks.front().data();
  call.tile.sequence = {.memory = first, .block_bytes = kUnitBytes};
  for (const AttentionRow& row : call.rows) {
    for (int64_t b = row.visible.begin / kBlockSize; b * kBlockSize < row.visible.end; ++b) {
      const auto i = static_cast<size_t>(b);
      call.table[i] = {static_cast<int32_t>((blocks[i].data() - first) / kUnitBytes)};
    }
  }
  return call;
}

// The same, `shift` positions later in its sequence.
void shift_by(int64_t shift, Call& call) {
  call.tile.sequence.first_block = shift / kBlockSize;
  call.tile.open_block += shift / kBlockSize;
  for (AttentionRow& row : call.rows) {
    row.visible.begin += shift;
    row.visible.end += shift;
  }
}

void run(const Kernels& kernels, Call& call, const AttentionCut& cut) {
  const int64_t head_dim = call.tile.keys.head_dim;
  const TestArray<float> memory = garbage<float>(attention_scratch_floats(head_dim));
  const AttentionScratch scratch{memory.data()};
  const int64_t first = cut.shift / kSpanSize;
  const int64_t last = first + (std::ssize(call.table) + kSpanBlocks - 1) / kSpanBlocks;
  call.tile.sequence.table = call.table.data();
  call.tile.rows = call.rows;
  if (cut.spans == AttentionCut::Spans::kInPlace) {
    for (int64_t s = first; s < last; s += cut.span_count) {
      kernels.attend(call.tile, {s, std::min(last, s + cut.span_count)}, scratch);
    }
    return;
  }
  const int64_t floats = attention_state_floats(head_dim);
  const TestArray<float> alone = garbage<float>(static_cast<int64_t>(call.rows.size()) * floats);
  std::vector<AttentionRow> rows = call.rows;
  for (int64_t s = first; s < last; ++s) {
    for (size_t i = 0; i < rows.size(); ++i) {
      rows[i].state = alone.data() + static_cast<int64_t>(i) * floats;
      clear_attention_state(rows[i].state);
    }
    call.tile.rows = rows;
    kernels.attend(call.tile, {s, s + 1}, scratch);
    for (size_t i = 0; i < rows.size(); ++i) {
      kernels.merge_attention(rows[i].state, head_dim, call.rows[i].state);
    }
  }
}

}  // namespace

std::vector<KvCodec> all_kv_codecs() {
  std::vector<KvCodec> codecs;
  for (const KvFormatInfo& info : kKvFormats) {
    codecs.push_back({info.format, KvAxis::kToken});
    if (kv_is_integer(info.format)) codecs.push_back({info.format, KvAxis::kChannel});
  }
  return codecs;
}

TestHead::TestHead(const Shape& shape)
    : shape_(shape),
      keys_(kv_tile_shape(shape.keys, KvSide::kKeys, shape.head_dim)),
      values_(kv_tile_shape(shape.values, KvSide::kValues, shape.head_dim)) {
  for (int32_t at = 0; at < shape.length; at += kBlockSize) {
    blocks_.push_back(garbage<std::byte>(kKeysOffset + keys_.bytes + values_.bytes));
  }
  write(KvSide::kKeys, open_keys_);
  write(KvSide::kValues, open_values_);
}

// Rows go into f32 tiles, and into blocks: row by row, or all at once when a block is full.
void TestHead::write(KvSide side, std::vector<TestArray<float>>& open) {
  const KvTileShape& shape = side == KvSide::kKeys ? keys_ : values_;
  const KvTileShape f32 = kv_tile_shape({KvFormat::kF32}, side, shape_.head_dim);
  const std::vector<float> rows =
      random_floats(int64_t{shape_.length} * shape_.head_dim, shape_.seed + static_cast<uint64_t>(side));
  for (int32_t j = 0; j < shape_.length; ++j) {
    const auto b = static_cast<size_t>(j / kBlockSize);
    const int32_t offset = j % kBlockSize;
    if (offset == 0) open.push_back(garbage<float>(f32.bytes / 4));
    std::byte* const tile = blocks_[b].data() + kKeysOffset + (side == KvSide::kKeys ? 0 : keys_.bytes);
    const float* row = rows.data() + int64_t{j} * shape_.head_dim;
    kv_encode_row(f32, row, offset, reinterpret_cast<std::byte*>(open[b].data()));
    if (!kv_seals_whole_block(shape.codec)) {
      kv_encode_row(shape, row, offset, tile);
    } else if (offset == kBlockSize - 1) {
      kv_encode_block(shape, open[b].data(), tile);
    }
  }
}

std::vector<float> TestHead::query_rows(size_t count) const {
  return random_floats(static_cast<int64_t>(count) * shape_.head_dim, shape_.seed + 2,
                       1.5F / std::sqrt(static_cast<float>(shape_.head_dim)));
}

AttentionTile TestHead::tile_at(int32_t position) const {
  AttentionTile tile{.keys = keys_, .values = values_, .keys_offset = kKeysOffset};
  tile.values_offset = tile.keys_offset + keys_.bytes;
  tile.open_block = position / kBlockSize;
  const auto b = static_cast<size_t>(tile.open_block);
  if (kv_seals_whole_block(keys_.codec)) tile.open_keys = open_keys_[b].data();
  if (kv_seals_whole_block(values_.codec)) tile.open_values = open_values_[b].data();
  return tile;
}

std::vector<float> TestHead::attend(const Kernels& kernels, const std::vector<TestQuery>& queries,
                                    float soft_cap, const AttentionCut& cut) const {
  const std::vector<float> query = query_rows(queries.size());
  const int64_t floats = attention_state_floats(shape_.head_dim);
  const TestArray<float> states = garbage<float>(static_cast<int64_t>(queries.size()) * floats);
  const bool opens = kv_seals_whole_block(keys_.codec) || kv_seals_whole_block(values_.codec);
  std::vector<float> out(query.size());
  for (size_t first = 0; first < queries.size();) {
    AttentionTile tile = tile_at(queries[first].position);
    tile.soft_cap = soft_cap;
    std::vector<AttentionRow> rows;
    for (size_t i = first; i < queries.size() && std::ssize(rows) < cut.tile_rows; ++i) {
      const TestQuery& q = queries[i];
      if (opens && q.position / kBlockSize != tile.open_block) break;
      float* const state = states.data() + static_cast<int64_t>(i) * floats;
      clear_attention_state(state);
      const float* const row_query = query.data() + static_cast<int64_t>(i) * shape_.head_dim;
      rows.push_back({.visible = {row_query, q.begin(), q.position + 1}, .state = state});
    }
    Call call = call_of(tile, std::move(rows), blocks_);
    shift_by(cut.shift, call);
    run(kernels, call, cut);
    for (size_t i = 0; i < call.rows.size(); ++i) {
      kernels.finish_attention(call.rows[i].state, shape_.head_dim,
                               out.data() + static_cast<int64_t>(first + i) * shape_.head_dim);
    }
    first += call.rows.size();
  }
  return out;
}

std::vector<float> TestHead::rows_seen(KvSide side, int32_t position) const {
  const KvTileShape& shape = side == KvSide::kKeys ? keys_ : values_;
  const auto& open = side == KvSide::kKeys ? open_keys_ : open_values_;
  std::vector<float> rows;
  for (size_t b = 0; b < blocks_.size(); ++b) {
    const std::byte* tile = blocks_[b].data() + kKeysOffset + (side == KvSide::kKeys ? 0 : keys_.bytes);
    const bool is_open =
        kv_seals_whole_block(shape.codec) && static_cast<int32_t>(b) == position / kBlockSize;
    const std::vector<float> block =
        is_open ? decoded_rows(kv_tile_shape({KvFormat::kF32}, side, shape_.head_dim),
                               reinterpret_cast<const std::byte*>(open[b].data()))
                : decoded_rows(shape, tile);
    rows.insert(rows.end(), block.begin(), block.end());
  }
  return rows;
}

std::vector<double> TestHead::attend_in_double(const std::vector<TestQuery>& queries, float soft_cap) const {
  const std::vector<float> query = query_rows(queries.size());
  const int64_t n = shape_.head_dim;
  std::vector<double> out(query.size());
  for (size_t i = 0; i < queries.size(); ++i) {
    const std::vector<float> keys = rows_seen(KvSide::kKeys, queries[i].position);
    const std::vector<float> values = rows_seen(KvSide::kValues, queries[i].position);
    double total = 0;
    std::vector<double> sums(static_cast<size_t>(n));
    for (int64_t j = queries[i].begin(); j <= queries[i].position; ++j) {
      double score = 0;
      for (int64_t d = 0; d < n; ++d) {
        score += double{query[i * static_cast<size_t>(n) + static_cast<size_t>(d)]} *
                 keys[static_cast<size_t>(j * n + d)];
      }
      if (soft_cap != 0) score = soft_cap * std::tanh(score / soft_cap);
      total += std::exp(score);
      for (int64_t d = 0; d < n; ++d) {
        sums[static_cast<size_t>(d)] += std::exp(score) * values[static_cast<size_t>(j * n + d)];
      }
    }
    for (size_t d = 0; d < sums.size(); ++d) out[i * sums.size() + d] = sums[d] / total;
  }
  return out;
}

}  // namespace cairn
