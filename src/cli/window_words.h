// What layers with a window see, in words.
#pragma once

#include <string>
#include <vector>

#include "cli/reply.h"
#include "kernels/visibility.h"
#include "kv/geometry.h"
#include "model/config.h"

namespace cairn {

// Whether some layer of the model has a window of its own.
[[nodiscard]] bool has_own_windows(const Config& config);
// The group's layers: "0-4, 6-10".
[[nodiscard]] std::string layer_ranges(const KvGeometry& geometry, int32_t group);
// "all", "the last 512", "4 sinks and the last 1,020".
[[nodiscard]] std::string seen_text(const Visibility& seen);

// What --explain prints of each layer group with a window when a reply has ended: which rows are still there, and how
// much was let go while the reply was made. Lines without their ends.
[[nodiscard]] std::vector<std::string> explain_windows(const KvGeometry& geometry, const Reply& reply);

}  // namespace cairn
