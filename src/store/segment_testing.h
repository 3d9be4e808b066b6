// Segment files in memory. MemoryFile is a File over bytes; one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "store/file_io.h"
#include "store/record_fields.h"
#include "store/segment_format.h"

namespace cairn {

inline constexpr uint64_t kTestSegment = 7;

class MemoryFile final : public File {
 public:
  explicit MemoryFile(std::vector<std::byte> bytes) : bytes_(std::move(bytes)) {}
  void fail_reads() { fails_ = true; }

  Status read(std::span<const ReadPiece> pieces, const std::function<void(size_t)>& done) override {
    if (fails_) return internal_error("planned by the test");
    for (size_t i = 0; i < pieces.size(); ++i) {
      const auto& [offset, to] = pieces[i];
      if (offset > bytes_.size() || to.size() > bytes_.size() - offset)
        return invalid_data("the file ends too early");
      copy_bytes(to, 0, std::span(bytes_).subspan(offset, to.size()));
      done(i);
    }
    return {};
  }
  Status write(uint64_t, std::span<const std::byte>) override { return internal_error("read-only"); }
  Status sync() override { return {}; }
  Status truncate(uint64_t) override { return internal_error("read-only"); }
  Result<uint64_t> size() override { return bytes_.size(); }

 private:
  std::vector<std::byte> bytes_;
  bool fails_ = false;
};

void append_footer(std::vector<std::byte>& file, const std::vector<SegmentEntry>& entries,
                   uint64_t segment = kTestSegment);
// A closed segment with a small record of each number.
[[nodiscard]] std::vector<std::byte> segment_file(const std::vector<uint64_t>& numbers);

}  // namespace cairn
