// What is in a segment file, found out at start: from its footer, or, where the process ended before it wrote one or the
// footer is damaged, by looking for fronts of records. Payload is not read. Any bytes may be in the file. Of any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "cairn/status.h"
#include "store/file_io.h"
#include "store/file_io_buffer.h"
#include "store/segment_format.h"

namespace cairn {

struct SegmentContents {
  std::vector<SegmentEntry> entries;  // by offset, inside the file
  uint64_t end_bytes = 0;             // behind the last record; what follows is a footer or torn
  bool has_footer = false;
  // Something before the end is no record that was found: a damaged one, whose owner is not known. All of a file that
  // another version wrote is.
  bool has_unknown_bytes = false;
};

// Errors: as File::read gives them, but not kInvalidData.
[[nodiscard]] Result<SegmentContents> read_segment(File& file, uint64_t file_bytes, uint64_t segment,
                                                   BufferPool& buffers);

}  // namespace cairn
