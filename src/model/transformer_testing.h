// Test support: a whole text through a Transformer, with blocks of plain memory.
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

// Logits of all positions of `tokens`, [position][vocab], fed `chunk` at a time.
[[nodiscard]] std::vector<float> forward_all(std::shared_ptr<const Model> model, ThreadPool& threads,
                                             const std::vector<TokenId>& tokens, const TestCodecs& codecs,
                                             int64_t chunk);

}  // namespace cairn
