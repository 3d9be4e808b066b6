// KvKeptRows: which rows of a sequence a layer group has. Plain data.
#pragma once

#include <cstdint>

namespace cairn {

// Rows [0, sinks) and [begin, end); sinks <= begin <= end. Without a window begin is 0.
struct KvKeptRows {
  int64_t sinks = 0;
  int64_t begin = 0;
  int64_t end = 0;

  friend bool operator==(const KvKeptRows&, const KvKeptRows&) = default;
};

}  // namespace cairn
