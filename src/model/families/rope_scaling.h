// RoPE settings of model files, as one divisor for each pair of a head (model/config.h). Only scalings whose
// angles depend on the position alone: those that change with the current length (dynamic NTK, longrope)
// would make a cached key wrong later, and are refused.
// Sources: "RoFormer" (rotary embedding), "YaRN" (arXiv 2309.00071), the Llama 3.1 model's reference code.
// For the families only.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>

#include "cairn/status.h"
#include "files/gguf.h"
#include "model/config.h"
#include "model/families/keys.h"

namespace cairn {

// Reads <architecture>.rope.*; the tensor rope_freqs.weight is added by the layers' reader.
RopeConfig rope_from_gguf(GgufKeys& keys, int64_t rope_dim, int64_t context_length, double default_base);

// `parameters`: what config.json holds as rope_parameters or rope_scaling (null: no scaling); `base` is used
// if it has no rope_theta of its own.
Result<RopeConfig> rope_from_hf(const boost::json::object* parameters, int64_t rope_dim,
                                int64_t context_length, double base);

// Reads rope_theta and rope_scaling, or the newer rope_parameters, of config.json.
Result<RopeConfig> rope_from_hf_config(const boost::json::object& config, int64_t rope_dim,
                                       int64_t context_length, double default_base);

}  // namespace cairn
