// The steps of a tokenizer.json: normalizer, pre-tokenizer, decoder. Each takes the section's value, which
// may be null. kUnsupported names a step that Cairn does not support, and those that it does.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "text/tokenizer/normalizer.h"
#include "text/tokenizer/pre_tokenizer.h"

namespace cairn {

Result<std::vector<NormalizeStep>> read_normalizer(const boost::json::value* section);

struct PreTokenizerSection {
  std::vector<PreTokenizeStep> steps;
  bool byte_level = false;  // the words are then handled byte by byte
};
Result<PreTokenizerSection> read_pre_tokenizer(const boost::json::value* section);

struct DecoderSection {
  bool byte_level = false;
  bool byte_fallback = false;                                     // <0x41> is a byte
  std::vector<std::pair<std::string, std::string>> replacements;  // in each token's text
  int drop_leading_spaces = 0;
};
Result<DecoderSection> read_decoder(const boost::json::value* section);

}  // namespace cairn
