#include "engine/fake_pass_testing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>

#include "base/check.h"
#include "base/random.h"

namespace cairn {
namespace {

constexpr int64_t kLayers = 2;
constexpr int64_t kHeads = 2;
constexpr int32_t kHeadDim = 3;

// What each place of a position's rows contains: a byte while they are open ...
uint8_t mark(TokenId token, int64_t position, int64_t place) {
  return static_cast<uint8_t>(random_bits(static_cast<uint64_t>(token), static_cast<uint64_t>(position),
                                          static_cast<uint64_t>(place)));
}
// ... and what becomes of it where a codec seals whole blocks.
uint8_t sealed_mark(uint8_t open_mark) { return static_cast<uint8_t>(open_mark * 7 + 3); }

// Where one position's elements of one head and side lie: a byte of each is used, whatever the format.
class Row {
 public:
  Row(const KvTileShape& shape, std::byte* tile, int64_t position) {
    const int64_t element = shape.line_bytes / shape.lanes;
    const int64_t slot = position % kBlockSize;
    const bool keys = shape.side == KvSide::kKeys;
    first_ = tile + (keys ? slot * element : slot * shape.line_bytes);
    stride_ = keys ? shape.line_bytes : element;
  }
  [[nodiscard]] uint8_t at(int64_t d) const { return static_cast<uint8_t>(first_[d * stride_]); }
  void put(int64_t d, uint8_t value) const { first_[d * stride_] = std::byte{value}; }

 private:
  std::byte* first_;
  int64_t stride_;
};

// A head's two rows at a position, in the block or among the open rows of `block`.
struct HeadRows {
  Row keys;
  Row values;
};

std::byte* block_bytes(const KvLayerView& kv, int64_t sequence, int64_t block) {
  return kv.sequences[static_cast<size_t>(sequence)].block(block);
}

HeadRows sealed_rows(const KvLayerView& kv, int64_t sequence, int64_t head, int64_t position) {
  const KvLayerLayout& layout = *kv.layout;
  std::byte* block = block_bytes(kv, sequence, position / kBlockSize);
  return {Row(layout.keys, block + layout.keys_offset(head), position),
          Row(layout.values, block + layout.values_offset(head), position)};
}

HeadRows open_rows(const KvLayerView& kv, const StepBlock& block, int64_t head, int64_t position) {
  HeadRows rows = sealed_rows(kv, block.sequence, head, position);
  const StepBlocks::OpenTiles tiles = StepBlocks::open_tiles(kv, block, head);
  constexpr KvCodec kOpen{.format = KvFormat::kF32};
  if (tiles.keys) rows.keys = Row(kv_tile_shape(kOpen, KvSide::kKeys, kHeadDim), tiles.keys, position);
  if (tiles.values)
    rows.values = Row(kv_tile_shape(kOpen, KvSide::kValues, kHeadDim), tiles.values, position);
  return rows;
}

// place: of 2 * kLayers * kHeads * kHeadDim
int64_t key_place(int64_t layer, int64_t head, int64_t d) {
  return 2 * ((layer * kHeads + head) * kHeadDim + d);
}

uint64_t mix(uint64_t hash, uint8_t value) { return (hash ^ value) * 0x100000001b3u + 0x9e3779b97f4a7c15u; }

uint64_t mix_head(uint64_t hash, const HeadRows& rows) {
  for (int64_t d = 0; d < kHeadDim; ++d) hash = mix(mix(hash, rows.keys.at(d)), rows.values.at(d));
  return hash;
}

void logits_of_hash(uint64_t hash, std::span<float> logits) {
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = 20 * random_float(hash, 0, i) - 10;
}

void store(const KvLayerView& kv, const StepBlock& block, int64_t layer, std::span<const TokenId> tokens) {
  const KvLayerLayout& layout = *kv.layout;
  for (int64_t head = 0; head < kHeads; ++head) {
    for (int32_t i = 0; i < block.row_count; ++i) {
      const int64_t position = block.first_position + i;
      const TokenId token = tokens[static_cast<size_t>(block.first_row + i)];
      const HeadRows rows = open_rows(kv, block, head, position);
      for (int64_t d = 0; d < kHeadDim; ++d) {
        const int64_t place = key_place(layer, head, d);
        rows.keys.put(d, mark(token, position, place));
        rows.values.put(d, mark(token, position, place + 1));
      }
    }
    if (!block.is_filled()) continue;
    for (int64_t slot = 0; slot < kBlockSize; ++slot) {
      const int64_t position = block.block * kBlockSize + slot;
      const HeadRows open = open_rows(kv, block, head, position);
      const HeadRows sealed = sealed_rows(kv, block.sequence, head, position);
      for (int64_t d = 0; d < kHeadDim; ++d) {
        if (layout.opens_keys) sealed.keys.put(d, sealed_mark(open.keys.at(d)));
        if (layout.opens_values) sealed.values.put(d, sealed_mark(open.values.at(d)));
      }
    }
  }
}

void expect_sound(const Batch& batch, std::span<float> logits) {
  ASSERT_EQ(logits.size(), batch.logit_rows.size() * kFakeVocab);
  int32_t next_row = 0;
  for (const BatchSequence& sequence : batch.sequences) {
    ASSERT_EQ(sequence.first_row, next_row);
    ASSERT_GE(sequence.row_count, 1);
    next_row += sequence.row_count;
  }
  ASSERT_EQ(static_cast<size_t>(next_row), batch.tokens.size());
  ASSERT_TRUE(std::is_sorted(batch.logit_rows.begin(), batch.logit_rows.end()));
}

}  // namespace

KvShape fake_shape(const KvPlan& plan) {
  return {.layer_count = kLayers, .kv_head_count = kHeads, .head_dim = kHeadDim, .plan = plan};
}

// A query sees every block before its own sealed, and its own open.
void FakePass::run_layer(const Batch& batch, const KvLayerView& kv, int64_t layer) {
  ASSERT_EQ(batch.sequences.size(), kv.sequences.size());
  for (const StepBlock& block : blocks_.blocks()) store(kv, block, layer, batch.tokens);
  uint64_t before = 0;  // over the blocks before this one
  int64_t done = 0;
  for (const StepBlock& block : blocks_.blocks()) {
    if (block.slot == StepBlock::kOwnSlot) before = 0, done = 0;
    for (; done < block.block * kBlockSize; ++done) {
      for (int64_t head = 0; head < kHeads; ++head) {
        before = mix_head(before, sealed_rows(kv, block.sequence, head, done));
      }
    }
    uint64_t hash = before;
    for (int64_t position = done; position < block.end_position(); ++position) {
      for (int64_t head = 0; head < kHeads; ++head) {
        hash = mix_head(hash, open_rows(kv, block, head, position));
      }
      if (position < block.first_position) continue;
      uint64_t& seen = hashes_[static_cast<size_t>(block.first_row + position - block.first_position)];
      seen = seen * 0x9e3779b97f4a7c15u + hash;
    }
  }
  blocks_.keep_open_rows(kv);
}

Status FakePass::forward(const Batch& batch, KvLayerGate& gate, std::span<float> logits) {
  if (on_forward) on_forward(batch);
  expect_sound(batch, logits);
  EXPECT_LE(static_cast<int64_t>(batch.tokens.size()), max_rows_);
  EXPECT_LE(static_cast<int64_t>(batch.logit_rows.size()), max_logit_rows_);
  blocks_.set(batch);
  hashes_.assign(batch.tokens.size(), 0);
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    if (fails_at_layer == layer) return internal_error("the gate does not open");
    CAIRN_ASSIGN_OR_RETURN(const KvLayerView kv, gate.open(layer));
    run_layer(batch, kv, layer);
    gate.close(layer);
  }
  if (fails_at_layer == kLayers) return internal_error("the pass fails at its end");
  for (size_t i = 0; i < batch.logit_rows.size(); ++i) {
    logits_of_hash(hashes_[static_cast<size_t>(batch.logit_rows[i])],
                   logits.subspan(i * kFakeVocab, kFakeVocab));
  }
  if (poisoned && !logits.empty()) logits[5] = std::numeric_limits<float>::quiet_NaN();
  return {};
}

std::vector<float> oracle_logits(std::span<const TokenId> tokens, const KvPlan& plan) {
  const auto codecs = plan.resolve(kLayers, kHeadDim);
  CHECK(codecs.ok());
  const auto last = static_cast<int64_t>(tokens.size()) - 1;
  uint64_t all = 0;
  for (int64_t layer = 0; layer < kLayers; ++layer) {
    const KvLayerCodecs& codec = (*codecs)[static_cast<size_t>(layer)];
    uint64_t hash = 0;
    for (int64_t position = 0; position <= last; ++position) {
      const auto seen = [&](const KvCodec& c, int64_t place) {
        const uint8_t open = mark(tokens[static_cast<size_t>(position)], position, place);
        const bool is_sealed = position / kBlockSize < last / kBlockSize && kv_seals_whole_block(c);
        return is_sealed ? sealed_mark(open) : open;
      };
      for (int64_t head = 0; head < kHeads; ++head) {
        for (int64_t d = 0; d < kHeadDim; ++d) {
          const int64_t place = key_place(layer, head, d);
          hash = mix(mix(hash, seen(codec.keys, place)), seen(codec.values, place + 1));
        }
      }
    }
    all = all * 0x9e3779b97f4a7c15u + hash;
  }
  std::vector<float> logits(kFakeVocab);
  logits_of_hash(all, logits);
  return logits;
}

std::vector<TokenId> oracle_tokens(std::vector<TokenId> prompt, int64_t count, const KvPlan& plan) {
  std::vector<TokenId> generated;
  for (int64_t i = 0; i < count; ++i) {
    const std::vector<float> logits = oracle_logits(prompt, plan);
    const auto best = std::max_element(logits.begin(), logits.end()) - logits.begin();
    generated.push_back(static_cast<TokenId>(best));
    prompt.push_back(generated.back());
  }
  return generated;
}

Tokenizer fake_tokenizer() {
  TokenizerTables tables;
  tables.model = "llama";
  tables.tokens = {"<unk>", "<s>", "</s>"};
  tables.types = {2, 3, 3};
  for (int byte = 0; byte < 256; ++byte) {
    constexpr std::string_view kHex = "0123456789ABCDEF";
    tables.tokens.push_back(std::string("<0x") + kHex[byte / 16] + kHex[byte % 16] + ">");
    tables.types.push_back(static_cast<int64_t>(TokenType::kByte));
  }
  tables.scores.assign(tables.tokens.size(), 0.0F);
  tables.bos = 1;
  tables.eos = 2;
  tables.unk = 0;
  auto tokenizer = make_tokenizer(std::move(tables));
  CHECK(tokenizer.ok());
  return *tokenizer;
}

std::vector<TokenId> bytes_of(std::string_view text) {
  std::vector<TokenId> tokens;
  for (const char c : text) tokens.push_back(3 + static_cast<unsigned char>(c));
  return tokens;
}

std::vector<TokenId> some_prompt(uint64_t seed, int64_t count) {
  std::vector<TokenId> tokens;
  tokens.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<TokenId>(random_bits(seed, 7, static_cast<uint64_t>(i)) % kFakeVocab));
  }
  return tokens;
}

std::vector<TokenId> branch_of(uint64_t seed, int64_t shared, uint64_t branch, int64_t count) {
  std::vector<TokenId> tokens = some_prompt(seed, shared);
  const std::vector<TokenId> others = some_prompt(seed * 1000 + branch + 1, count);
  tokens.insert(tokens.end(), others.begin() + shared, others.end());
  return tokens;
}

FakeEngine make_fake_engine(const EngineOptions& options, std::vector<int32_t> layer_groups) {
  KvShape shape = fake_shape(options.kv_plan);
  shape.layer_groups = std::move(layer_groups);
  auto pass = std::make_unique<FakePass>(Engine::step_rows(options), Engine::step_logit_rows(options));
  FakePass* raw = pass.get();
  auto engine = Engine::create(Engine::Parts{.pass = std::move(pass),
                                             .kv_shape = std::move(shape),
                                             .layer_windows = {0, 10},
                                             .tokenizer = fake_tokenizer()},
                               options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return {std::move(*engine), raw};
}

uint64_t fake_blocks(int64_t count, const KvPlan& plan) {
  return static_cast<uint64_t>(count) * KvGeometry::make(fake_shape(plan))->block_bytes();
}

void listen(Request& request, Heard& heard) {
  request.on_logits = [&heard](int64_t position, std::span<const float> logits) {
    heard.logit_positions.push_back(position);
    heard.logits.emplace_back(logits.begin(), logits.end());
  };
  request.on_token = [&heard](TokenId token) { heard.tokens.push_back(token); };
  request.on_text = [&heard](std::string_view text) { heard.text += text; };
  request.on_finish = [&heard](const RequestResult& result) { heard.results.push_back(result); };
}

Request make_request(std::vector<TokenId> prompt, int64_t max_tokens, Heard& heard) {
  Request request{.prompt = std::move(prompt), .max_tokens = max_tokens, .ignore_end_tokens = true};
  listen(request, heard);
  return request;
}

void expect_oracle(const Heard& heard, const std::vector<TokenId>& prompt, int64_t count, const KvPlan& plan,
                   FinishReason reason) {
  ASSERT_EQ(heard.results.size(), 1u);
  EXPECT_EQ(heard.results[0].reason, reason) << heard.results[0].status.message();
  EXPECT_EQ(heard.tokens, oracle_tokens(prompt, count, plan));
}

void checked_step(Engine& engine) {
  engine.step();
  const Status status = engine.cache().check();
  ASSERT_TRUE(status.ok()) << status.message();
}

void run_until_idle(Engine& engine, int steps) {
  for (; !engine.idle() && steps > 0 && !::testing::Test::HasFatalFailure(); --steps) checked_step(engine);
  ASSERT_TRUE(engine.idle());
}

}  // namespace cairn
