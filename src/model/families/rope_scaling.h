// RoPE settings of model files, as one divisor for each pair of a head (model/config.h). Scalings that other engines
// change with the current length (dynamic NTK, longrope) are read as what they are for shorter and for longer contexts:
// angles that changed while a text grows would make a cached key wrong later.
// Sources: "RoFormer" (rotary embedding), "YaRN" (arXiv 2309.00071), "LongRoPE" (arXiv 2402.13753), the reference code
// of Llama 3.1 and of Phi-3.
// For the families only.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>

#include "cairn/status.h"
#include "files/gguf.h"
#include "model/config.h"
#include "model/families/keys.h"

namespace cairn {

// What of a model its RoPE is computed from.
struct RopeShape {
  int64_t rope_dim = 0;
  int64_t context_length = 0;               // as the file has it
  double base = 10000.0;                    // where the file has none
  std::optional<int64_t> original_context;  // where the file has it outside of RoPE's own settings
};

struct ScaledRope {
  RopeConfig rope;
  int64_t context_length =
      0;  // what the scaling makes of the model's: YaRN's original context times its factor ...
};

// Reads <architecture>.rope.*. The tensors rope_freqs.weight, rope_factors_long.weight and rope_factors_short.weight are
// added by the layers' reader: a LongRope without divisors waits for the latter two.
ScaledRope rope_from_gguf(GgufKeys& keys, const RopeShape& shape);

// `parameters`: what config.json holds as rope_parameters or rope_scaling (null: no scaling).
Result<ScaledRope> rope_from_hf(const boost::json::object* parameters, const RopeShape& shape);

// Whether these are one object for each kind of layer ("full_attention").
[[nodiscard]] bool has_kinds_of_layers(const boost::json::object& parameters);
// rope_parameters or the older rope_scaling of config.json; null without one. Errors: both are there and differ.
Result<const boost::json::object*> find_rope_parameters(const boost::json::object& config);
// Those of a model whose layers all have the same. Errors: kUnsupported (kinds of layers that differ).
Result<const boost::json::object*> rope_parameters_of_all_layers(const boost::json::object& config);

// Reads rope_theta and rope_scaling, or the newer rope_parameters, of config.json.
Result<ScaledRope> rope_from_hf_config(const boost::json::object& config, const RopeShape& shape);

}  // namespace cairn
