// Test support: whole texts through a Transformer, with blocks of plain memory. What no later query sees of a text is
// gone: it is not in the block tables, and its blocks hold NaN where no other text has them.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model/transformer.h"

namespace cairn {

// How all layers store their rows.
struct TestCodecs {
  KvCodec keys;
  KvCodec values;
};

struct TestRun {
  TestCodecs codecs;
  int64_t chunk = 512;                      // rows of a text in a step
  std::vector<Visibility> visibility = {};  // empty: the model's own windows
};

// Logits of all positions of `tokens`, [position][vocab].
[[nodiscard]] std::vector<float> forward_all(std::shared_ptr<const Model> model, ThreadPool& threads,
                                             const std::vector<TokenId>& tokens, const TestRun& run);

// Texts that begin with the same `shared` tokens (whole blocks). The first runs these; then all run the rest together,
// with the same blocks behind them. The logits of each from there on.
[[nodiscard]] std::vector<std::vector<float>> forward_together(std::shared_ptr<const Model> model,
                                                               ThreadPool& threads,
                                                               const std::vector<std::vector<TokenId>>& texts,
                                                               int64_t shared, const TestRun& run);

}  // namespace cairn
