// BlockCatalogue: which blocks a disk store has, and which texts they are of; for people who look into a folder and tend it.
// A text is a block that is nobody's parent, with all that are kept of those before it.
//
// Always true: reading one counts as no use of a block, and changes nothing but that damaged records are dropped. What is in
// it is what the store had then. Immutable; of any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "kv/tiers/block_record.h"
#include "store/disk_store.h"

namespace cairn {

// Hears how many of how many are done; returns whether to go on.
using GoOn = std::function<bool(uint64_t done, uint64_t of)>;

struct KeptBlock {
  BlockName name{};
  BlockName parent{};
  BlockName root{};
  OwnerTag owner{};
  int64_t index = 0;  // in its text
  BlockTokens tokens{};
  size_t identity = 0;  // BlockCatalogue::identities()
  uint64_t bytes = 0;   // on the disk
  uint64_t created_ms = 0;
  uint64_t last_used_ms = 0;
  uint32_t hits = 0;
  bool is_pinned = false;
  std::optional<size_t> parent_at;  // where that is kept
  std::vector<size_t> children;
};

class BlockCatalogue {
 public:
  // Reads every head. kInternal "stopped" where `go_on` said so; kResourceExhausted.
  static Result<BlockCatalogue> read(DiskStore& store, const GoOn& go_on);

  [[nodiscard]] std::span<const KeptBlock> blocks() const { return blocks_; }
  [[nodiscard]] const KeptBlock& block(size_t at) const { return blocks_[at]; }
  // The texts that names were made of (KvCache::identity()), each once.
  [[nodiscard]] std::span<const std::string> identities() const { return identities_; }
  // Records that could not be read, or are no blocks, and those that another version of Cairn wrote.
  [[nodiscard]] uint64_t bad_count() const { return bad_count_; }
  [[nodiscard]] uint64_t foreign_count() const { return foreign_count_; }

  // The last blocks of texts, those that were used last first.
  [[nodiscard]] std::vector<size_t> leaves() const;
  // The block, and all that are kept in a row before it, the first first.
  [[nodiscard]] std::vector<size_t> chain_of(size_t at) const;
  // What goes with a text that is erased: the block, all that build on it, and those before it that no other text has.
  [[nodiscard]] std::vector<size_t> blocks_only_of(size_t at) const;
  // What can be unpinned of a text: its blocks, but for those before another text's that is pinned.
  [[nodiscard]] std::vector<size_t> unpinnable_of(size_t at) const;

  // The block whose name begins with these hexadecimal digits. kInvalidArgument: no digits, fewer than kNameDigits, or of
  // several blocks; kNotFound.
  static constexpr size_t kNameDigits = 8;
  [[nodiscard]] Result<size_t> find(std::string_view digits) const;
  // The last block of what is kept of these tokens, from their first on: one for each root (a model, KV plan and salt) that
  // `wanted` says yes to and that has any.
  [[nodiscard]] std::vector<size_t> find_prefixes(std::span<const TokenId> tokens,
                                                  const std::function<bool(const KeptBlock&)>& wanted) const;

 private:
  BlockCatalogue() = default;
  [[nodiscard]] Status add(DiskStore& store, const StoredRecord& record, BlockNamer& namer);
  [[nodiscard]] size_t identity_of(std::string_view text);
  void link();

  std::vector<KeptBlock> blocks_;  // by name
  std::vector<std::string> identities_;
  uint64_t bad_count_ = 0;
  uint64_t foreign_count_ = 0;
};

struct BlockVerifyReport {
  uint64_t checked_count = 0;
  uint64_t bad_count = 0;
  uint64_t foreign_count = 0;  // whole, but another version wrote them: only their checksums were looked at
  bool is_complete = false;
  Status erased;  // whether what was bad is out of the files
};
// Reads every block and checks all that can be: checksums, and what check_block_head says. Bad ones are erased.
[[nodiscard]] BlockVerifyReport verify_blocks(DiskStore& store, const GoOn& go_on);

[[nodiscard]] std::vector<RecordName> record_names(const BlockCatalogue& catalogue,
                                                   std::span<const size_t> blocks);

}  // namespace cairn
