// Family: how one kind of model names its settings and tensors. A family is one small file that turns a GGUF
// file or a Hugging Face folder into a ModelPlan; nothing after model_plan.h knows its name.
// Called by model_plan.cc only (which holds the list of all families).
#pragma once

#include <string_view>

#include "cairn/status.h"
#include "files/gguf.h"
#include "files/hf_folder.h"
#include "model/model_plan.h"

namespace cairn {

struct Family {
  std::string_view name;               // its common name
  std::string_view gguf_architecture;  // general.architecture; empty: no GGUF name of its own
  std::string_view hf_model_type;      // config.json's model_type
  std::string_view hf_architecture;    // config.json's architectures, where it is given
  Result<ModelPlan> (*from_gguf)(const GgufFile&);
  Result<ModelPlan> (*from_hf)(const HfFolder&);
};

Result<ModelPlan> llama_from_gguf(const GgufFile& file);
Result<ModelPlan> llama_from_hf(const HfFolder& folder);
Result<ModelPlan> mistral_from_gguf(const GgufFile& file);
Result<ModelPlan> mistral_from_hf(const HfFolder& folder);
Result<ModelPlan> qwen2_from_gguf(const GgufFile& file);
Result<ModelPlan> qwen2_from_hf(const HfFolder& folder);
Result<ModelPlan> qwen3_from_gguf(const GgufFile& file);
Result<ModelPlan> qwen3_from_hf(const HfFolder& folder);
Result<ModelPlan> gemma_from_gguf(const GgufFile& file);
Result<ModelPlan> gemma_from_hf(const HfFolder& folder);
Result<ModelPlan> gemma2_from_gguf(const GgufFile& file);
Result<ModelPlan> gemma2_from_hf(const HfFolder& folder);
Result<ModelPlan> gemma3_from_gguf(const GgufFile& file);
Result<ModelPlan> gemma3_from_hf(const HfFolder& folder);
Result<ModelPlan> gpt2_from_gguf(const GgufFile& file);
Result<ModelPlan> gpt2_from_hf(const HfFolder& folder);
Result<ModelPlan> phi3_from_gguf(const GgufFile& file);
Result<ModelPlan> phi3_from_hf(const HfFolder& folder);

}  // namespace cairn
