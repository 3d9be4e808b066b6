// Ids that cross the public face of the library.
#pragma once

#include <cstdint>

namespace cairn {

// A token of a model's vocabulary: its row in the embedding table. Never negative where a Cairn
// function returns it; functions that take one accept any value and say what an unknown one does.
using TokenId = int32_t;

}  // namespace cairn
