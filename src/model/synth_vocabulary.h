// The vocabulary of synthetic models: bytes, a few hundred pieces learnt from a paragraph of our own, special
// tokens, and fillers named <extra_i> up to the size that a real shape has. Used by synth.cc only.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "files/gguf_writer.h"

namespace cairn {

enum class SynthVocabularyKind {
  kSentencePiece,  // <unk> <s> </s>, 256 byte tokens, pieces with scores; "tokenizer.ggml.model" = llama
  kGpt2,           // 256 byte symbols, merges, <|endoftext|>; "tokenizer.ggml.pre" = gpt-2
  kQwen2,          // the same with <|im_start|> and <|im_end|>; pre = qwen2
  kSmolLm,         // the same; pre = smollm
};

// The tokenizer.ggml.* settings of a vocabulary of exactly `size` tokens, at least kSynthVocabularyMin.
inline constexpr int64_t kSynthVocabularyMin = 320;
std::vector<std::pair<std::string, GgufSetting>> synth_vocabulary(SynthVocabularyKind kind, int64_t size);

}  // namespace cairn
