// The keys file as `cairn key new` writes it.
#pragma once

#include <string>
#include <vector>

#include "cairn/status.h"
#include "server/api_keys.h"

namespace cairn {

// Adds `config`'s line to the file at its end, in one write, so that a server that reads it then sees all of the line or
// nothing; a file that is not there is made, for its owner alone (0600). What was in the file stays, and so do its owner
// and its permissions. Two that add at once wait for each other. Returns notes on the file (LoadedKeys::notes). Errors:
// kInvalidArgument (the name or the key is there already, no regular file, not allowed), kInvalidData (a line that is there
// is wrong), kResourceExhausted (no room), kInternal.
Result<std::vector<std::string>> add_key_line(const std::string& path, const TenantConfig& config);

}  // namespace cairn
