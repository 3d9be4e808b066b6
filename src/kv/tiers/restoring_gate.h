// RestoringGate: the gate of a step whose first sequence gets blocks from a load while it runs: a layer opens when all of them
// have it. One thread; the load and the step must outlive it.
#pragma once

#include <utility>
#include <vector>

#include "kv/kv_cache.h"
#include "kv/tiers/block_loader.h"

namespace cairn {

class RestoringGate final : public KvLayerGate {
 public:
  // The load waits with `block_count` blocks, which are those that the step has room for.
  RestoringGate(KvStep& step, BlockLoad& load, int64_t block_count, int32_t group_count)
      : step_(step), load_(load) {
    std::vector<std::vector<std::span<std::byte>>> to(static_cast<size_t>(block_count));
    for (int64_t block = 0; block < block_count; ++block) {
      for (int32_t group = 0; group < group_count; ++group) {
        to[static_cast<size_t>(block)].push_back(step.restored_block(block, group));
      }
    }
    load.stream(std::move(to));
  }
  // Nothing is written to the step's blocks afterwards.
  ~RestoringGate() override { load_.end_stream(BlockLoad::Streamed::kInVain); }
  RestoringGate(const RestoringGate&) = delete;
  RestoringGate& operator=(const RestoringGate&) = delete;

  [[nodiscard]] int64_t layer_count() const override { return step_.layer_count(); }
  Result<KvLayerView> open(int64_t layer) override {
    const Status has_come = load_.wait_for_layer(layer);
    load_failed_ = !has_come.ok();
    if (load_failed_) return has_come;
    return step_.open(layer);
  }
  void close(int64_t layer) override { step_.close(layer); }

  // All layers were used: the blocks are rows when the step is committed.
  void keep() { load_.end_stream(BlockLoad::Streamed::kUsed); }
  // Why a pass failed: it was the load's fault, and nobody else's.
  [[nodiscard]] bool load_failed() const { return load_failed_; }

 private:
  KvStep& step_;
  BlockLoad& load_;
  bool load_failed_ = false;
};

}  // namespace cairn
