// Mistral: Llama, with a sliding window in every layer where the file names one. As GGUF it mostly calls itself llama
// (its rows are permuted likewise), and few files have the window.
#include "model/families/family.h"
#include "model/families/mistral_window.h"
#include "model/families/settings.h"

namespace cairn {

Result<ModelPlan> mistral_from_gguf(const GgufFile& file) {
  CAIRN_ASSIGN_OR_RETURN(Config config, config_from_gguf(file, "mistral"));
  config.rope_style = RopeStyle::kAdjacent;
  CAIRN_ASSIGN_OR_RETURN(ModelPlan plan, assemble(std::move(config), file.tensors(), gguf_names()));
  note_window_of_mistral_gguf(plan);
  return plan;
}

Result<ModelPlan> mistral_from_hf(const HfFolder& folder) {
  CAIRN_RETURN_IF_ERROR(check_silu(folder.config()));
  boost::json::object settings = folder.config();
  settings.emplace("num_key_value_heads", 8);  // the default of transformers, whatever num_attention_heads is
  CAIRN_ASSIGN_OR_RETURN(Config config, config_from_hf(settings, "mistral"));
  HfKeys keys(folder.config(), "config.json");
  // A missing field means the first Mistral's 4,096; null means none.
  const int64_t absent = folder.config().contains("sliding_window") ? 0 : 4096;
  set_window_of_all_layers(config, keys.count_or("sliding_window", absent, 0, ConfigLimits::kContext));
  CAIRN_RETURN_IF_ERROR(keys.status());
  TensorNames names = hf_names();
  names.query_key_value_bias = names.attention_output_bias = names.ffn_bias = Bias::kNone;
  names.usual_vocab_size = 32000;
  CAIRN_ASSIGN_OR_RETURN(names.output_matrix, output_from_hf(folder.config(), OutputMatrix::kIfPresent));
  CAIRN_ASSIGN_OR_RETURN(ModelPlan plan, assemble(std::move(config), folder, names));
  note_window_of_mistral_folder(plan);
  return plan;
}

}  // namespace cairn
