// The values of GGUF's tokenizer.ggml.pre: each names a way to cut text into words before byte-level BPE.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "text/tokenizer/normalizer.h"
#include "text/tokenizer/pre_tokenizer.h"

namespace cairn {

struct PreTokenization {
  std::vector<NormalizeStep> normalize;
  std::vector<PreTokenizeStep> split;
  bool whole_words_first = false;
  bool add_bos = false;  // if the file does not specify it
};

// What is assumed for a file that names none.
inline constexpr std::string_view kAssumedPre = "default";

// kUnsupported: an unknown name; the message lists those that are known.
Result<PreTokenization> make_pre_tokenization(std::string_view name);

// The same for a name that the user chose in the file's place. kInvalidArgument: an unknown one.
Result<PreTokenization> make_chosen_pre_tokenization(std::string_view name);
// kInvalidArgument: the user chose one, but the tokenizer of `what` is not byte-level BPE.
Status no_pre_tokenizer(std::string_view what);

// All names, with commas between.
std::string pre_tokenization_names();

}  // namespace cairn
