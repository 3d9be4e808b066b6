#include "kv/tiers/remote_tier.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace cairn {
namespace {

// The owner first, so that all that is an owner's can be erased.
std::string key_of(const OwnerTag& owner, const BlockName& name) {
  std::string key(owner.size() + name.size(), '\0');
  std::memcpy(key.data(), owner.data(), owner.size());
  std::memcpy(key.data() + owner.size(), name.data(), name.size());
  return key;
}

}  // namespace

std::vector<int64_t> RemoteTier::leading_counts(std::span<const Question> questions) {
  std::vector<std::string> keys;
  for (const Question& question : questions) {
    for (const BlockName& name : question.names) keys.push_back(key_of(question.owner, name));
  }
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  std::vector<bool> found;
  store_->exists(views, found);
  std::vector<int64_t> counts;
  auto first = found.begin();
  for (const Question& question : questions) {
    const auto end = first + std::ssize(question.names);
    counts.push_back(std::find(first, end, false) - first);
    first = end;
  }
  return counts;
}

// Whether the record is the block; then its bytes are in `to`.
bool RemoteTier::take(const StoredBlock& block, std::span<const std::byte> record, BlockBytes to) const {
  const auto front = parse_record(record);
  const auto slices = form_.slices();
  if (!front.ok() || front->name != record_name_of(block.name) || front->owner != block.owner) return false;
  if (!std::ranges::equal(front->slice_bytes, form_.slice_bytes())) return false;
  std::vector<std::byte> wanted(form_.head_bytes());
  form_.write_head(block.place, wanted);
  if (!std::ranges::equal(front->head, wanted)) return false;
  const RecordLayout layout = lay_out_record(static_cast<uint32_t>(front->head.size()), front->slice_bytes);
  for (size_t i = 0; i < slices.size(); ++i) {
    std::memcpy(slice_of(to, slices[i]).data(), record.data() + layout.slice_offsets[i], slices[i].bytes);
  }
  return true;
}

int64_t RemoteTier::read(std::span<const StoredBlock> blocks, std::span<const BlockBytes> to) {
  std::vector<std::string> keys;
  keys.reserve(blocks.size());
  for (const StoredBlock& block : blocks) keys.push_back(key_of(block.owner, block.name));
  const std::vector<std::string_view> views(keys.begin(), keys.end());
  std::vector<bool> is_there(blocks.size());
  store_->get(views, [&](size_t i, const std::optional<std::vector<std::byte>>& bytes) {
    if (!bytes.has_value()) return;
    is_there[i] = take(blocks[i], *bytes, to[i]);
    if (!is_there[i]) ++bad_count_;
  });
  return std::ranges::find(is_there, false) - is_there.begin();
}

size_t RemoteTier::put(std::span<const StoredBlock> blocks, std::span<const BlockBytes> bytes,
                       uint64_t now_ms) {
  const RecordLayout layout = lay_out_record(static_cast<uint32_t>(form_.head_bytes()), form_.slice_bytes());
  std::vector<std::string> keys;
  std::vector<std::vector<std::byte>> records;
  for (size_t i = 0; i < blocks.size(); ++i) {
    const BlockRecord record(form_, blocks[i], bytes[i], now_ms);
    encode_record(record.view(), layout, records.emplace_back(layout.record_bytes));
    keys.push_back(key_of(blocks[i].owner, blocks[i].name));
  }
  std::vector<RedisItem> items;
  for (size_t i = 0; i < blocks.size(); ++i) items.push_back({.name = keys[i], .bytes = records[i]});
  return store_->set(items).done;
}

}  // namespace cairn
