// SequenceId: the number of a sequence inside a KvCache: small and dense; the cache assigns it and uses it again.
#pragma once

#include <compare>
#include <cstdint>

namespace cairn {

struct SequenceId {
  int32_t value = 0;
  friend auto operator<=>(const SequenceId&, const SequenceId&) = default;
};

}  // namespace cairn
