// The shapes that synthetic models can have: real ones by their names, and a tiny one for each family. Used
// by synth.cc only.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "model/config.h"
#include "model/synth_vocabulary.h"

namespace cairn {

enum class SynthOutput { kTied, kOwn };

struct SynthShape {
  std::string architecture;  // general.architecture, which may differ from the family's name (Mistral: llama)
  Config config;
  SynthVocabularyKind vocabulary = SynthVocabularyKind::kSentencePiece;
  SynthOutput output = SynthOutput::kOwn;
};

std::optional<SynthShape> synth_shape(std::string_view name);

}  // namespace cairn
