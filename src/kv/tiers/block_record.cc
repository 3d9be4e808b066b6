#include "kv/tiers/block_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/sha256.h"
#include "kv/tiers/stored_block.h"
#include "store/record_fields.h"

namespace cairn {
namespace {

constexpr uint32_t kVersion = 1;
constexpr size_t kIndexAt = 8;
constexpr size_t kRootAt = 16;
constexpr size_t kParentAt = 48;
constexpr size_t kLayerCountAt = 80;
constexpr size_t kIdentityBytesAt = 84;
constexpr size_t kTokensAt = 88;
constexpr size_t kLayersAt = kTokensAt + kBlockSize * sizeof(TokenId);
static_assert(sizeof(TokenId) == 4);

constexpr int64_t kBlocksOfAText = KvGeometry::kMaxStream / kBlockSize;

// A section of a layer's slice: of each KV head in turn, its key tile and its value tile. Other kinds are to come.
constexpr uint32_t kKeysAndValues = 1;
constexpr size_t kLayerBytes = 24;
constexpr size_t kLayerKindAt = 4;
constexpr size_t kLayerHeadsAt = 8;
constexpr size_t kLayerKeysAt = 12;
constexpr size_t kLayerValuesAt = 16;

template <typename T>
void append(std::vector<std::byte>& to, T value) {
  const auto bytes = std::as_bytes(std::span(&value, 1));
  to.insert(to.end(), bytes.begin(), bytes.end());
}

// group (4), kind of section (4), its heads (4), bytes of a key tile (4) and of a value tile (4), reserved (4).
void append_layer(std::vector<std::byte>& to, int32_t group, int32_t head_count, const KvLayerLayout& layer) {
  append(to, static_cast<uint32_t>(group));
  append(to, kKeysAndValues);
  append(to, static_cast<uint32_t>(head_count));
  append(to, static_cast<uint32_t>(layer.keys.bytes));
  append(to, static_cast<uint32_t>(layer.values.bytes));
  append(to, uint32_t{0});
}

// `layers`: kLayerBytes for each slice.
Status check_slices(std::span<const std::byte> layers, std::span<const uint32_t> slice_bytes) {
  if (layers.size() != slice_bytes.size() * kLayerBytes) {
    return invalid_data("a block has more layers than slices, or fewer");
  }
  for (size_t i = 0; i < slice_bytes.size(); ++i) {
    const auto layer = layers.subspan(i * kLayerBytes, kLayerBytes);
    if (get_field<uint32_t>(layer, kLayerKindAt) != kKeysAndValues) {
      return unsupported(
          "a block of another version of Cairn: its layers have parts that this one does not know");
    }
    const uint64_t head_bytes = uint64_t{get_field<uint32_t>(layer, kLayerKeysAt)} +
                                uint64_t{get_field<uint32_t>(layer, kLayerValuesAt)};
    const uint64_t heads = get_field<uint32_t>(layer, kLayerHeadsAt);
    // At most kSliceBytesMax each: the product is of 64 bits.
    if (heads > kSliceBytesMax || head_bytes > kSliceBytesMax || heads * head_bytes != slice_bytes[i]) {
      return invalid_data("a block's slices are not as long as its layers");
    }
  }
  return {};
}

}  // namespace

OwnerTag owner_tag_of(std::string_view salt) {
  OwnerTag tag{};
  if (salt.empty()) return tag;
  constexpr std::string_view kPurpose = "cairn, owner of blocks, version 1 ";
  Sha256 sha;
  sha.update(std::as_bytes(std::span(kPurpose)));
  sha.update(std::as_bytes(std::span(salt)));
  const Sha256Digest digest = sha.finish();
  std::memcpy(tag.data(), digest.data(), tag.size());
  return tag;
}

Result<BlockRecordForm> BlockRecordForm::make(const KvGeometry& geometry, std::string_view identity) {
  BlockRecordForm form;
  const KvLayout layout = geometry.layout();
  for (int64_t i = 0; i < geometry.layer_count(); ++i) {
    const KvLayerLayout& layer = layout.layers[static_cast<size_t>(i)];
    const int64_t bytes = layer.head_bytes() * layout.kv_head_count;
    if (bytes > kSliceBytesMax)
      return unsupported("blocks of a cache of this shape are too large to be kept");
    form.slices_.push_back({.group = geometry.group_of(i),
                            .offset = static_cast<uint64_t>(layer.offset),
                            .bytes = static_cast<uint32_t>(bytes)});
    form.slice_bytes_.push_back(static_cast<uint32_t>(bytes));
    append_layer(form.layers_and_identity_, geometry.group_of(i), layout.kv_head_count, layer);
  }
  const auto text = std::as_bytes(std::span(identity));
  form.layers_and_identity_.insert(form.layers_and_identity_.end(), text.begin(), text.end());
  CAIRN_RETURN_IF_ERROR(check_record_shape(form.head_bytes(), form.slice_bytes_));
  return form;
}

size_t BlockRecordForm::head_bytes() const { return kLayersAt + layers_and_identity_.size(); }

void BlockRecordForm::write_head(const BlockPlace& place, std::span<std::byte> to) const {
  CHECK(to.size() == head_bytes() && place.tokens.size() == kBlockSize);
  const size_t layer_bytes = slices_.size() * kLayerBytes;
  put_field(to, 0, kVersion);
  put_field(to, 4, static_cast<uint32_t>(kBlockSize));
  put_field(to, kIndexAt, static_cast<uint64_t>(place.index));
  copy_bytes(to, kRootAt, std::as_bytes(std::span(place.root)));
  copy_bytes(to, kParentAt, std::as_bytes(std::span(place.parent)));
  put_field(to, kLayerCountAt, static_cast<uint32_t>(slices_.size()));
  put_field(to, kIdentityBytesAt, static_cast<uint32_t>(layers_and_identity_.size() - layer_bytes));
  copy_bytes(to, kTokensAt, std::as_bytes(place.tokens));
  copy_bytes(to, kLayersAt, layers_and_identity_);
}

Result<BlockHead> parse_block_head(std::span<const std::byte> head) {
  const auto bad = [] { return invalid_data("this is not the head of a block that this version keeps"); };
  if (head.size() < kLayersAt || get_field<uint32_t>(head, 0) != kVersion) return bad();
  if (get_field<uint32_t>(head, 4) != kBlockSize) return bad();
  BlockHead parsed;
  const size_t layer_bytes = size_t{get_field<uint32_t>(head, kLayerCountAt)} * kLayerBytes;
  const size_t identity_bytes = get_field<uint32_t>(head, kIdentityBytesAt);
  if (head.size() - kLayersAt != layer_bytes + identity_bytes) return bad();
  parsed.index = get_field<int64_t>(head, kIndexAt);
  if (parsed.index < 0) return bad();
  parsed.layer_count = get_field<uint32_t>(head, kLayerCountAt);
  parsed.root = get_field<BlockName>(head, kRootAt);
  parsed.parent = get_field<BlockName>(head, kParentAt);
  parsed.tokens = get_field<BlockTokens>(head, kTokensAt);
  parsed.identity = {reinterpret_cast<const char*>(head.data()) + kLayersAt + layer_bytes, identity_bytes};
  return parsed;
}

Result<BlockHead> check_block_head(const RecordName& name, std::span<const std::byte> head,
                                   std::span<const uint32_t> slice_bytes, BlockNamer& namer) {
  if (head.size() >= sizeof(uint32_t) && get_field<uint32_t>(head, 0) != kVersion) {
    return unsupported("a block of another version of Cairn");
  }
  CAIRN_ASSIGN_OR_RETURN(const BlockHead parsed, parse_block_head(head));
  CAIRN_RETURN_IF_ERROR(check_slices(
      head.subspan(kLayersAt, static_cast<size_t>(parsed.layer_count) * kLayerBytes), slice_bytes));
  if (record_name_of(namer.child(parsed.parent, parsed.tokens)) != name) {
    return invalid_data("a block's name is not that of its tokens");
  }
  if ((parsed.index == 0) != (parsed.parent == parsed.root) || parsed.index > kBlocksOfAText) {
    return invalid_data("a block's place in its text cannot be");
  }
  return parsed;
}

}  // namespace cairn
