#include "engine/fake_pass_testing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>

#include "base/check.h"
#include "base/random.h"

namespace cairn {
namespace {

// What each place of a position's rows holds.
uint16_t mark(TokenId token, int64_t position, int64_t place) {
  return static_cast<uint16_t>(random_bits(static_cast<uint64_t>(token), static_cast<uint64_t>(position),
                                           static_cast<uint64_t>(place)));
}

template <typename Visit>
void each_place(const KvView& kv, int64_t sequence, int64_t position, const Visit& visit) {
  const int64_t slot = position % kBlockSize;
  int64_t place = 0;
  for (int64_t layer = 0; layer < kFakeShape.layer_count; ++layer) {
    std::byte* base = kv.layer_of_block(sequence, position / kBlockSize, layer);
    for (int64_t head = 0; head < kFakeShape.kv_head_count; ++head) {
      auto* keys = reinterpret_cast<uint16_t*>(base + kv.layout.keys_offset(head));
      auto* values = reinterpret_cast<uint16_t*>(base + kv.layout.values_offset(head));
      for (int64_t d = 0; d < kFakeShape.head_dim; ++d) {
        visit(keys[d * kBlockSize + slot], place++);
        visit(values[slot * kFakeShape.head_dim + d], place++);
      }
    }
  }
}

constexpr int64_t kPlaces = 2 * kFakeShape.layer_count * kFakeShape.kv_head_count * kFakeShape.head_dim;

uint64_t mix(uint64_t hash, uint16_t value) { return (hash ^ value) * 0x100000001b3u + 0x9e3779b97f4a7c15u; }

void logits_of_hash(uint64_t hash, std::span<float> logits) {
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = 20 * random_float(hash, 0, i) - 10;
}

void expect_sound(const Batch& batch, const KvView& kv, std::span<float> logits) {
  ASSERT_EQ(batch.sequences.size(), kv.sequences.size());
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

void FakePass::forward(const Batch& batch, const KvView& kv, std::span<float> logits) {
  if (on_forward) on_forward(batch);
  expect_sound(batch, kv, logits);
  ASSERT_LE(static_cast<int64_t>(batch.tokens.size()), max_rows_);
  ASSERT_LE(static_cast<int64_t>(batch.logit_rows.size()), max_logit_rows_);
  size_t logit_index = 0;
  for (int64_t s = 0; s < static_cast<int64_t>(batch.sequences.size()); ++s) {
    const BatchSequence& sequence = batch.sequences[static_cast<size_t>(s)];
    uint64_t hash = 0;
    for (int64_t position = 0; position < sequence.first_position + sequence.row_count; ++position) {
      const int64_t row = position - sequence.first_position + sequence.first_row;
      if (position >= sequence.first_position) {
        const TokenId token = batch.tokens[static_cast<size_t>(row)];
        each_place(kv, s, position, [&](uint16_t& at, int64_t place) { at = mark(token, position, place); });
      }
      each_place(kv, s, position, [&](uint16_t& at, int64_t) { hash = mix(hash, at); });
      if (position < sequence.first_position || logit_index == batch.logit_rows.size()) continue;
      if (batch.logit_rows[logit_index] != row) continue;
      logits_of_hash(hash, logits.subspan(logit_index++ * kFakeVocab, kFakeVocab));
    }
  }
  ASSERT_EQ(logit_index, batch.logit_rows.size());
  if (poisoned && !logits.empty()) logits[5] = std::numeric_limits<float>::quiet_NaN();
}

std::vector<float> oracle_logits(std::span<const TokenId> tokens) {
  uint64_t hash = 0;
  for (size_t p = 0; p < tokens.size(); ++p) {
    for (int64_t place = 0; place < kPlaces; ++place) {
      hash = mix(hash, mark(tokens[p], static_cast<int64_t>(p), place));
    }
  }
  std::vector<float> logits(kFakeVocab);
  logits_of_hash(hash, logits);
  return logits;
}

std::vector<TokenId> oracle_tokens(std::vector<TokenId> prompt, int64_t count) {
  std::vector<TokenId> generated;
  for (int64_t i = 0; i < count; ++i) {
    const std::vector<float> logits = oracle_logits(prompt);
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
  for (int64_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<TokenId>(random_bits(seed, 7, static_cast<uint64_t>(i)) % kFakeVocab));
  }
  return tokens;
}

FakeEngine make_fake_engine(const EngineOptions& options) {
  auto pass = std::make_unique<FakePass>(Engine::step_rows(options), Engine::step_logit_rows(options));
  FakePass* raw = pass.get();
  auto engine = Engine::create(Engine::Parts{.pass = std::move(pass),
                                             .kv_shape = kFakeShape,
                                             .layer_windows = {0, 10},
                                             .tokenizer = fake_tokenizer()},
                               options);
  EXPECT_TRUE(engine.ok()) << engine.status().message();
  return {std::move(*engine), raw};
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

void run_until_idle(Engine& engine, int steps) {
  for (; !engine.idle() && steps > 0 && !::testing::Test::HasFatalFailure(); --steps) {
    engine.step();
    const Status status = engine.cache().check();
    ASSERT_TRUE(status.ok()) << status.message();
  }
  ASSERT_TRUE(engine.idle());
}

}  // namespace cairn
