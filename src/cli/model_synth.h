// cairn model synth: a model file of a real shape with random weights, for benches and tests.
#pragma once

#include <string>

#include "cairn/status.h"
#include "model/synth.h"

namespace cairn {

class Console;

struct ModelSynthOptions {
  SynthOptions synth;
  std::string path;
};

Status run_model_synth(const ModelSynthOptions& options, Console& console);

}  // namespace cairn
