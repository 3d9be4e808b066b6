// Mistral as a Hugging Face folder: Llama, with a sliding window in every layer where config.json names one.
// (As GGUF it calls itself llama, and its files carry no window.)
#include "model/families/family.h"
#include "model/families/settings.h"

namespace cairn {

Result<ModelPlan> mistral_from_hf(const HfFolder& folder) {
  CAIRN_RETURN_IF_ERROR(check_silu(folder.config()));
  CAIRN_ASSIGN_OR_RETURN(Config config, config_from_hf(folder.config(), "mistral"));
  HfKeys keys(folder.config(), "config.json");
  // A missing field means the first Mistral's 4,096; null means none.
  const int64_t absent = folder.config().contains("sliding_window") ? 0 : 4096;
  set_window_of_all_layers(config, keys.count_or("sliding_window", absent, 0, ConfigLimits::kContext));
  CAIRN_RETURN_IF_ERROR(keys.status());
  TensorNames names = hf_names();
  names.query_key_value_bias = names.attention_output_bias = names.ffn_bias = Bias::kNone;
  CAIRN_ASSIGN_OR_RETURN(names.output_matrix, output_from_hf(folder.config(), OutputMatrix::kIfPresent));
  return assemble(std::move(config), folder, names);
}

}  // namespace cairn
