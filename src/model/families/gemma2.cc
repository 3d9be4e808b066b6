// Gemma 2: Gemma with norms after attention and ffn too, soft caps on scores and logits, and a window in
// every other layer, starting with the first.
#include "model/families/family.h"
#include "model/families/gemma_common.h"
#include "model/families/settings.h"

namespace cairn {
namespace {

constexpr SoftCaps kGemma2Caps{.attention = 50, .final = 30};
constexpr int64_t kGemma2Window = 4096;
constexpr int64_t kGemma2Pattern = 2;
constexpr int64_t kLayersOf27b = 46;

}  // namespace

Result<ModelPlan> gemma2_from_gguf(const GgufFile& file) {
  CAIRN_ASSIGN_OR_RETURN(Config config, config_from_gguf(file, "gemma2"));
  make_gemma(config);
  config.post_norms = true;
  CAIRN_RETURN_IF_ERROR(read_soft_caps(file, kGemma2Caps, config));
  GgufKeys keys(file, "gemma2");
  const int64_t window = keys.count_or("attention.sliding_window", kGemma2Window, 1, ConfigLimits::kContext);
  CAIRN_RETURN_IF_ERROR(keys.status());
  CAIRN_RETURN_IF_ERROR(read_gguf_windows(file, window, kGemma2Pattern, config));
  set_gguf_attention_scale(config, kLayersOf27b);
  return assemble(std::move(config), file.tensors(), gguf_names());
}

Result<ModelPlan> gemma2_from_hf(const HfFolder& folder) {
  CAIRN_RETURN_IF_ERROR(check_gelu_tanh(folder.config()));
  boost::json::object settings = folder.config();
  settings.emplace("head_dim", 256);  // the defaults of transformers, whatever the other settings are
  settings.emplace("num_key_value_heads", 4);
  CAIRN_ASSIGN_OR_RETURN(Config config, config_from_hf(settings, "gemma2"));
  make_gemma(config);
  config.post_norms = true;
  CAIRN_RETURN_IF_ERROR(read_soft_caps(settings, kGemma2Caps, config));
  CAIRN_RETURN_IF_ERROR(read_hf_windows(settings, kGemma2Window, kGemma2Pattern, config));
  CAIRN_RETURN_IF_ERROR(read_hf_attention_scale(settings, config));
  TensorNames names = gemma_hf_names_with_post_norms();
  names.usual_vocab_size = 256000;
  CAIRN_ASSIGN_OR_RETURN(names.output_matrix, output_from_hf(settings, OutputMatrix::kTied));
  return assemble(std::move(config), folder, names);
}

}  // namespace cairn
