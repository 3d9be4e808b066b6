// PagedStorage: one pool of blocks for all sequences. A sequence takes a block when its last one is full, so
// memory follows what is used. Sealed blocks get names and are shared: by sequences that begin alike, by
// forks and, while they are idle, by later sequences.
//
// Always true: a sequence's sealed blocks come first in its table, and are held; after them come open ones,
// of which the first may have rows. A sequence that has a block has all before it, so a child is never
// released after its parent: eviction takes ends of chains before their beginnings. Inside the kv room only.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "kv/block_pool.h"
#include "kv/prefix_index.h"
#include "kv/storage.h"

namespace cairn {

class PagedStorage final : public KvStorage {
 public:
  enum class Rows : uint8_t { kStay, kGoAfterEachStep };

  PagedStorage(const KvStoragePlan& plan, BlockPool pool, KvEventLog& events, Rows rows);

  KvMatchReport match(SequenceId sequence, std::span<const TokenId> tokens,
                      const PrefixNames& names) override;
  [[nodiscard]] int64_t findable(std::span<const TokenId> tokens, const PrefixNames& names) const override;
  Room grow(SequenceId sequence, int64_t end_block) override;
  [[nodiscard]] int64_t missing_blocks(SequenceId sequence, int64_t end_block) const override;
  [[nodiscard]] int64_t sole_blocks(SequenceId sequence) const override;
  void commit(SequenceId sequence, int64_t length, std::span<const TokenId> tokens) override;
  int64_t truncate(SequenceId sequence, int64_t positions) override;
  Room fork(SequenceId original, int64_t length, SequenceId copy) override;

  [[nodiscard]] KvSequenceView view(SequenceId sequence) const override {
    const KvBlockTable& of = table(sequence);
    return {.table = of.blocks.data(),
            .first_block = of.first_block,
            .memory = pool_.data(),
            .block_bytes = block_bytes()};
  }
  [[nodiscard]] bool keeps_rows() const override { return rows_ == Rows::kStay; }
  [[nodiscard]] uint64_t pool_bytes() const override { return pool_.bytes(); }
  [[nodiscard]] uint64_t used_bytes() const override {
    return static_cast<uint64_t>((pool_.open_count() + pool_.held_count()) * block_bytes());
  }
  [[nodiscard]] int64_t max_blocks_alone() const override { return pool_.block_count(); }
  [[nodiscard]] KvCounts counts() const override;
  [[nodiscard]] Status check() const override;

 private:
  // How much of a sequence's table is sealed, and what its open block contains.
  struct Chain {
    int64_t sealed_count = 0;
    BlockName root{};
    BlockTokens open_tokens{};  // of the rows in the first open block
    int64_t open_count = 0;
  };

  Chain& chain(SequenceId sequence) { return chains_[static_cast<size_t>(sequence.value)]; }
  [[nodiscard]] bool shares() const { return plan_.sharing == PrefixSharing::kOn; }
  [[nodiscard]] const BlockName& last_name(SequenceId sequence) const;
  void explain_end(std::span<const TokenId> tokens, const PrefixNames& names, KvMatchReport& report) const;
  [[nodiscard]] int64_t room_count() const { return pool_.free_count() + pool_.idle_count(); }
  BlockId take_or_evict(int64_t wanted_blocks);
  void seal(SequenceId sequence);
  BlockId name(SequenceId sequence, BlockId block);
  void release(BlockId sealed_block);
  void shrink(SequenceId sequence, int64_t block_count);
  bool reopen(SequenceId sequence, int64_t row_count);
  [[nodiscard]] Status check_chain(SequenceId sequence, std::vector<int>& pins) const;
  [[nodiscard]] Status check_names(SequenceId sequence) const;

  Rows rows_;
  BlockPool pool_;
  KvEventLog& events_;
  PrefixIndex index_;
  BlockNamer namer_;
  std::vector<Chain> chains_;  // by sequence
  int64_t evicted_blocks_ = 0;
  int64_t unified_blocks_ = 0;
};

}  // namespace cairn
