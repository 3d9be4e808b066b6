// How a block of the cache becomes a record of a store (store/record.h): its name is the record's, its place in a text and
// the text of its identity are the head, and each layer's keys and values are a slice. docs/block-format.md, to the byte.
//
// Always true: a head is equal, byte for byte, to the one that is written for the block that is wanted, or the record is not
// that block. Nothing of a salt is in it but what the root has, which is a hash. Immutable; of any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/ids.h"
#include "cairn/status.h"
#include "kv/block_name.h"
#include "kv/geometry.h"
#include "store/record.h"

namespace cairn {

// Who can have blocks erased: a hash of a tenant's salt, alike for all models. Without a salt it is nobody: all zeros.
[[nodiscard]] OwnerTag owner_tag_of(std::string_view salt);

// A block's place in its text.
struct BlockPlace {
  BlockName root{};  // of its text: identity and salt
  BlockName parent{};
  int64_t index = 0;                // in its text, from 0
  std::span<const TokenId> tokens;  // kBlockSize
};

class BlockRecordForm {
 public:
  // One layer's part of a block.
  struct Slice {
    int32_t group = 0;
    uint64_t offset = 0;  // in its group's block
    uint32_t bytes = 0;
  };

  // kUnsupported: blocks of this shape are too large for a record.
  static Result<BlockRecordForm> make(const KvGeometry& geometry, std::string_view identity);

  [[nodiscard]] size_t head_bytes() const;
  [[nodiscard]] std::span<const Slice> slices() const { return slices_; }               // by layer
  [[nodiscard]] std::span<const uint32_t> slice_bytes() const { return slice_bytes_; }  // of each
  // `to` has head_bytes().
  void write_head(const BlockPlace& place, std::span<std::byte> to) const;

 private:
  BlockRecordForm() = default;
  std::vector<std::byte> layers_and_identity_;  // the same in each head
  std::vector<Slice> slices_;
  std::vector<uint32_t> slice_bytes_;
};

// What a head says, of any cache: for people who look into a store. The views point into the bytes.
struct BlockHead {
  BlockName root{};
  BlockName parent{};
  int64_t index = 0;
  BlockTokens tokens{};
  int64_t layer_count = 0;
  std::string_view identity;
};
// kInvalidData: no head of this version.
[[nodiscard]] Result<BlockHead> parse_block_head(std::span<const std::byte> head);

// What must hold of the record of any block, whatever cache it is of: its head can be read, its name is that of its parent
// and tokens, a first block's parent is the root, and its slices are as long as its layers. What checksums cannot tell:
// somebody may have written it on purpose. kInvalidData says what does not hold; kUnsupported: another version wrote it.
// `namer`: any; it only hashes.
[[nodiscard]] Result<BlockHead> check_block_head(const RecordName& name, std::span<const std::byte> head,
                                                 std::span<const uint32_t> slice_bytes, BlockNamer& namer);

}  // namespace cairn
