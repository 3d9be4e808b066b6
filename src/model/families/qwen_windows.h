// Which layers of a Qwen2 or Qwen3 folder have a sliding window. For the families only.
#pragma once

#include <boost/json/object.hpp>

#include "cairn/status.h"
#include "model/config.h"

namespace cairn {

// The window applies only if use_sliding_window is true, and then from layer max_window_layers on.
Status read_qwen_windows(const boost::json::object& config, Config& out);

}  // namespace cairn
