// The decoders of attention by AMX, emulated, against a plain twin: the upper half of every f32 number that the reference
// gives, on contents that no encoder writes, too.
#include "kernels/attention/attention_amx_decode.h"

#include <gtest/gtest.h>

#if defined(__x86_64__)

#include <bit>
#include <cmath>
#include <cstring>

#include "base/random.h"
#include "kernels/amx_emulated_testing.h"
#include "kernels/attention/attention_testing.h"
#include "kernels/codecs/kv_codec_testing.h"
#include "kernels/float16.h"

namespace cairn {
namespace {

constexpr LineRange kAllLines{0, kBlockSize};

uint16_t cut(float x) { return static_cast<uint16_t>(std::bit_cast<uint32_t>(x) >> 16); }

// NaN stays NaN, except that one of f32, whose payload may lie in the lower half, may become infinite.
bool is_cut_of(float x, bool is_f32, uint16_t got) {
  if (!std::isnan(x)) return got == cut(x);
  return std::isnan(bf16_to_float(got)) || (is_f32 && std::isinf(bf16_to_float(got)));
}

// Where a line's lane lies among the pairs.
size_t place_of(const KvTileShape& shape, int32_t line, int32_t lane) {
  const int32_t square = shape.side == KvSide::kKeys ? line / kSquare : lane / kSquare;
  const int32_t tile = 2 * square + lane % kSquare / 16;
  return static_cast<size_t>(tile * kTileElements + line % kSquare / 2 * 32 + lane % 16 * 2 + line % 2);
}

// Pairs of `stored` against `lines` [shape.lines][lanes], the f32 numbers that it holds.
void expect_cut(const KvTileShape& shape, const StoredTile& stored, LineRange seen,
                const std::vector<float>& lines, int32_t lanes) {
  const std::vector<uint16_t> pairs = emulated_pairs(shape, stored, seen);
  ASSERT_FALSE(pairs.empty());
  const bool is_keys = shape.side == KvSide::kKeys;
  const int32_t line_count = is_keys ? (shape.lines + kSquare - 1) / kSquare * kSquare : kBlockSize;
  for (int32_t line = 0; line < line_count; ++line) {
    const bool is_there = is_keys ? line < shape.lines : line >= seen.begin && line < seen.end;
    for (int32_t lane = 0; lane < lanes; ++lane) {
      const float x = is_there ? lines[static_cast<size_t>(line * lanes + lane)] : 0;
      const uint16_t got = pairs[place_of(shape, line, lane)];
      ASSERT_TRUE(is_cut_of(x, stored.is_f32(), got)) << line << ", " << lane << ": " << got << " of " << x;
    }
  }
}

// Ends where the tile ends, so that a reader of more is noticed (by the address sanitizer).
std::vector<std::byte> random_bytes(int64_t count, uint64_t stream) {
  std::vector<std::byte> bytes(static_cast<size_t>(count));
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(static_cast<int>(random_float(2, stream, i) * 256));
  }
  return bytes;
}

StoredTile stored_as(const KvTileShape& shape, const std::vector<std::byte>& bytes) {
  return {bytes.data(), shape.bytes, shape.codec.format == KvFormat::kF32 ? shape.lanes : 0};
}

class AttentionAmxDecode : public testing::Test {
 protected:
  void SetUp() override {
    if (emulated_amx_kernels() == nullptr) GTEST_SKIP() << "this processor lacks AVX2";
  }
};

TEST_F(AttentionAmxDecode, IsTheUpperHalfOfWhateverIsStored) {
  for (const TileCase& c : all_tile_cases()) {
    const KvTileShape shape = kv_tile_shape({c.format, c.axis}, c.side, c.head_dim);
    const std::vector<std::byte> bytes = random_bytes(shape.bytes, static_cast<uint64_t>(shape.bytes));
    SCOPED_TRACE(name_of(c));
    expect_cut(shape, stored_as(shape, bytes), kAllLines, decoded_lines(shape, bytes.data()), shape.lanes);
  }
}

TEST_F(AttentionAmxDecode, CutsEveryF16) {
  for (const KvSide side : {KvSide::kKeys, KvSide::kValues}) {
    const KvTileShape shape = kv_tile_shape({KvFormat::kF16}, side, 256);
    std::vector<std::byte> bytes(static_cast<size_t>(shape.bytes));
    for (uint32_t first = 0; first < 0x10000; first += static_cast<uint32_t>(bytes.size() / 2)) {
      for (uint32_t i = 0; i < bytes.size() / 2; ++i) {
        const auto bits = static_cast<uint16_t>(first + i);
        std::memcpy(&bytes[2 * i], &bits, sizeof bits);
      }
      expect_cut(shape, stored_as(shape, bytes), kAllLines, decoded_lines(shape, bytes.data()), shape.lanes);
    }
  }
}

// Scales of every f16 number: infinities and NaN among them.
TEST_F(AttentionAmxDecode, CutsWhateverScalesGive) {
  for (const KvCodec& codec : all_kv_codecs()) {
    if (!kv_is_integer(codec.format)) continue;
    for (const KvSide side : {KvSide::kKeys, KvSide::kValues}) {
      const KvTileShape shape = kv_tile_shape(codec, side, 128);
      std::vector<std::byte> bytes = random_bytes(shape.bytes, 7);
      for (uint32_t first = 0; first < 0x10000; first += static_cast<uint32_t>(shape.scale_count)) {
        for (uint32_t i = 0; i < shape.scale_count; ++i) {
          const auto scale = static_cast<uint16_t>(first + i);
          std::memcpy(&bytes[static_cast<size_t>(shape.scales_offset) + 2 * i], &scale, sizeof scale);
        }
        SCOPED_TRACE(testing::Message() << kv_format_info(codec.format).name << ", " << first);
        expect_cut(shape, stored_as(shape, bytes), kAllLines, decoded_lines(shape, bytes.data()),
                   shape.lanes);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_F(AttentionAmxDecode, LinesThatNoRowSeesAreZeros) {
  for (const TileCase& c : all_tile_cases()) {
    if (c.side == KvSide::kKeys) continue;
    const KvTileShape shape = kv_tile_shape({c.format, c.axis}, c.side, c.head_dim);
    const std::vector<std::byte> bytes = random_bytes(shape.bytes, 3);
    const std::vector<float> lines = decoded_lines(shape, bytes.data());
    for (const LineRange seen : {LineRange{0, 1}, {1, 2}, {31, 32}, {0, 31}, {5, 18}, {6, 17}}) {
      SCOPED_TRACE(testing::Message() << name_of(c) << ", " << seen.begin << " to " << seen.end);
      expect_cut(shape, stored_as(shape, bytes), seen, lines, shape.lanes);
    }
  }
}

TEST_F(AttentionAmxDecode, OpenTilesAreCutLikeTheirBlocks) {
  for (const KvCodec& codec : all_kv_codecs()) {
    if (!kv_seals_whole_block(codec)) continue;
    for (const KvSide side : {KvSide::kKeys, KvSide::kValues}) {
      for (const int32_t head_dim : {20, 64, 80, 96, 128}) {
        const KvTileShape open = kv_tile_shape({KvFormat::kF32}, side, head_dim);
        const std::vector<std::byte> bytes = random_bytes(open.bytes, 5);
        expect_cut(kv_tile_shape(codec, side, head_dim), stored_as(open, bytes), kAllLines,
                   decoded_lines(open, bytes.data()), open.lanes);
      }
    }
  }
}

TEST_F(AttentionAmxDecode, FactorsMakeUpForWhatIsCut) {
  for (const KvCodec& codec : all_kv_codecs()) {
    double all = 0, left = 0;
    for (uint64_t seed = 1; seed <= 40; ++seed) {
      const KvTileShape shape = kv_tile_shape(codec, seed % 2 == 0 ? KvSide::kKeys : KvSide::kValues, 128);
      const float deviation = 1 + static_cast<float>(seed) / 40;
      const auto tile = encoded(shape, random_floats(kBlockSize * 128, seed, deviation), std::byte{0});
      for (const float x : decoded_lines(shape, tile.data())) {
        all += double{x} * x;
        left += double{x} * bf16_to_float(cut(x));
      }
    }
    const float factor = cut_factor(codec.format);
    EXPECT_NEAR(all / left, factor, 5e-5) << kv_format_info(codec.format).name;
    EXPECT_EQ(all == left, factor == 1) << kv_format_info(codec.format).name;
  }
}

// Of one block: rows that see a position each have its score and its values for their state.
struct OnePositions {
  OnePositions(const KvCodec& codec, uint64_t seed);
  void attend(const Kernels& kernels);

  static constexpr int32_t kHeadDim = 64;
  KvTileShape keys, values;
  std::vector<float> query, key_rows, value_rows;  // rows as they are stored
  TestArray<std::byte> block;
  TestArray<float> states;
};

OnePositions::OnePositions(const KvCodec& codec, uint64_t seed)
    : keys(kv_tile_shape(codec, KvSide::kKeys, kHeadDim)),
      values(kv_tile_shape(codec, KvSide::kValues, kHeadDim)),
      query(random_floats(kHeadDim, seed)),
      block(keys.bytes + values.bytes),
      states(kBlockSize * attention_state_floats(kHeadDim)) {
  const auto key_tile = encoded(keys, random_floats(kBlockSize * kHeadDim, seed + 100), std::byte{0});
  const auto value_tile = encoded(values, random_floats(kBlockSize * kHeadDim, seed + 200), std::byte{0});
  key_rows = decoded_rows(keys, key_tile.data());
  value_rows = decoded_rows(values, value_tile.data());
  std::memcpy(block.data(), key_tile.data(), static_cast<size_t>(keys.bytes));
  std::memcpy(block.data() + keys.bytes, value_tile.data(), static_cast<size_t>(values.bytes));
}

void OnePositions::attend(const Kernels& kernels) {
  const TestArray<float> scratch(attention_scratch_floats(kHeadDim));
  const BlockId id;
  std::vector<AttentionRow> rows;
  for (int32_t j = 0; j < kBlockSize; ++j) {
    float* const state = states.data() + j * attention_state_floats(kHeadDim);
    clear_attention_state(state);
    rows.push_back({.visible = {query.data(), j, j + 1}, .state = state});
  }
  const AttentionTile tile{.keys = keys,
                           .values = values,
                           .values_offset = keys.bytes,
                           .sequence = {.table = &id, .memory = block.data()},
                           .rows = rows};
  kernels.attend(tile, {0, 1}, {scratch.data()});
}

TEST_F(AttentionAmxDecode, ScoresAndValuesAreNeitherTooLargeNorTooSmall) {
  for (const KvCodec& codec : all_kv_codecs()) {
    double scores = 0, scores_exact = 0, values = 0, values_exact = 0;
    for (uint64_t seed = 1; seed <= 60; ++seed) {
      OnePositions one(codec, seed);
      one.attend(*emulated_amx_kernels());
      constexpr int32_t n = OnePositions::kHeadDim;
      for (int32_t j = 0; j < kBlockSize; ++j) {
        const float* const state = one.states.data() + j * attention_state_floats(n);
        double score = 0;
        for (int32_t d = 0; d < n; ++d) {
          const auto i = static_cast<size_t>(j * n + d);
          score += double{one.query[static_cast<size_t>(d)]} * one.key_rows[i];
          values += double{state[16 + d]} * one.value_rows[i];
          values_exact += double{one.value_rows[i]} * one.value_rows[i];
        }
        scores += state[0] * score;
        scores_exact += score * score;
      }
    }
    EXPECT_NEAR(scores / scores_exact, 1, 3e-4) << kv_format_info(codec.format).name;
    EXPECT_NEAR(values / values_exact, 1, 1e-4) << kv_format_info(codec.format).name;
  }
}

}  // namespace
}  // namespace cairn

#endif  // __x86_64__
