// Phi-3: Llama with q, k and v fused into one matrix and gate and up into another. Its long-context variants (Phi-3.5,
// Phi-4-mini) use longrope (model/config.h: LongRope).
#include "model/families/family.h"
#include "model/families/settings.h"

namespace cairn {

Result<ModelPlan> phi3_from_gguf(const GgufFile& file) {
  CAIRN_ASSIGN_OR_RETURN(Config config, config_from_gguf(file, "phi3"));
  TensorNames names = gguf_names();
  names.query_key_value = "attn_qkv";
  names.gate_up = "ffn_up";
  return assemble(std::move(config), file.tensors(), names);
}

Result<ModelPlan> phi3_from_hf(const HfFolder& folder) {
  CAIRN_RETURN_IF_ERROR(check_silu(folder.config()));
  CAIRN_ASSIGN_OR_RETURN(Config config, config_from_hf(folder.config(), "phi3", {.rms_norm_eps = 1e-5}));
  HfKeys keys(folder.config(), "config.json");
  set_window_of_all_layers(config, keys.count_or("sliding_window", 0, 0, ConfigLimits::kContext));
  CAIRN_RETURN_IF_ERROR(keys.status());
  TensorNames names = hf_names();
  names.query_key_value = "self_attn.qkv_proj";
  names.gate_up = "mlp.gate_up_proj";
  names.usual_vocab_size = 32064;
  CAIRN_ASSIGN_OR_RETURN(names.output_matrix, output_from_hf(folder.config(), OutputMatrix::kIfPresent));
  return assemble(std::move(config), folder, names);
}

}  // namespace cairn
