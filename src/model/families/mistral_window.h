// Notes on Mistral's sliding window, which a model's folder and its GGUF file tell differently. For the families only.
#pragma once

#include "files/gguf.h"
#include "model/model_plan.h"

namespace cairn {

// For a GGUF file that names no window: that the folder of Mistral's first models does.
void note_window_of_mistral_gguf(ModelPlan& plan);
// The same for a llama file, if it calls itself a Mistral.
void note_window_if_mistral(const GgufFile& file, ModelPlan& plan);
// For a folder with a window: that GGUF files have none.
void note_window_of_mistral_folder(ModelPlan& plan);

}  // namespace cairn
