// The folder of a disk store: made or tightened so that only its owner may look inside, and held by one process at a time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "store/file_io_error.h"

namespace cairn {

struct StoreFolder {
  std::string path;
  FileDescriptor lock;                    // the folder is ours as long as it is open
  std::vector<uint64_t> segment_numbers;  // of the files that are there, ascending
  uint64_t foreign_count = 0;             // files that are none of the store's: left alone
};

// Makes the folder where there is none. kInvalidArgument, naming the folder: another user's, not writable, no folder, with other
// files in it but no store, or in use by another process (and which); kInternal.
[[nodiscard]] Result<StoreFolder> open_store_folder(const std::string& path);

// Whether another process holds it now.
[[nodiscard]] bool is_store_folder_held(const std::string& path);

// Names of the store's other files.
[[nodiscard]] std::string usage_path(const std::string& folder);

}  // namespace cairn
