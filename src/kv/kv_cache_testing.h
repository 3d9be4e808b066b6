// What the tests of KvCache share: sequences whose rows hold bytes that are a pure function of the salt and
// of all tokens up to their position, as the rows of a model are. So a block that was shared, copied or found
// again must contain what its new reader would have computed.
//
// The cache knows bytes only, so a row here is a stripe, a 32nd of its block, whatever its codec; of plans
// with open rows, the second half of the stripe is written when the block is sealed, and the row's open form
// lies in the sequence's open slot. In each layer group a row has bytes of its own. For tests only.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kv/kv_cache.h"

namespace cairn {

inline KvShape small_shape(std::string_view plan) {
  const auto parsed = KvPlan::parse(plan);
  EXPECT_TRUE(parsed.ok()) << parsed.status().message();
  return {.layer_count = 2, .kv_head_count = 1, .head_dim = 2, .plan = *parsed};
}

// With a layer for each entry.
inline KvShape grouped_shape(std::string_view plan, std::vector<int32_t> layer_groups) {
  KvShape shape = small_shape(plan);
  shape.layer_count = std::ssize(layer_groups);
  shape.layer_groups = std::move(layer_groups);
  return shape;
}

// With a layer, and so a group, for each entry; all different.
inline KvShape windowed_shape(std::string_view plan, std::vector<Visibility> visibility) {
  KvShape shape = small_shape(plan);
  shape.layer_count = std::ssize(visibility);
  shape.visibility = std::move(visibility);
  return shape;
}

// `pool_blocks` of each group; 0: as many as the sequences can need.
inline std::unique_ptr<KvCache> make_cache(KvCacheOptions options, uint64_t pool_blocks = 0) {
  if (options.shape.layer_count == 0) options.shape = small_shape("f16");
  if (pool_blocks > 0) options.pool_bytes = pool_blocks * KvGeometry::make(options.shape)->block_bytes();
  auto cache = KvCache::create(options);
  EXPECT_TRUE(cache.ok()) << cache.status().message();
  return std::move(*cache);
}

inline uint64_t mixed(uint64_t x) {  // splitmix64's finisher
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

// What a row's bytes follow from. The first argument is the mark of the row before, or of the salt.
inline uint64_t next_mark(uint64_t mark, TokenId token) {
  return mixed(mark + 0x9E3779B97F4A7C15U * (static_cast<uint64_t>(token) + 1));
}
inline uint64_t salt_mark(std::string_view salt) {
  uint64_t mark = 1;
  for (const char c : salt) mark = next_mark(mark, c);
  return mark;
}

// A sequence, and what the rows that it should have are.
struct TestSequence {
  KvLease lease;
  std::string salt;
  std::vector<TokenId> tokens;
  std::vector<uint64_t> marks;  // one for each token

  [[nodiscard]] int64_t length() const { return static_cast<int64_t>(tokens.size()); }
  void push(TokenId token) {
    marks.push_back(next_mark(marks.empty() ? salt_mark(salt) : marks.back(), token));
    tokens.push_back(token);
  }
  void resize(int64_t length) {
    tokens.resize(static_cast<size_t>(length));
    marks.resize(static_cast<size_t>(length));
  }
};

// Writes and compares rows in the memory that a view shows.
class TestRows {
 public:
  // Of a group. The open rows, which a sequence has once, are those of group 0.
  explicit TestRows(const KvGeometry& geometry, int32_t group = 0)
      : group_(group),
        visibility_(geometry.visibility(group)),
        stripe_bytes_(geometry.block_bytes(group) / kBlockSize),
        open_bytes_(group == 0 ? geometry.open_bytes() / kBlockSize : 0),
        at_once_bytes_(open_bytes_ > 0 ? stripe_bytes_ / 2 : stripe_bytes_) {}

  // As a step would whose rows end with the sequence; sequence `i` of the view.
  void write(const KvLayerView& view, size_t i, int64_t first_position,
             const std::vector<uint64_t>& marks) const {
    ASSERT_EQ(view.layer_group, group_);
    const KvSequenceView& to = view.sequences[i];
    // Whatever is there belongs to no sequence after the step.
    if (view.step_slot_count > 0 && view.step_slot_bytes > 0) {
      std::memset(view.step_slots, 0xA5, static_cast<size_t>(view.step_slot_count * view.step_slot_bytes));
    }
    const auto length = static_cast<int64_t>(marks.size());
    for (int64_t p = first_position; p < length; ++p) {
      fill(stripe(to, p), at_once_bytes_, in_group(marks[static_cast<size_t>(p)]));
    }
    if (open_bytes_ == 0) return;
    for (int64_t p = first_position / kBlockSize * kBlockSize; p < length; ++p) {
      const uint64_t mark = marks[static_cast<size_t>(p)];
      const bool is_sealed = p < length / kBlockSize * kBlockSize;
      if (is_sealed) fill(stripe(to, p) + at_once_bytes_, stripe_bytes_ - at_once_bytes_, ~mark);
      if (!is_sealed && p >= first_position) fill(open_row(to, p), open_bytes_, mark + 1);
    }
  }

  // The first position that the next query sees whose row is not what the marks say; nothing where all are.
  [[nodiscard]] std::optional<int64_t> first_wrong(const KvSequenceView& in,
                                                   const std::vector<uint64_t>& marks) const {
    const auto length = static_cast<int64_t>(marks.size());
    for (int64_t p = 0; p < length; ++p) {
      if (p >= visibility_.sinks && p < visibility_.recent_range(length).begin) continue;
      const uint64_t mark = marks[static_cast<size_t>(p)];
      if (!holds(stripe(in, p), at_once_bytes_, in_group(mark))) return p;
      if (open_bytes_ == 0) continue;
      const bool is_sealed = p < length / kBlockSize * kBlockSize;
      if (is_sealed && !holds(stripe(in, p) + at_once_bytes_, stripe_bytes_ - at_once_bytes_, ~mark))
        return p;
      if (!is_sealed && !holds(open_row(in, p), open_bytes_, mark + 1)) return p;
    }
    return std::nullopt;
  }

 private:
  [[nodiscard]] uint64_t in_group(uint64_t mark) const { return mark ^ static_cast<uint64_t>(group_); }
  [[nodiscard]] std::byte* stripe(const KvSequenceView& view, int64_t position) const {
    return view.block(position / kBlockSize) + static_cast<uint64_t>(position % kBlockSize) * stripe_bytes_;
  }
  [[nodiscard]] std::byte* open_row(const KvSequenceView& view, int64_t position) const {
    return view.open + static_cast<uint64_t>(position % kBlockSize) * open_bytes_;
  }
  static void fill(std::byte* at, uint64_t bytes, uint64_t mark) {
    for (uint64_t i = 0; i < bytes; i += 8, mark += 0x0101010101010101U) {
      std::memcpy(at + i, &mark, std::min<uint64_t>(8, bytes - i));
    }
  }
  static bool holds(const std::byte* at, uint64_t bytes, uint64_t mark) {
    for (uint64_t i = 0; i < bytes; i += 8, mark += 0x0101010101010101U) {
      if (std::memcmp(at + i, &mark, std::min<uint64_t>(8, bytes - i)) != 0) return false;
    }
    return true;
  }

  int32_t group_;
  Visibility visibility_;
  uint64_t stripe_bytes_;
  uint64_t open_bytes_;     // of an open row
  uint64_t at_once_bytes_;  // of a stripe
};

// The first position of a sequence whose row is not what it should be in some group; nothing where all are.
inline std::optional<int64_t> first_wrong(const KvCache& cache, const TestSequence& sequence) {
  for (int32_t group = 0; group < cache.geometry().group_count(); ++group) {
    const auto wrong =
        TestRows(cache.geometry(), group).first_wrong(cache.view(sequence.lease, group), sequence.marks);
    if (wrong.has_value()) return wrong;
  }
  return std::nullopt;
}

// The cache's check() is clean, and the sequence has its rows.
inline void expect_intact(KvCache& cache, const TestSequence& sequence) {
  const Status status = cache.check();
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(cache.length(sequence.lease), sequence.length());
  const auto wrong = first_wrong(cache, sequence);
  EXPECT_FALSE(wrong.has_value()) << "the row at " << wrong.value_or(-1);
}

// A new sequence that begins with these tokens: it has those that were found.
inline TestSequence begin(KvCache& cache, const KvCache::Match& match, std::string_view salt) {
  TestSequence sequence{.lease = cache.match(match), .salt = std::string(salt)};
  if (!sequence.lease) return sequence;
  const auto found = static_cast<size_t>(cache.length(sequence.lease));
  for (const TokenId token : match.tokens.first(found)) sequence.push(token);
  return sequence;
}
inline TestSequence begin(KvCache& cache, std::span<const TokenId> tokens, std::string_view salt = {}) {
  return begin(cache, {.tokens = tokens, .names = cache.names_of(tokens, salt)}, salt);
}

inline KvStepRows rows_of(const TestSequence& sequence, std::span<const TokenId> tokens) {
  return {sequence.lease.sequence(), std::ssize(tokens)};
}

// The same sequence with more tokens, whose rows are yet to be computed; without a pin.
inline TestSequence with_more(const TestSequence& sequence, std::span<const TokenId> tokens) {
  TestSequence longer{.lease = {}, .salt = sequence.salt, .tokens = sequence.tokens, .marks = sequence.marks};
  for (const TokenId token : tokens) longer.push(token);
  return longer;
}

// A sequence's part of a step: its rows from `first` on are new.
struct TestPart {
  const TestSequence* sequence = nullptr;
  int64_t first = 0;
};

// What a forward pass does in a step of these parts: opens its first layers, each in its turn, and writes the rows, of a
// group in its first layer.
inline void run_layers(const KvCache& cache, KvStep& step, std::span<const TestPart> parts,
                       int64_t layer_count) {
  for (int64_t layer = 0; layer < layer_count; ++layer) {
    const Result<KvLayerView> view = step.open(layer);
    ASSERT_TRUE(view.ok()) << view.status().message();
    ASSERT_EQ(view->sequences.size(), parts.size());
    const int32_t group = cache.geometry().group_of(layer);
    bool is_first = true;
    for (int64_t before = 0; before < layer; ++before) is_first &= cache.geometry().group_of(before) != group;
    for (size_t i = 0; is_first && i < parts.size(); ++i) {
      TestRows(cache.geometry(), group).write(*view, i, parts[i].first, parts[i].sequence->marks);
    }
    step.close(layer);
  }
}

// As a forward pass whose rows nobody looks at.
inline void open_all_layers(KvStep& step) {
  for (int64_t layer = 0; layer < step.layer_count(); ++layer) {
    ASSERT_TRUE(step.open(layer).ok());
    step.close(layer);
  }
}

// All layers of a step over one sequence.
inline void run_all_layers(const KvCache& cache, KvStep& step, const TestSequence& sequence, int64_t first) {
  run_layers(cache, step, {{TestPart{&sequence, first}}}, cache.geometry().layer_count());
}

// Makes room for these tokens, writes their rows and commits them; or changes nothing.
inline Room extend(KvCache& cache, TestSequence& sequence, std::span<const TokenId> tokens) {
  const int64_t first = sequence.length();
  const Room room = cache.reserve(sequence.lease, first + static_cast<int64_t>(tokens.size()));
  if (room != Room::kOk) return room;
  if (tokens.empty()) return Room::kOk;
  for (const TokenId token : tokens) sequence.push(token);
  KvStep step = cache.begin_step({{rows_of(sequence, tokens)}});
  run_all_layers(cache, step, sequence, first);
  step.commit(tokens);
  if (!cache.keeps_rows()) sequence.resize(0);
  return Room::kOk;
}

// The sequence begins with these tokens, and has all their rows.
inline TestSequence prefilled(KvCache& cache, std::span<const TokenId> tokens, std::string_view salt = {}) {
  TestSequence sequence = begin(cache, tokens, salt);
  EXPECT_TRUE(static_cast<bool>(sequence.lease));
  EXPECT_EQ(extend(cache, sequence, tokens.subspan(static_cast<size_t>(sequence.length()))), Room::kOk);
  return sequence;
}

inline TestSequence forked(KvCache& cache, const TestSequence& sequence) {
  return {.lease = cache.fork(sequence.lease),
          .salt = sequence.salt,
          .tokens = sequence.tokens,
          .marks = sequence.marks};
}

inline int64_t cut(KvCache& cache, TestSequence& sequence, int64_t positions) {
  const int64_t kept = cache.truncate(sequence.lease, positions);
  sequence.resize(kept);
  return kept;
}

// first, first + 1, ...
inline std::vector<TokenId> some_tokens(int64_t count, TokenId first = 0) {
  std::vector<TokenId> tokens(static_cast<size_t>(count));
  for (TokenId& token : tokens) token = first++;
  return tokens;
}

inline std::vector<TokenId> joined(std::vector<TokenId> tokens, const std::vector<TokenId>& more) {
  tokens.insert(tokens.end(), more.begin(), more.end());
  return tokens;
}

}  // namespace cairn
