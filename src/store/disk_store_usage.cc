#include "store/disk_store_usage.h"

#include <algorithm>
#include <string_view>

#include "base/printable.h"
#include "store/checksum.h"
#include "store/disk_store_folder.h"
#include "store/record_fields.h"

namespace cairn {
namespace {

// docs/block-format.md.
constexpr std::string_view kMagic = "CAIRNUSE";
constexpr uint64_t kVersion = 1;  // 32 bits, and the zeros behind it
constexpr size_t kVersionAt = 8;
constexpr size_t kChecksumAt = 16;
constexpr size_t kCountAt = 32;
constexpr size_t kEntriesAt = 64;
constexpr size_t kEntryBytes = 48;  // name 32, last use 8, hits 4, 1 where it is pinned 4
constexpr uint64_t kFileBytesMax = uint64_t{1} << 30;

void encode_usage(const RecordUses& uses, std::span<std::byte> to) {
  std::ranges::fill(to, std::byte{0});
  copy_bytes(to, 0, std::as_bytes(std::span(kMagic)));
  put_field(to, kVersionAt, kVersion);
  put_field(to, kCountAt, static_cast<uint64_t>(uses.size()));
  size_t at = kEntriesAt;
  for (const auto& [name, use] : uses) {
    put_field(to, at, name);
    put_field(to, at + 32, use.last_used_ms);
    put_field(to, at + 40, use.hits);
    put_field(to, at + 44, static_cast<uint32_t>(use.is_pinned));
    at += kEntryBytes;
  }
  put_field(to, kChecksumAt, checksum_of(to.subspan(kCountAt, at - kCountAt)));
}

Result<RecordUses> parse_usage(const std::string& path, std::span<const std::byte> bytes) {
  const Status damaged = invalid_data(printable_path(path) + ": this file is damaged");
  if (bytes.size() < kEntriesAt || !has_magic(bytes, kMagic)) return damaged;
  if (get_field<uint64_t>(bytes, kVersionAt) != kVersion) return damaged;
  const auto count = get_field<uint64_t>(bytes, kCountAt);
  if (count > (bytes.size() - kEntriesAt) / kEntryBytes) return damaged;
  const auto checked = bytes.subspan(kCountAt, kEntriesAt - kCountAt + count * kEntryBytes);
  if (get_field<Checksum>(bytes, kChecksumAt) != checksum_of(checked)) return damaged;
  RecordUses uses;
  uses.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    const size_t at = kEntriesAt + i * kEntryBytes;
    uses.emplace_back(get_field<RecordName>(bytes, at),
                      RecordUse{.last_used_ms = get_field<uint64_t>(bytes, at + 32),
                                .hits = get_field<uint32_t>(bytes, at + 40),
                                .is_pinned = get_field<uint32_t>(bytes, at + 44) == 1});
  }
  return uses;
}

}  // namespace

Status write_usage(FileSystem& files, BufferPool& buffers, const std::string& folder,
                   const RecordUses& uses) {
  const uint64_t bytes = aligned_bytes(kEntriesAt + uses.size() * kEntryBytes);
  const PooledBuffer buffer(buffers, bytes);
  encode_usage(uses, buffer.bytes());
  const std::string partial = usage_path(folder) + ".partial";
  (void)files.remove(partial);
  {
    CAIRN_ASSIGN_OR_RETURN(const auto file, files.open(partial, OpenMode::kNew));
    CAIRN_RETURN_IF_ERROR(file->write(0, buffer.bytes()));
    CAIRN_RETURN_IF_ERROR(file->sync());
  }
  CAIRN_RETURN_IF_ERROR(files.rename(partial, usage_path(folder)));
  return files.sync_folder(folder);
}

Result<RecordUses> read_usage(FileSystem& files, BufferPool& buffers, const std::string& folder) {
  const std::string path = usage_path(folder);
  CAIRN_ASSIGN_OR_RETURN(const auto file, files.open(path, OpenMode::kExisting));
  CAIRN_ASSIGN_OR_RETURN(const uint64_t bytes, file->size());
  if (bytes % kRecordAlignment != 0 || bytes == 0 || bytes > kFileBytesMax) {
    return invalid_data(printable_path(path) + ": this file is damaged");
  }
  const PooledBuffer buffer(buffers, bytes);
  const ReadPiece piece{0, buffer.bytes()};
  CAIRN_RETURN_IF_ERROR(file->read(std::span(&piece, 1), [](size_t) {}));
  return parse_usage(path, buffer.bytes());
}

}  // namespace cairn
