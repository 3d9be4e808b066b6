// Where blocks are kept besides memory: from what the command line says to what an engine takes; and what is said of it.
#pragma once

#include <boost/json/object.hpp>

#include "cairn/status.h"
#include "cli/commands.h"
#include "engine/engine.h"

namespace cairn {

class Console;

// Opens what they name. Errors: those of DiskStore::open and RedisStore::create.
Result<BlockTierOptions> open_tiers(const TierSettings& settings);

// Waits until what was computed is in the tiers, and on the disk for good: before a command ends. What could not be kept is
// noted, and nothing else.
void flush_tiers(const Engine& engine, const BlockTierOptions& tiers, Console& console);

// {"cached_tokens", "cached_from", "cached_by_tier"}: of the prompt, how many tokens were not computed, and where they were.
// "cached_from" is the place most of them came from; null where there are none.
void add_cached(const RequestStats& stats, boost::json::object& object);

}  // namespace cairn
