// How fast a folder's records are read and written, beside what the disk gives to whoever reads and writes without them.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "cairn/status.h"
#include "store/disk_store.h"

namespace cairn {

// Bytes a second; medians.
struct DiskSpeed {
  std::string io;  // "io_uring, O_DIRECT"
  double raw_read = 0;
  double raw_write = 0;  // with fdatasync
  double read = 0;       // every record of the store, checked
  double write = 0;      // the same records, into a store beside it, with flush
};

// Reads all that is in the store, which has something. Writes beside its folder, and removes that again.
Result<DiskSpeed> measure_disk(DiskStore& store, const std::string& folder);

[[nodiscard]] std::string disk_text(const DiskSpeed& speed);
[[nodiscard]] boost::json::object disk_json(const DiskSpeed& speed);

}  // namespace cairn
