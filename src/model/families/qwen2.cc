// Qwen2 and Qwen2.5: Llama with biases on q, k and v. Rows are not permuted in GGUF files.
#include "model/families/family.h"
#include "model/families/qwen_windows.h"
#include "model/families/settings.h"

namespace cairn {
namespace {

TensorNames with_qwen2_biases(TensorNames names) {
  names.query_key_value_bias = Bias::kRequired;
  names.attention_output_bias = names.ffn_bias = Bias::kNone;
  return names;
}

}  // namespace

Result<ModelPlan> qwen2_from_gguf(const GgufFile& file) {
  CAIRN_ASSIGN_OR_RETURN(Config config, config_from_gguf(file, "qwen2"));
  return assemble(std::move(config), file.tensors(), with_qwen2_biases(gguf_names()));
}

Result<ModelPlan> qwen2_from_hf(const HfFolder& folder) {
  CAIRN_RETURN_IF_ERROR(check_silu(folder.config()));
  CAIRN_ASSIGN_OR_RETURN(Config config, config_from_hf(folder.config(), "qwen2"));
  CAIRN_RETURN_IF_ERROR(read_qwen_windows(folder.config(), config));
  TensorNames names = with_qwen2_biases(hf_names());
  names.usual_vocab_size = 151936;
  CAIRN_ASSIGN_OR_RETURN(names.output_matrix, output_from_hf(folder.config(), OutputMatrix::kIfPresent));
  return assemble(std::move(config), folder, names);
}

}  // namespace cairn
