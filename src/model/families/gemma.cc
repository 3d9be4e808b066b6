// Gemma (the first): Llama with norms of 1 + w, a GELU gate, scaled embeddings and a tied output; multi-query
// in the 2B model.
#include "model/families/family.h"
#include "model/families/gemma_common.h"
#include "model/families/settings.h"

namespace cairn {

Result<ModelPlan> gemma_from_gguf(const GgufFile& file) {
  CAIRN_ASSIGN_OR_RETURN(Config config, config_from_gguf(file, "gemma"));
  make_gemma(config);
  return assemble(std::move(config), file.tensors(), gguf_names());
}

Result<ModelPlan> gemma_from_hf(const HfFolder& folder) {
  CAIRN_RETURN_IF_ERROR(check_gelu_tanh(folder.config()));
  boost::json::object settings = folder.config();
  settings.emplace("head_dim", 256);  // the defaults of transformers, whatever the other settings are
  settings.emplace("num_key_value_heads", 16);
  CAIRN_ASSIGN_OR_RETURN(Config config, config_from_hf(settings, "gemma"));
  make_gemma(config);
  TensorNames names = gemma_hf_names();
  names.usual_vocab_size = 256000;
  CAIRN_ASSIGN_OR_RETURN(names.output_matrix, output_from_hf(settings, OutputMatrix::kTied));
  return assemble(std::move(config), folder, names);
}

}  // namespace cairn
