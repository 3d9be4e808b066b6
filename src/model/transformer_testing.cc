#include "model/transformer_testing.h"

#include <algorithm>
#include <numeric>

#include "base/memory.h"

namespace cairn {

std::vector<float> forward_all(std::shared_ptr<const Model> model, ThreadPool& threads,
                               const std::vector<TokenId>& tokens, KvType type, int64_t chunk) {
  const Config& config = model->config();
  const auto count = static_cast<int64_t>(tokens.size());
  const KvLayout layout{type, static_cast<int32_t>(config.kv_head_count),
                        static_cast<int32_t>(config.head_dim)};
  const int64_t block_count = (count + kBlockSize - 1) / kBlockSize;
  const int64_t block_bytes = layout.layer_bytes() * config.layer_count;
  PageMemory memory = PageMemory::allocate(static_cast<uint64_t>(block_count * block_bytes)).value();
  std::fill_n(memory.data(), memory.bytes(),
              std::byte{0xFF});  // NaN everywhere: what is not stored must not be read
  std::vector<std::byte*> blocks;
  for (int64_t b = 0; b < block_count; ++b) blocks.push_back(memory.data() + b * block_bytes);
  const KvSequenceView view{blocks.data()};

  const int64_t rows = std::min(chunk, count);
  Transformer transformer(model, threads, rows, rows);
  std::vector<float> logits(static_cast<size_t>(count * config.vocab_size));
  for (int64_t first = 0; first < count; first += rows) {
    const int64_t n = std::min(rows, count - first);
    std::vector<int32_t> wanted(static_cast<size_t>(n));
    std::iota(wanted.begin(), wanted.end(), 0);
    const BatchSequence sequence{0, static_cast<int32_t>(n), static_cast<int32_t>(first)};
    const Batch batch{{tokens.data() + first, static_cast<size_t>(n)}, {&sequence, 1}, wanted};
    transformer.forward(
        batch, {layout, {&view, 1}},
        {logits.data() + first * config.vocab_size, static_cast<size_t>(n * config.vocab_size)});
  }
  return logits;
}

}  // namespace cairn
