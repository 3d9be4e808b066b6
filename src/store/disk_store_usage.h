// The file `usage` of a disk store: when and how often records were used, and which are pinned; what the segments, which
// never change, cannot say (docs/block-format.md). It is replaced as a whole, so it is there old or new. Without it, or
// where it is damaged, records count as unused and unpinned.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "store/disk_store_index.h"
#include "store/file_io.h"
#include "store/file_io_buffer.h"

namespace cairn {

using RecordUses = std::vector<std::pair<RecordName, RecordUse>>;

// Durable when it returns ok.
[[nodiscard]] Status write_usage(FileSystem& files, BufferPool& buffers, const std::string& folder,
                                 const RecordUses& uses);
// kNotFound: there is none. kInvalidData: damaged.
[[nodiscard]] Result<RecordUses> read_usage(FileSystem& files, BufferPool& buffers,
                                            const std::string& folder);

}  // namespace cairn
