// The patterns by which byte-level tokenizers cut a text into words, each named after the model that brought it.
// As the models' own tokenizer.json files write them, in the tokenizers' syntax (text/tokenizer/regex.h).
#pragma once

#include <string_view>
#include <vector>

namespace cairn {

// GPT-2's pattern, which byte-level pre-tokenizers also use by default.
extern const std::string_view kGpt2Pattern;

enum class WordPattern {
  kDefault,  // what the engine that defined GGUF does for a file that names no pattern
  kGpt2,
  kDigitsThenGpt2,  // each digit a word of its own
  kFalcon,
  kLlama3,
  kJais2,
  kMiniCpm5,
  kQwen2,
  kQwen35,
  kUfakZeka,
  kLaguna,
  kBailingMoe,
  kSeedCoder,
  kExaoneMoe,
  kTekken,
  kGpt4o,
  kTinyAya,
  kKimiK2,
  kDeepSeekLlm,
  kDeepSeekCoder,
  kDeepSeekV3,
  kSpark,
  kAfMoe,
  kYoutu,
  kBloom,
  kViking,
  kChameleon,
  kSuperBpe,
};

// One after the other: each cuts the words that the ones before it left.
std::vector<std::string_view> patterns_of(WordPattern pattern);

}  // namespace cairn
