// PagedHolder: one pool of blocks for all sequences. A sequence takes a block when its last one is full, so
// memory follows what is used. Sealed blocks get names and are shared: by sequences that begin alike, by
// forks, and with those to come, while they lie idle.
//
// Always true: a sequence's sealed blocks come first in its table, and are held; behind them are open ones,
// of which the first may have rows. A sequence that holds a block holds all before it, so a child is never
// let go after its parent: eviction takes ends of chains before their beginnings. Inside the kv room only.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "kv/block_pool.h"
#include "kv/holder.h"
#include "kv/prefix_tree.h"

namespace cairn {

class PagedHolder final : public KvHolder {
 public:
  enum class Rows : uint8_t { kStay, kGoAfterEachStep };

  PagedHolder(const KvHolderPlan& plan, BlockPool pool, Rows rows);

  int64_t match(SequenceId sequence, KvBlockTable& table, std::span<const TokenId> tokens,
                std::string_view salt) override;
  Room grow(SequenceId sequence, KvBlockTable& table, int64_t block_count) override;
  void commit(SequenceId sequence, KvBlockTable& table, int64_t length,
              std::span<const TokenId> tokens) override;
  int64_t truncate(SequenceId sequence, KvBlockTable& table, int64_t positions) override;
  Room fork(SequenceId original, const KvBlockTable& table, int64_t length, SequenceId copy,
            KvBlockTable& copy_table) override;

  [[nodiscard]] bool keeps_rows() const override { return rows_ == Rows::kStay; }
  [[nodiscard]] uint64_t pool_bytes() const override { return pool_.bytes(); }
  [[nodiscard]] uint64_t used_bytes() const override {
    return static_cast<uint64_t>(pool_.open_count() + pool_.held_count()) * block_bytes_;
  }
  [[nodiscard]] int64_t max_blocks_alone() const override { return pool_.block_count(); }
  [[nodiscard]] KvCounts counts() const override;
  [[nodiscard]] Status check(std::span<const KvBlockTable> tables) const override;

 private:
  // What a table's addresses are, and where the sequence stands.
  struct Chain {
    std::vector<BlockId> blocks;  // as the table; capacity for the whole context from the start
    int64_t sealed_count = 0;
    BlockName root{};
    BlockTokens open_tokens{};  // of the rows in the first open block
    int64_t open_count = 0;
  };

  Chain& chain(SequenceId sequence) { return chains_[static_cast<size_t>(sequence.value)]; }
  [[nodiscard]] bool shares() const { return sharing_ == KvSharing::kPrefixes; }
  [[nodiscard]] const BlockName& last_name(const Chain& chain) const;
  void append(Chain& chain, KvBlockTable& table, BlockId block);
  BlockId take_or_evict();
  void seal(Chain& chain, KvBlockTable& table);
  void name(Chain& chain, KvBlockTable& table, BlockId block);
  void release(BlockId sealed_block);
  void shrink(Chain& chain, KvBlockTable& table, int64_t block_count);
  bool reopen(Chain& chain, KvBlockTable& table, int64_t row_count);
  [[nodiscard]] Status check_chain(const Chain& chain, const KvBlockTable& table,
                                   std::vector<int>& pins) const;

  KvSharing sharing_;
  Rows rows_;
  uint64_t block_bytes_;
  BlockPool pool_;
  PrefixTree tree_;
  std::vector<Chain> chains_;  // by sequence
  std::string space_;          // what shapes the bytes of every block here
  int64_t matched_positions_ = 0;
  int64_t evicted_blocks_ = 0;
  int64_t unified_blocks_ = 0;
};

}  // namespace cairn
