// The values of GGUF's tokenizer.ggml.pre: each names a way to cut text into words before byte-level BPE.
#pragma once

#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "text/tokenizer/normalizer.h"
#include "text/tokenizer/pre_tokenizer.h"

namespace cairn {

// GPT-2's pattern, which byte-level pre-tokenizers also use by default.
extern const std::string_view kGpt2Pattern;

struct PreTokenization {
  std::vector<NormalizeStep> normalize;
  std::vector<PreTokenizeStep> split;
  bool whole_words_first = false;
  bool add_bos = false;  // if the file does not specify it
};

// An empty name is "default". kUnsupported: an unknown name; the message lists those that are known.
Result<PreTokenization> make_pre_tokenization(std::string_view name);

}  // namespace cairn
