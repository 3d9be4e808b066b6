// Qwen3 (dense): Llama with an RMSNorm of each query and key head before RoPE, and a head width of its own.
#include "model/families/family.h"
#include "model/families/qwen_windows.h"
#include "model/families/settings.h"

namespace cairn {

Result<ModelPlan> qwen3_from_gguf(const GgufFile& file) {
  CAIRN_ASSIGN_OR_RETURN(Config config, config_from_gguf(file, "qwen3"));
  config.qk_norm = true;
  return assemble(std::move(config), file.tensors(), gguf_names());
}

Result<ModelPlan> qwen3_from_hf(const HfFolder& folder) {
  CAIRN_RETURN_IF_ERROR(check_silu(folder.config()));
  boost::json::object settings = folder.config();
  settings.emplace("head_dim", 128);  // the default of transformers, whatever hidden_size is
  CAIRN_ASSIGN_OR_RETURN(Config config, config_from_hf(settings, "qwen3"));
  CAIRN_RETURN_IF_ERROR(read_qwen_windows(settings, config));
  config.qk_norm = true;
  TensorNames names = hf_names();
  names.usual_vocab_size = 151936;
  CAIRN_ASSIGN_OR_RETURN(names.output_matrix, output_from_hf(settings, OutputMatrix::kIfPresent));
  return assemble(std::move(config), folder, names);
}

}  // namespace cairn
