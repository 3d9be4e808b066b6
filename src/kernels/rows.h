// Rows: a view of rows of floats that lie one after the other. Every offset into them is computed here. Does not own
// the floats.
#pragma once

#include <cstdint>

#include "base/check.h"

namespace cairn {

struct Rows {
  float* data = nullptr;
  int64_t width = 0;  // floats of a row
  int64_t count = 0;

  [[nodiscard]] float* row(int64_t i) const {
    DCHECK(i >= 0 && i < count);
    return data + i * width;
  }
  [[nodiscard]] Rows slice(int64_t first, int64_t row_count) const {
    DCHECK(first >= 0 && row_count >= 0 && first + row_count <= count);
    return {data + first * width, width, row_count};
  }
  [[nodiscard]] Rows first(int64_t row_count) const { return slice(0, row_count); }
  // Row i cut into rows of `part_width`: a row of queries into its heads.
  [[nodiscard]] Rows split(int64_t i, int64_t part_width) const {
    DCHECK(part_width > 0 && width % part_width == 0);
    return {row(i), part_width, width / part_width};
  }
  [[nodiscard]] int64_t floats() const { return width * count; }
};

}  // namespace cairn
