// Test support: one KV head of a sequence in any codec, and queries that attend to it, cut in any way.
#pragma once

#include <string>
#include <vector>

#include "kernels/kernel_testing.h"

namespace cairn {

// Every format, with both axes where it has scales.
[[nodiscard]] std::vector<KvCodec> all_kv_codecs();

// A query at `position` that sees `window` positions, its own the last of them (0: all).
struct TestQuery {
  int32_t position = 0;
  int32_t window = 0;

  [[nodiscard]] int32_t begin() const { return window == 0 || window > position ? 0 : position + 1 - window; }
};

// How attention is cut into calls.
struct AttentionCut {
  int32_t tile_rows = kAttentionRows;
  int32_t span_count = 1 << 20;                                              // of one call
  enum class Spans : uint8_t { kInPlace, kMerged } spans = Spans::kInPlace;  // each alone, merged afterwards
  // Of all positions, a multiple of kSpanSize. Earlier blocks are gone.
  int64_t shift = 0;
};

class TestHead {
 public:
  struct Shape {
    KvCodec keys;
    KvCodec values;
    int32_t head_dim = 0;
    int32_t length = 0;  // positions
    uint64_t seed = 0;
  };
  // Blocks stand apart; what is not written is 0xFF: NaN in every float format.
  explicit TestHead(const Shape& shape);

  // [query][head_dim]. Blocks that a tile's queries do not see are not there for it.
  [[nodiscard]] std::vector<float> attend(const Kernels& kernels, const std::vector<TestQuery>& queries,
                                          float soft_cap, const AttentionCut& cut = {}) const;
  // The same in double, by the book, from what the tiles hold.
  [[nodiscard]] std::vector<double> attend_in_double(const std::vector<TestQuery>& queries,
                                                     float soft_cap) const;

 private:
  void write(KvSide side, std::vector<TestArray<float>>& open);
  [[nodiscard]] std::vector<float> query_rows(size_t count) const;
  [[nodiscard]] AttentionTile tile_at(int32_t position) const;
  // Rows [length][head_dim] as a query at `position` sees them.
  [[nodiscard]] std::vector<float> rows_seen(KvSide side, int32_t position) const;

  Shape shape_;
  KvTileShape keys_, values_;
  std::vector<TestArray<std::byte>> blocks_;               // 64 bytes of nothing, keys, values
  std::vector<TestArray<float>> open_keys_, open_values_;  // of every block, as f32
};

}  // namespace cairn
