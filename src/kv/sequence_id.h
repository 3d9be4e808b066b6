// SequenceId: the name of a sequence inside a KvCache; a small dense number, given and taken back by the
// cache.
#pragma once

#include <compare>
#include <cstdint>

namespace cairn {

struct SequenceId {
  int32_t value = 0;
  friend auto operator<=>(const SequenceId&, const SequenceId&) = default;
};

}  // namespace cairn
