// PagedStorage: a pool of blocks for all sequences, one for each layer group. A sequence takes a block of every group
// when its last ones are full, so memory follows what is used. Sealed blocks get names and are shared: by sequences that
// begin alike, by forks and, while they are idle, by later sequences.
//
// Always true: a sequence has the same rows in all groups. Its sealed blocks come first in its tables, and are held;
// after them come open ones, of which the first may have rows. A sequence that has a block has all before it, so a child
// is never released after its parent: eviction takes ends of chains before their beginnings. An operation that needs
// room asks all groups before it changes one. Inside the kv room only.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <vector>

#include "kv/paged_group.h"
#include "kv/prefix_index.h"
#include "kv/storage.h"

namespace cairn {

class PagedStorage final : public KvStorage {
 public:
  enum class Rows : uint8_t { kStay, kGoAfterEachStep };

  static Result<std::unique_ptr<KvStorage>> make(const KvStoragePlan& plan, KvEventLog& events, Rows rows);
  PagedStorage(const KvStoragePlan& plan, std::vector<BlockPool> pools, KvEventLog& events, Rows rows);

  KvMatchReport match(SequenceId sequence, std::span<const TokenId> tokens,
                      const PrefixNames& names) override;
  [[nodiscard]] int64_t findable(std::span<const TokenId> tokens, const PrefixNames& names) const override;
  Room grow(SequenceId sequence, int64_t end_block) override;
  [[nodiscard]] int64_t missing_blocks(SequenceId sequence, int64_t end_block, int32_t group) const override;
  [[nodiscard]] int64_t sole_blocks(SequenceId sequence, int32_t group) const override;
  void commit(SequenceId sequence, int64_t length, std::span<const TokenId> tokens) override;
  int64_t truncate(SequenceId sequence, int64_t positions) override;
  Room fork(SequenceId original, int64_t length, SequenceId copy) override;

  [[nodiscard]] KvSequenceView view(SequenceId sequence, int32_t group) const override {
    const KvBlockTable& of = table(sequence, group);
    return {.table = of.blocks.data(),
            .first_block = of.first_block,
            .memory = groups_[static_cast<size_t>(group)].pool().data(),
            .block_bytes = block_bytes(group)};
  }
  [[nodiscard]] bool keeps_rows() const override { return rows_ == Rows::kStay; }
  [[nodiscard]] uint64_t pool_bytes() const override;
  [[nodiscard]] uint64_t used_bytes() const override;
  [[nodiscard]] int64_t max_blocks_alone() const override;
  [[nodiscard]] KvBlockCounts counts(int32_t group) const override {
    return groups_[static_cast<size_t>(group)].counts();
  }
  void walk(const KvPrefixVisitor& visit) const override { index_.walk(visit); }
  [[nodiscard]] Status check() const override;

 private:
  // How much of a sequence's tables is sealed, and what its open blocks contain.
  struct Chain {
    int64_t sealed_count = 0;
    BlockName root{};
    BlockTokens open_tokens{};  // of the rows in the first open block of each group
    int64_t open_count = 0;
  };

  Chain& chain(SequenceId sequence) { return chains_[static_cast<size_t>(sequence.value)]; }
  [[nodiscard]] bool shares() const { return plan_.sharing == PrefixSharing::kOn; }
  [[nodiscard]] const Chain& chain(SequenceId sequence) const {
    return chains_[static_cast<size_t>(sequence.value)];
  }
  [[nodiscard]] const BlockName& last_name(SequenceId sequence) const;
  using FoundBlocks = std::array<BlockId, KvGeometry::kMaxGroups>;
  bool find(const PrefixNames& names, std::span<const TokenId> tokens, int64_t block,
            FoundBlocks& found) const;
  void explain_end(std::span<const TokenId> tokens, const PrefixNames& names, KvMatchReport& report) const;
  [[nodiscard]] bool has_room(int64_t block_count) const;
  void seal(SequenceId sequence);
  void shrink(SequenceId sequence, int64_t block_count);
  bool reopen(SequenceId sequence, int64_t row_count);
  [[nodiscard]] Status check_group(int32_t group) const;
  [[nodiscard]] Status check_table(SequenceId sequence, int32_t group, std::vector<int>& pins) const;
  [[nodiscard]] Status check_names(SequenceId sequence, int32_t group) const;

  Rows rows_;
  KvEventLog& events_;
  PrefixIndex index_;
  std::vector<PagedGroup> groups_;
  BlockNamer namer_;
  std::vector<Chain> chains_;  // by sequence
};

}  // namespace cairn
