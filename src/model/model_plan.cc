#include "model/model_plan.h"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <string>

#include "base/printable.h"
#include "files/gguf.h"
#include "files/hf_folder.h"
#include "model/families/family.h"
#include "model/families/keys.h"

namespace cairn {
namespace {

constexpr Family kFamilies[] = {
    {"llama", "llama", "llama", "LlamaForCausalLM", llama_from_gguf, llama_from_hf},
    {"mistral", "mistral", "mistral", "MistralForCausalLM", mistral_from_gguf, mistral_from_hf},
    {"qwen2", "qwen2", "qwen2", "Qwen2ForCausalLM", qwen2_from_gguf, qwen2_from_hf},
    {"qwen3", "qwen3", "qwen3", "Qwen3ForCausalLM", qwen3_from_gguf, qwen3_from_hf},
    {"gemma", "gemma", "gemma", "GemmaForCausalLM", gemma_from_gguf, gemma_from_hf},
    {"gemma2", "gemma2", "gemma2", "Gemma2ForCausalLM", gemma2_from_gguf, gemma2_from_hf},
    {"gemma3", "gemma3", "gemma3_text", "Gemma3ForCausalLM", gemma3_from_gguf, gemma3_from_hf},
    {"", "", "gemma3", "Gemma3ForConditionalGeneration", nullptr, gemma3_from_hf},
    {"gpt2", "gpt2", "gpt2", "GPT2LMHeadModel", gpt2_from_gguf, gpt2_from_hf},
    {"phi3", "phi3", "phi3", "Phi3ForCausalLM", phi3_from_gguf, phi3_from_hf},
};

std::string family_names() {
  std::string names;
  for (const Family& family : kFamilies) {
    if (!family.name.empty()) names += (names.empty() ? "" : ", ") + std::string(family.name);
  }
  return names;
}

Status unknown_family(const std::string& where, const std::string& name) {
  return unsupported(where + " \"" + printable(name) +
                     "\" is not a family that Cairn runs (supported: " + family_names() + ")");
}

// The file's architectures must name the family's language model: a classifier has the same model_type.
Status check_architecture(const boost::json::object& config, const Family& family) {
  const boost::json::value* architectures = config.if_contains("architectures");
  if (architectures == nullptr || architectures->is_null()) return {};
  const boost::json::array* names = architectures->if_array();
  if (names == nullptr || names->empty() || !names->at(0).is_string()) {
    return invalid_data("config.json: architectures is not a list of names");
  }
  const std::string name(names->at(0).get_string());
  if (name == family.hf_architecture) return {};
  return unsupported("config.json: architectures names " + printable(name) + ", but of model_type " +
                     std::string(family.hf_model_type) + " Cairn runs " +
                     std::string(family.hf_architecture));
}

Status refuse_quantised(const boost::json::object& config) {
  HfKeys keys(config, "config.json");
  if (keys.find("quantization_config") == nullptr) return {};
  std::string method = "unknown";
  if (const auto* settings = keys.find_object("quantization_config")) {
    method = HfKeys(*settings, "config.json: quantization_config").text_or("quant_method", method);
  }
  return unsupported("config.json: the weights are quantised (quantization_config: " + printable(method) +
                     "); folders with F32, F16 or BF16 weights are read, or a GGUF file of the model");
}

}  // namespace

Result<ModelPlan> plan_model(const GgufFile& file) {
  CAIRN_ASSIGN_OR_RETURN(const std::string architecture, file.need_string("general.architecture"));
  for (const Family& family : kFamilies) {
    if (family.from_gguf == nullptr || family.gguf_architecture != architecture) continue;
    CAIRN_RETURN_IF_ERROR(refuse_foreign_tensors(file.foreign_tensors()));
    return family.from_gguf(file);
  }
  return unknown_family("general.architecture", architecture);
}

Result<ModelPlan> plan_model(const HfFolder& folder) {
  HfKeys keys(folder.config(), "config.json");
  const std::string model_type = keys.text_or("model_type", "");
  CAIRN_RETURN_IF_ERROR(keys.status());
  for (const Family& family : kFamilies) {
    if (family.hf_model_type != model_type) continue;
    CAIRN_RETURN_IF_ERROR(check_architecture(folder.config(), family));
    CAIRN_RETURN_IF_ERROR(refuse_quantised(folder.config()));
    CAIRN_RETURN_IF_ERROR(refuse_foreign_tensors(folder.foreign_tensors()));
    return family.from_hf(folder);
  }
  return unknown_family("config.json: model_type", model_type);
}

Result<ModelPlan> plan_model(const boost::json::object& config, TensorType type) {
  return plan_model(HfFolder::without_weights(config, type));
}

}  // namespace cairn
