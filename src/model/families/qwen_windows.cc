#include "model/families/qwen_windows.h"

#include "model/families/keys.h"

namespace cairn {

Status read_qwen_windows(const boost::json::object& config, Config& out) {
  HfKeys keys(config, "config.json");
  if (keys.flag_or("use_sliding_window", false)) {
    const int64_t window = keys.count_or("sliding_window", 4096, 1, ConfigLimits::kContext);
    const int64_t first = keys.count_or("max_window_layers", 28, 0, ConfigLimits::kLayers);
    for (int64_t i = first; i < out.layer_count; ++i) out.layers[static_cast<size_t>(i)].window = window;
  }
  return keys.status();
}

}  // namespace cairn
