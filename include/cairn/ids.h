// Ids that cross the public face of the library.
#pragma once

#include <compare>
#include <cstdint>

namespace cairn {

// A token of a model's vocabulary: its row in the embedding table. Never negative where a Cairn
// function returns it; functions that take one accept any value and say what an unknown one does.
using TokenId = int32_t;

// A request, from its submission to its end; the same object never returns an id twice.
struct RequestId {
  uint64_t value = 0;
  friend auto operator<=>(const RequestId&, const RequestId&) = default;
};

}  // namespace cairn
