// assemble: from a Config and a table of names to a ModelPlan. Shared by all families; a family copies one
// of the two tables of names below, changes what differs, and calls this. For the families only.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "model/families/parts.h"
#include "model/model_plan.h"

namespace cairn {

enum class Bias { kNone, kIfPresent, kRequired };
enum class OutputMatrix {
  kIfPresent,  // its own matrix where the file has one, else the embedding again
  kOwn,
  kTied,  // the embedding again, even where the file repeats it under the output's name
};

// Names without ".weight" and ".bias"; those of a layer follow "<layer_prefix><number>.". Empty: there is
// none.
struct TensorNames {
  std::string token_embedding, position_embedding, final_norm, output, layer_prefix;
  std::string attention_norm, query, key, value, attention_output, query_norm, key_norm, attention_post_norm;
  std::string ffn_norm, gate, up, down, ffn_post_norm;
  std::string query_key_value;  // fused by rows: all queries, then keys, then values; replaces those three
  std::string gate_up;          // fused by rows: gate, then up; replaces those two
  std::string rope_divisors;    // full name; read if present
  std::string rope_long_divisors,
      rope_short_divisors;  // full names; both needed where the config has a LongRope

  Bias norm_bias = Bias::kNone;
  Bias query_key_value_bias = Bias::kIfPresent;
  Bias attention_output_bias = Bias::kIfPresent;
  Bias ffn_bias = Bias::kIfPresent;
  OutputMatrix output_matrix = OutputMatrix::kIfPresent;
  MatrixLayout layout = MatrixLayout::kRowsAreOutputs;
  float norm_add = 0;                       // added to every RMSNorm weight
  std::optional<int64_t> usual_vocab_size;  // for a config.json without weights that does not have it
  // Tensors whose name contains one of these play no part in the forward pass (saved buffers, a vision
  // tower).
  std::vector<std::string_view> ignored;
};

TensorNames gguf_names();
TensorNames hf_names();

// Checks the Config as a whole and every tensor against it. config.vocab_size 0: taken from the embedding. Tied weights
// may be there under the output's name alone.
// A tensor of the file that plays no part is refused by name.
Result<ModelPlan> assemble(Config config, std::span<const Tensor> tensors, const TensorNames& names);
// The same over a folder's tensors, or over imagined ones if it has no weights: then with no biases but the
// required ones, and with an output matrix of its own unless it is tied.
Result<ModelPlan> assemble(Config config, const HfFolder& folder, const TensorNames& names);

}  // namespace cairn
