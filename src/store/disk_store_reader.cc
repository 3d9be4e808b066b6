#include "store/disk_store_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "base/no_throw.h"
#include "store/record_fields.h"

namespace cairn {
namespace {

// What is read at once: enough for a disk's full speed, and so little that checking one goes on beside reading the next.
constexpr uint64_t kPieceBytes = 256 << 10;

}  // namespace

Status check_front(const RecordFront& front, const SegmentEntry& entry) {
  if (front.name != entry.name || front.owner != entry.owner || front.record_bytes != entry.bytes ||
      front.head.size() != entry.head_bytes || front.slice_bytes != *entry.slice_bytes) {
    return invalid_data("another record lies where one was expected");
  }
  return {};
}

Status read_record(const RecordPlace& place, std::span<std::byte> to) {
  std::vector<ReadPiece> pieces;
  for (uint64_t at = 0; at < to.size(); at += kPieceBytes) {
    pieces.push_back(
        {place.entry.offset + at, to.subspan(at, std::min<uint64_t>(kPieceBytes, to.size() - at))});
  }
  CAIRN_RETURN_IF_ERROR(place.segment->file().read(pieces, [](size_t) {}));
  CAIRN_ASSIGN_OR_RETURN(const RecordFront front, parse_record(to));
  return check_front(front, place.entry);
}

// Reads of slices that follow each other in the file become one piece. Slices are checked and copied as pieces come,
// while others are under way; where the front is among them, slices wait for it.
class RecordReader::Batch {
 public:
  Batch(RecordReader& reader, std::span<const SliceRead> reads) : reader_(reader), reads_(reads) {
    if (!reader_.checksums_) add(0, reader_.layout_.front_bytes);
    const auto& sizes = *reader_.record_.slice_bytes;
    for (size_t i = 0; i < reads.size(); ++i) {
      const size_t slice = reads[i].slice;
      place_.push_back(add(reader_.layout_.slice_offsets[slice], aligned_bytes(sizes[slice])));
    }
  }

  // Adds what is to be read, and takes memory for it.
  void add_pieces(std::vector<ReadPiece>& all) {
    buffer_.emplace(*reader_.buffers_, bytes_);
    bytes_of_all_ = buffer_->bytes();
    for (const Piece& piece : pieces_) {
      all.push_back({reader_.place_.entry.offset + piece.record_offset,
                     bytes_of_all_.subspan(piece.buffer_offset, piece.bytes)});
    }
    arrived_.assign(pieces_.size(), false);
  }
  [[nodiscard]] size_t piece_count() const { return pieces_.size(); }
  [[nodiscard]] File& file() const { return reader_.place_.segment->file(); }
  [[nodiscard]] const Status& outcome() const { return outcome_; }

  // Others are under way into the buffer: nothing may leave here that would free it.
  void take_safely(size_t piece) {
    const Status taken = no_throw([&] {
      take_piece(piece);
      return Status();
    });
    if (!taken.ok()) outcome_ = taken;
  }

 private:
  struct Piece {
    uint64_t record_offset = 0;
    uint64_t bytes = 0;
    uint64_t buffer_offset = 0;
    size_t first_read = 0;  // the slices that lie in it: reads first_read to end_read
    size_t end_read = 0;
  };

  // Returns where in the buffer it will be.
  uint64_t add(uint64_t record_offset, uint64_t bytes) {
    const bool is_front = record_offset == 0;
    const size_t read = place_.size();
    if (pieces_.empty() || pieces_.back().record_offset + pieces_.back().bytes != record_offset ||
        pieces_.back().bytes + bytes > kPieceBytes) {
      pieces_.push_back({record_offset, 0, bytes_, read, read});
    }
    const uint64_t at = bytes_;
    pieces_.back().bytes += bytes;
    pieces_.back().end_read = is_front ? read : read + 1;
    bytes_ += bytes;
    return at;
  }

  void take_piece(size_t piece) {
    if (!outcome_.ok()) return;
    arrived_[piece] = true;
    if (!reader_.checksums_) {
      if (piece != 0) return;  // waits for the front, which is in the first
      outcome_ = reader_.take_front(bytes_of_all_.first(reader_.layout_.front_bytes));
      for (size_t i = 0; i < pieces_.size() && outcome_.ok(); ++i) {
        if (arrived_[i]) outcome_ = take_slices(pieces_[i]);
      }
      return;
    }
    outcome_ = take_slices(pieces_[piece]);
  }

  Status take_slices(const Piece& piece) {
    for (size_t i = piece.first_read; i < piece.end_read; ++i) {
      const SliceRead& read = reads_[i];
      const auto bytes = bytes_of_all_.subspan(place_[i], read.to.size());
      if (checksum_of(bytes) != (*reader_.checksums_)[read.slice]) {
        return invalid_data(fmt::format("slice {} of a record is damaged", read.slice));
      }
      copy_bytes(read.to, 0, bytes);
    }
    return {};
  }

  RecordReader& reader_;
  std::span<const SliceRead> reads_;
  std::vector<uint64_t> place_;  // in the buffer, of each read
  std::vector<Piece> pieces_;
  uint64_t bytes_ = 0;
  std::optional<PooledBuffer> buffer_;
  std::span<std::byte> bytes_of_all_;
  std::vector<bool> arrived_;
  Status outcome_;
};

RecordReader::RecordReader(StoredRecord record, RecordPlace place, BufferPool& buffers, OnFailure failed)
    : record_(std::move(record)),
      place_(std::move(place)),
      buffers_(&buffers),
      failed_(std::move(failed)),
      layout_(lay_out_record(record_.head_bytes, *record_.slice_bytes)) {}

Status RecordReader::failed(Status why) {
  if (why.ok() || why.code() == StatusCode::kInvalidArgument ||
      why.code() == StatusCode::kResourceExhausted) {
    return why;
  }
  failed_(place_, why);
  return invalid_data(why.message());
}

Status RecordReader::reject(const std::string& why) { return failed(invalid_data(why)); }

Status RecordReader::take_front(std::span<const std::byte> bytes) {
  CAIRN_ASSIGN_OR_RETURN(RecordFront front, parse_record_front(bytes));
  CAIRN_RETURN_IF_ERROR(check_front(front, place_.entry));
  head_.assign(front.head.begin(), front.head.end());
  checksums_ = std::move(front.slice_checksums);
  return {};
}

Status RecordReader::check_reads(std::span<const SliceRead> reads) const {
  const auto& sizes = *record_.slice_bytes;
  for (const SliceRead& read : reads) {
    if (read.slice >= sizes.size()) {
      return invalid_argument(fmt::format("slice {} of a record of {}", read.slice, sizes.size()));
    }
    if (read.to.size() != sizes[read.slice]) {
      return invalid_argument(fmt::format("slice {} has {} bytes, and memory for {} was given", read.slice,
                                          sizes[read.slice], read.to.size()));
    }
  }
  return {};
}

Status RecordReader::read_slices(std::span<const SliceRead> reads) {
  RecordRead read{.reader = this, .slices = reads, .status = {}};
  read_together(std::span(&read, 1));
  return read.status;
}

// Of one file. An error of the system says nothing of the single records.
Status RecordReader::read_of_a_file(std::span<RecordRead> reads) {
  std::vector<std::unique_ptr<Batch>> batches;
  std::vector<ReadPiece> pieces;
  std::vector<std::pair<size_t, size_t>> batch_and_piece;
  for (const RecordRead& read : reads) {
    batches.push_back(std::make_unique<Batch>(*read.reader, read.slices));
    batches.back()->add_pieces(pieces);
    for (size_t i = 0; i < batches.back()->piece_count(); ++i) {
      batch_and_piece.emplace_back(batches.size() - 1, i);
    }
  }
  CAIRN_RETURN_IF_ERROR(batches.front()->file().read(pieces, [&](size_t i) {
    const auto [batch, piece] = batch_and_piece[i];
    batches[batch]->take_safely(piece);
  }));
  for (size_t i = 0; i < reads.size(); ++i) reads[i].status = batches[i]->outcome();
  return {};
}

void RecordReader::read_together(std::span<RecordRead> reads) {
  for (RecordRead& read : reads) read.status = read.reader->check_reads(read.slices);
  for (size_t first = 0; first < reads.size();) {
    size_t end = first;
    const auto is_next = [&](const RecordRead& read) {
      return read.status.ok() && read.reader->place_.segment == reads[first].reader->place_.segment;
    };
    while (end < reads.size() && is_next(reads[end])) ++end;
    const std::span<RecordRead> group = reads.subspan(first, end - first);
    first = std::max(end, first + 1);
    if (group.empty()) continue;
    Status status = no_throw([&] { return read_of_a_file(group); });
    if (!status.ok() && group.size() > 1) {  // one by one, to know which
      for (RecordRead& read : group) read_together(std::span(&read, 1));
      continue;
    }
    if (!status.ok()) group.front().status = std::move(status);
    for (RecordRead& read : group) read.status = read.reader->failed(std::move(read.status));
  }
}

Status RecordReader::read_slice(size_t slice, std::span<std::byte> to) {
  const SliceRead read{slice, to};
  return read_slices(std::span(&read, 1));
}

Status RecordReader::read_head(std::span<std::byte> to) {
  if (to.size() != record_.head_bytes) {
    return invalid_argument(
        fmt::format("the head has {} bytes, and memory for {} was given", record_.head_bytes, to.size()));
  }
  if (!checksums_) CAIRN_RETURN_IF_ERROR(read_slices({}));
  copy_bytes(to, 0, head_);
  return {};
}

}  // namespace cairn
