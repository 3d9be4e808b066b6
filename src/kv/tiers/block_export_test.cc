#include "kv/tiers/block_export.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/random.h"
#include "base/temporary_folder_testing.h"
#include "kv/tiers/block_export_testing.h"
#include "kv/tiers/kept_blocks_testing.h"
#include "store/disk_store_testing.h"

namespace cairn {
namespace {

using Bytes = std::vector<std::byte>;

bool go_on(uint64_t, uint64_t) { return true; }

Status import_into(DiskStore& store, ReadBytes read, ImportReport& report, const GoOn& may_go_on = go_on) {
  CAIRN_ASSIGN_OR_RETURN(ExportReader reader, ExportReader::open(std::move(read)));
  return import_blocks(reader, store, may_go_on, report);
}

// Five blocks in a store, and in a file.
class Export : public ::testing::Test {
 protected:
  Export() : store(open_kept(folder.at("kept"))) {
    for (const BlockName& name : keep_text(store, {some_tokens(170), "salt"})) {
      names.push_back(record_name_of(name));
    }
    file = exported(names);
  }
  Bytes exported(std::span<const RecordName> which) {
    Bytes bytes;
    const auto write = [&](std::span<const std::byte> more) {
      bytes.insert(bytes.end(), more.begin(), more.end());
      return Status();
    };
    const Status status = export_blocks(*store, which, 7000, write, go_on);
    EXPECT_TRUE(status.ok()) << status.message();
    return bytes;
  }
  // How many blocks a new store takes of the file; what it took is whole.
  ImportReport imported(Bytes bytes, Status& status) {
    const TemporaryFolder to;
    const auto fresh = open_kept(to.at("kept"));
    ImportReport report;
    status = import_into(*fresh, reading(std::move(bytes)), report);
    EXPECT_EQ(fresh->counts().record_count, report.taken_count - report.known_count);
    EXPECT_EQ(verify_blocks(*fresh, go_on).bad_count, 0U);
    return report;
  }
  uint64_t record_bytes() const { return (file.size() - kExportHeaderBytes) / names.size(); }

  TemporaryFolder folder;
  std::shared_ptr<DiskStore> store;
  std::vector<RecordName> names;
  Bytes file;
};

TEST_F(Export, GivesAnotherStoreTheSameRecords) {
  ASSERT_EQ(names.size(), 5U);
  const TemporaryFolder to;
  const std::shared_ptr<DiskStore> other = open_kept(to.at("kept"));
  ImportReport report;
  const Status status = import_into(*other, reading(file), report);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(report.taken_count, 5U);
  EXPECT_EQ(report.known_count, 0U);
  for (const RecordName& name : names) {
    const auto before = store->find(name);
    const auto after = other->find(name);
    ASSERT_TRUE(after.has_value());
    EXPECT_EQ(after->owner, before->owner);
    EXPECT_EQ(after->created_ms, before->created_ms);
    EXPECT_EQ(after->bytes, before->bytes);
    EXPECT_EQ(before->hits, 0U);
  }
  store = other;
  EXPECT_EQ(exported(names), file);  // to the byte
  ImportReport again;
  ASSERT_TRUE(import_into(*store, reading(file), again).ok());
  EXPECT_EQ(again.known_count, 5U);
  store.reset();
}

TEST_F(Export, IsWhatTheDocumentSays) {
  EXPECT_TRUE(has_magic(file, "CAIRNEXP"));
  EXPECT_EQ(get_field<uint32_t>(file, 8), 1U);
  EXPECT_EQ(get_field<uint32_t>(file, 12), 0U);
  EXPECT_EQ(get_field<Checksum>(file, 16), checksum_of(std::span(file).subspan(32, 4096 - 32)));
  EXPECT_EQ(get_field<uint64_t>(file, 32), 7000U);
  EXPECT_EQ(get_field<uint64_t>(file, 40), 5U);
  EXPECT_EQ(get_field<uint64_t>(file, 48), file.size() - 4096);
  for (size_t at = 56; at < 4096; ++at) ASSERT_EQ(file[at], std::byte{0});
  const auto first = parse_record(std::span(file).subspan(4096));
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(first->name, names[0]);
}

TEST_F(Export, OfNothingIsAHeader) {
  Status status;
  const ImportReport report = imported(exported({}), status);
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(report.taken_count, 0U);
}

TEST_F(Export, ACutFileGivesTheBlocksBeforeTheCut) {
  for (size_t bytes = 0; bytes < file.size(); bytes += 1111) {
    Status status;
    const ImportReport report =
        imported(Bytes(file.begin(), file.begin() + static_cast<ptrdiff_t>(bytes)), status);
    EXPECT_EQ(status.code(), StatusCode::kInvalidData) << bytes;
    const uint64_t whole = bytes < kExportHeaderBytes ? 0 : (bytes - kExportHeaderBytes) / record_bytes();
    EXPECT_EQ(report.taken_count, whole) << bytes;
  }
}

// What no checksum covers are the zeros behind a slice, and they are not taken.
TEST_F(Export, AFlippedBitEndsItWhereItIs) {
  uint64_t refused = 0;
  for (uint64_t round = 0; round < 400; ++round) {
    Bytes bytes = file;
    const uint64_t bits = random_bits(5, round, 0);
    const size_t at = round < 100 ? bits % kExportHeaderBytes : bits % bytes.size();
    bytes[at] ^= static_cast<std::byte>(1U << (bits >> 60));
    if (bytes[at] == file[at]) continue;
    Status status;
    const ImportReport report = imported(bytes, status);
    if (status.ok()) {
      EXPECT_EQ(report.taken_count, 5U) << at;
      continue;
    }
    ++refused;
    const uint64_t whole = at < kExportHeaderBytes ? 0 : (at - kExportHeaderBytes) / record_bytes();
    EXPECT_EQ(report.taken_count, whole) << at;
  }
  EXPECT_GT(refused, 120U);
}

TEST_F(Export, EveryByteOfTheHeaderAndOfAFrontCounts) {
  for (size_t at = 0; at < 2 * kRecordAlignment; ++at) {
    Bytes bytes = file;
    bytes[at] ^= std::byte{0x10};
    auto reader = ExportReader::open(reading(std::move(bytes)));
    EXPECT_FALSE(reader.ok() && reader->next().ok()) << at;
  }
}

Bytes with_header(Bytes file, const ExportHeader& header) {
  encode_export_header(header, std::span(file).first(kExportHeaderBytes));
  return file;
}

TEST_F(Export, AHeaderThatLiesIsFoundOut) {
  const uint64_t bytes = file.size() - kExportHeaderBytes;
  const auto taken = [&](uint64_t count, uint64_t record_bytes_in_all) {
    Status status;
    const ImportReport report =
        imported(with_header(file, {.block_count = count, .record_bytes = record_bytes_in_all}), status);
    EXPECT_EQ(status.code(), StatusCode::kInvalidData);
    return report.taken_count;
  };
  EXPECT_EQ(taken(4, bytes), 4U);
  EXPECT_EQ(taken(4, bytes - record_bytes()), 4U);  // something follows
  EXPECT_EQ(taken(6, bytes + record_bytes()), 5U);
  EXPECT_EQ(taken(UINT64_MAX, UINT64_MAX), 5U);
  EXPECT_EQ(taken(5, bytes + 1), 5U);
  EXPECT_EQ(taken(5, bytes - 1), 4U);
  EXPECT_EQ(taken(5, 0), 0U);
}

// Checksums agree, and it is no block.
TEST_F(Export, ARecordThatIsNoBlockIsRefused) {
  const Bytes record = SampleRecord(1, {5000}).encoded();
  file.insert(file.end(), record.begin(), record.end());
  Status status;
  const ImportReport report = imported(
      with_header(file, {.block_count = 6, .record_bytes = file.size() - kExportHeaderBytes}), status);
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(report.taken_count, 5U);
}

// A record that claims to be endless is not waited for with memory.
TEST_F(Export, ALongRecordCostsNoMemoryThatTheFileHasNot) {
  Bytes front(kRecordAlignment);
  const Bytes record = SampleRecord(1, {8, 8, 8}).encoded();
  std::copy_n(record.begin(), front.size(), front.begin());
  uint64_t bytes = kRecordAlignment;
  for (size_t i = 0; i < 3; ++i) {
    put_field(std::span(front), 128 + 24 * i, uint64_t{300} << 20);
    bytes += uint64_t{300} << 20;
  }
  put_field(std::span(front), 88, bytes);
  const size_t used = 128 + 3 * 24 + get_field<uint32_t>(front, 96);
  put_field(std::span(front), 16, checksum_of(std::span(front).subspan(32, used - 32)));
  ASSERT_TRUE(parse_record_front(front).ok());
  Bytes made(kExportHeaderBytes);
  encode_export_header({.block_count = 1, .record_bytes = bytes}, made);
  made.insert(made.end(), front.begin(), front.end());
  uint64_t asked_at_once = 0;
  auto reader = ExportReader::open([&, read = reading(made)](std::span<std::byte> to) {
    asked_at_once = std::max<uint64_t>(asked_at_once, to.size());
    return read(to);
  });
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(reader->next().status().code(), StatusCode::kInvalidData);
  EXPECT_LE(asked_at_once, uint64_t{4} << 20);
}

TEST_F(Export, StopsWhereItIsToldToAndWhereNothingCanBeReadOrWritten) {
  const auto once = [](uint64_t done, uint64_t) { return done < 2; };
  const auto ignore = [](std::span<const std::byte>) { return Status(); };
  EXPECT_FALSE(export_blocks(*store, names, 1, ignore, once).ok());
  const auto full = [](std::span<const std::byte>) { return resource_exhausted("full"); };
  EXPECT_EQ(export_blocks(*store, names, 1, full, go_on).code(), StatusCode::kResourceExhausted);
  const std::vector<RecordName> gone{name_of(1)};
  EXPECT_EQ(export_blocks(*store, gone, 1, ignore, go_on).code(), StatusCode::kNotFound);
  ImportReport report;
  EXPECT_FALSE(import_into(*store, reading(file), report, once).ok());
  EXPECT_EQ(report.taken_count, 2U);
  const auto broken = [](std::span<std::byte>) -> Result<size_t> { return internal_error("broken"); };
  EXPECT_EQ(import_into(*store, broken, report).code(), StatusCode::kInternal);
}

}  // namespace
}  // namespace cairn
