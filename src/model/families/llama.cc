// Llama 1, 2 and 3 and models of the same structure (TinyLlama, SmolLM2; Mistral in GGUF files). RMSNorm,
// RoPE, SiLU gate, grouped KV heads. GGUF files hold the rows of q and k permuted, so that RoPE's pairs are
// neighbours.
#include "model/families/family.h"
#include "model/families/mistral_window.h"
#include "model/families/settings.h"

namespace cairn {

Result<ModelPlan> llama_from_gguf(const GgufFile& file) {
  CAIRN_ASSIGN_OR_RETURN(Config config, config_from_gguf(file, "llama"));
  config.rope_style = RopeStyle::kAdjacent;
  CAIRN_ASSIGN_OR_RETURN(ModelPlan plan, assemble(std::move(config), file.tensors(), gguf_names()));
  note_window_if_mistral(file, plan);
  return plan;
}

Result<ModelPlan> llama_from_hf(const HfFolder& folder) {
  CAIRN_RETURN_IF_ERROR(check_silu(folder.config()));
  CAIRN_ASSIGN_OR_RETURN(Config config, config_from_hf(folder.config(), "llama"));
  TensorNames names = hf_names();
  names.usual_vocab_size = 32000;
  CAIRN_ASSIGN_OR_RETURN(names.output_matrix, output_from_hf(folder.config(), OutputMatrix::kIfPresent));
  HfKeys keys(folder.config(), "config.json");
  if (keys.flag_or("attention_bias", false)) {
    names.query_key_value_bias = names.attention_output_bias = Bias::kRequired;
  }
  if (keys.flag_or("mlp_bias", false)) names.ffn_bias = Bias::kRequired;
  CAIRN_RETURN_IF_ERROR(keys.status());
  return assemble(std::move(config), folder, names);
}

}  // namespace cairn
