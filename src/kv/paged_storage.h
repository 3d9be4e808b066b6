// PagedStorage: a pool of blocks for all sequences, one for each layer group. A sequence takes a block of every group
// when its last ones are full, so memory follows what is used. Sealed blocks get names and are shared: by sequences that
// begin alike, by forks and, while they are idle, by later sequences.
//
// A group whose layers see a window gives back what is out of it (block_window.h). It takes blocks for a step's rows when
// the step begins, and its pool always has them: what runs out of room is a group that keeps all. What later sequences
// may go on from (tails: the end of a prompt, a place where texts part) stays, idle, until its memory is needed.
//
// Always true: a sequence has the same rows in all groups, but for those that a window has passed. Its sealed blocks come
// first in its tables, and are held; after them come open ones, of which the first may have rows. In a group that keeps
// all, a sequence that has a block has all before it, so a child is never released after its parent: eviction takes ends
// of chains before their beginnings. An operation that needs room asks the owner's quota and all groups before it changes
// one (paged_quota.cc). Inside the kv room only.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "kv/kv_accounts.h"
#include "kv/paged_group.h"
#include "kv/prefix_index.h"
#include "kv/storage.h"

namespace cairn {

class PagedStorage final : public KvStorage {
 public:
  enum class Rows : uint8_t { kStay, kGoAfterEachStep };

  static Result<std::unique_ptr<KvStorage>> make(const KvStoragePlan& plan, KvEventLog& events, Rows rows);
  PagedStorage(const KvStoragePlan& plan, std::vector<BlockPool> pools, KvEventLog& events, Rows rows);

  void set_owner(SequenceId sequence, KvOwner owner) override;
  KvMatchReport match(SequenceId sequence, std::span<const TokenId> tokens,
                      const PrefixNames& names) override;
  [[nodiscard]] int64_t findable(std::span<const TokenId> tokens, const PrefixNames& names) const override;
  Room grow(SequenceId sequence, int64_t end_block) override;
  Room promise(SequenceId sequence, int64_t end_block) override;
  [[nodiscard]] uint64_t quota_shortage(SequenceId sequence, int64_t end_block) const override;
  [[nodiscard]] uint64_t sole_quota_bytes(SequenceId sequence) const override;
  Status set_quota(KvOwner owner, std::optional<uint64_t> quota_bytes) override;
  [[nodiscard]] KvOwnerCounts owner_counts(KvOwner owner) const override;
  [[nodiscard]] std::vector<KvOwnerCounts> owner_counts() const override;
  [[nodiscard]] int64_t missing_blocks(SequenceId sequence, int64_t end_block, int32_t group) const override;
  [[nodiscard]] int64_t sole_blocks(SequenceId sequence, int32_t group) const override;
  void begin_rows(SequenceId sequence, int64_t positions) override;
  void abandon_rows(SequenceId sequence, int64_t length) override;
  void commit(SequenceId sequence, int64_t length, std::span<const TokenId> tokens) override;
  void watch_sealed(SealedBlockVisitor visit) override;
  void show_sealed_again(SequenceId sequence, const NamedText& text, int64_t block) override;
  int64_t truncate(SequenceId sequence, int64_t positions, const NamedText* text) override;
  void keep_tail(SequenceId sequence, int64_t positions) override;
  Room fork(SequenceId original, int64_t length, SequenceId copy) override;
  [[nodiscard]] bool fork_exceeds_quota(SequenceId original, int64_t length) const override;

  [[nodiscard]] int64_t end_block(SequenceId sequence) const override { return chain(sequence).room_blocks; }
  [[nodiscard]] KvSequenceView view(SequenceId sequence, int32_t group) const override {
    const KvBlockTable& of = table(sequence, group);
    return {.table = of.blocks.data(),
            .sink_blocks = of.sink_blocks,
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
  // How much of a sequence is sealed, and what its open blocks contain.
  struct Chain {
    KvOwner owner;
    AccountId account;            // the owner's
    uint64_t promised_bytes = 0;  // that its next step may take, in groups with a window
    int64_t room_blocks = 0;      // that were asked for; where its tables end, but for those with a window
    int64_t sealed_count = 0;
    BlockName root{};
    BlockTokens open_tokens{};  // of the rows in the first open block of each group
    int64_t open_count = 0;
    // Block ends that are still to come and behind which later sequences may go on.
    static constexpr size_t kMostTails = 8;
    std::array<int64_t, kMostTails> tails{};
    size_t tail_count = 0;
  };
  // How much of a text is there, in leading blocks.
  struct Found {
    int64_t known = 0;      // up to the last whose name is known; groups that keep all have all of them
    int64_t resumable = 0;  // of these, as many as every group can go on behind
  };

  Chain& chain(SequenceId sequence) { return chains_[static_cast<size_t>(sequence.value)]; }
  [[nodiscard]] const Chain& chain(SequenceId sequence) const {
    return chains_[static_cast<size_t>(sequence.value)];
  }
  [[nodiscard]] PagedGroup& group(int32_t g) { return groups_[static_cast<size_t>(g)]; }
  [[nodiscard]] const PagedGroup& group(int32_t g) const { return groups_[static_cast<size_t>(g)]; }
  [[nodiscard]] const BlockWindow& window(int32_t g) const { return group(g).window(); }
  [[nodiscard]] bool shares() const { return plan_.sharing == PrefixSharing::kOn; }
  [[nodiscard]] const BlockName& last_name(SequenceId sequence) const;
  [[nodiscard]] bool has_room(int64_t block_count) const;
  void seal(SequenceId sequence);
  void show_sealed(SequenceId sequence, const PrefixIndex::NewNode& node);
  void pass_blocks(SequenceId sequence, int64_t length);
  void shrink(SequenceId sequence, int64_t block_count);
  void shrink(SequenceId sequence, int32_t group, int64_t block_count);
  void release_all(SequenceId sequence);
  bool reopen(SequenceId sequence, int64_t row_count);
  int64_t cut(SequenceId sequence, int64_t positions, const NamedText* text);

  // Who pays for what (paged_quota.cc).
  [[nodiscard]] AccountId account(SequenceId sequence) const { return chain(sequence).account; }
  // Of blocks that the sequence takes to reach `end_block`, beside those that it has: at once, and in its next step.
  struct Cost {
    uint64_t now_bytes = 0;
    uint64_t promise_bytes = 0;
    [[nodiscard]] uint64_t sum() const { return now_bytes + promise_bytes; }
  };
  [[nodiscard]] Cost cost_of(SequenceId sequence, int64_t end_block) const;
  [[nodiscard]] uint64_t copy_bytes() const;
  // Whether so many bytes more may be charged for it; what it was promised is among them.
  [[nodiscard]] Room quota_room(SequenceId sequence, uint64_t bytes) const;
  [[nodiscard]] uint64_t own_bytes(SequenceId sequence) const;
  void make_quota_room(SequenceId sequence, uint64_t bytes);
  void set_promise(SequenceId sequence, uint64_t bytes);
  void evict_own(AccountId account, uint64_t bytes);
  void evict_excess();
  // What a pin of these blocks would charge to the sequence's owner, and the first such block.
  struct Takeover {
    uint64_t bytes = 0;
    int64_t first_block = 0;
  };
  [[nodiscard]] Takeover takeover_of(AccountId by, std::span<const BlockName> names) const;

  // What is found again (paged_match.cc).
  template <typename ResidentGroups>
  [[nodiscard]] Found find(int64_t block_count, const ResidentGroups& resident_groups) const;
  // Of the first `block_count` blocks.
  [[nodiscard]] Found find(const NamedText& text, int64_t block_count) const;
  // The same, as far as the account's quota allows for what is charged to others.
  template <typename ResidentGroups>
  [[nodiscard]] Found find_affordable(AccountId by, std::span<const BlockName> names, int64_t block_count,
                                      const ResidentGroups& resident_groups) const;
  void pin_prefix(SequenceId sequence, std::span<const BlockName> names);
  void explain_end(std::span<const TokenId> tokens, const PrefixNames& names, const Found& found,
                   KvMatchReport& report) const;
  [[nodiscard]] bool can_go_on(SequenceId sequence, int64_t positions) const;
  int64_t go_back(SequenceId sequence, int64_t positions, const NamedText* text);
  void keep_tail_here(SequenceId sequence);

  // In how many tables each block of a group is; and in how many of sequences of the account that it is charged to.
  struct Pins {
    std::vector<int> all;
    std::vector<int> own;
  };
  [[nodiscard]] Status check_group(int32_t group, std::vector<KvOwnerCounts>& charged) const;
  [[nodiscard]] Status check_table(SequenceId sequence, int32_t group, Pins& pins) const;
  [[nodiscard]] Status check_extent(SequenceId sequence, int32_t group) const;
  [[nodiscard]] Status check_names(SequenceId sequence, int32_t group) const;

  Rows rows_;
  KvEventLog& events_;
  PrefixIndex index_;
  KvAccounts accounts_;  // the groups write to it
  std::vector<PagedGroup> groups_;
  BlockNamer namer_;
  std::vector<Chain> chains_;  // by sequence
  SealedBlockVisitor show_sealed_;
  std::vector<std::span<const std::byte>> shown_bytes_;  // what it is shown; by group
};

}  // namespace cairn
