#include "model/families/mistral_window.h"

#include <algorithm>
#include <cctype>
#include <string>

namespace cairn {
namespace {

constexpr int64_t kFirstWindow = 4096;  // of Mistral 7B v0.1 and its like; later models have none
constexpr double kFirstBase = 10000.0;  // their RoPE's; later models have 1,000,000

bool says_mistral(const GgufFile& file, std::string_view key) {
  const auto found = file.find_string(key);
  if (!found.ok() || !found->has_value()) return false;
  std::string text = **found;
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text.find("mistral") != std::string::npos;
}

bool has_window(const Config& config) {
  return std::ranges::any_of(config.layers, [](const LayerConfig& layer) { return layer.window > 0; });
}

}  // namespace

void note_window_of_mistral_gguf(ModelPlan& plan) {
  const Config& config = plan.config;
  if (has_window(config) || config.ropes[0].base != kFirstBase) return;
  plan.notes.push_back(
      "this file names no sliding window, so every layer sees all positions; the Hugging Face folder of "
      "Mistral's first "
      "models has one of " +
      std::to_string(kFirstWindow) + ": behind so many positions the two differ");
}

void note_window_if_mistral(const GgufFile& file, ModelPlan& plan) {
  if (says_mistral(file, "general.name") || says_mistral(file, "general.basename"))
    note_window_of_mistral_gguf(plan);
}

void note_window_of_mistral_folder(ModelPlan& plan) {
  const Config& config = plan.config;
  const int64_t window = config.layers.front().window;
  if (window == 0 || window >= config.context_length) return;
  plan.notes.push_back(
      "every layer sees the last " + std::to_string(window) +
      " positions, as config.json says; GGUF files of Mistral models mostly name no sliding window: "
      "behind so many positions the two differ");
}

}  // namespace cairn
