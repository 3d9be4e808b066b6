// Keys of the remote store: how a name is written, and which of a Cluster's slots has it. Pure functions.
//
// A key is the store's prefix and the name in lower-case hexadecimal: it can be listed, matched by SCAN and read by
// people, and its 32 more bytes are nothing beside a value. It has no hash tag of ours. So the blocks of one text lie
// on all nodes of a Cluster and come from all of them at once, and a system prompt that every request begins with
// is no single node's burden; tagged by their first block, nearly all blocks of a server would lie in one slot. What
// that costs: of a text that lies on a node without a replica that is down, only what comes before the first lost
// block is of use. A prefix with a {tag} puts all keys into one slot, for whoever wants that.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn {

inline constexpr uint16_t kRedisSlotCount = 16'384;

[[nodiscard]] std::string redis_key(std::string_view prefix, std::string_view name);

// A prefix has at most 64 printable characters, none that means something to SCAN's patterns.
[[nodiscard]] Status check_redis_key_prefix(std::string_view prefix);

// CRC16 (XMODEM) of the key modulo 16384; of the part between its first '{' and the next '}', if that is not empty.
[[nodiscard]] uint16_t redis_slot(std::string_view key);

}  // namespace cairn
