// The settings that most families share, read from a file into a Config with the plain llama defaults:
// RMSNorm, SiLU gate, RoPE over the whole head, scale head_dim^-1/2, no window. A family changes what
// differs. For the families only.
#pragma once

#include <boost/json/object.hpp>
#include <string_view>

#include "cairn/status.h"
#include "files/gguf.h"
#include "model/config.h"
#include "model/families/assemble.h"
#include "model/families/keys.h"

namespace cairn {

// The whole file's keys of one architecture. Refuses settings that change the computation and that no family
// here supports (experts, ALiBi, scales of other families). A sliding window in the file applies to all
// layers.
Result<Config> config_from_gguf(const GgufFile& file, std::string_view architecture,
                                NormKind norm = NormKind::kRms);

// For a field that config.json omits, the model type's class in Python's transformers has a default; these
// are the ones that differ between families.
struct HfDefaults {
  double rope_theta = 10000.0;
  double rms_norm_eps = 1e-6;
};
Result<Config> config_from_hf(const boost::json::object& config, std::string_view family,
                              const HfDefaults& defaults = {});

// An error unless config.json's `key` (or its absence) means SiLU.
Status check_silu(const boost::json::object& config);
// From tie_word_embeddings; `absent` is the family's default.
Result<OutputMatrix> output_from_hf(const boost::json::object& config, OutputMatrix absent);

void set_window_of_all_layers(Config& config, int64_t window);
float inverse_sqrt(double value);

}  // namespace cairn
