// Tokenizer::Impl: the stages that a text passes through, in order. Built by from_tables.cc and from_json.cc.
//
//   text -> added tokens cut out -> normalizer -> added tokens of the normalized text cut out
//        -> pre-tokenizer (words) -> segmenter (ids), with prefix and suffix ids around
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "text/tokenizer.h"
#include "text/tokenizer/added_tokens.h"
#include "text/tokenizer/normalizer.h"
#include "text/tokenizer/pre_tokenizer.h"
#include "text/tokenizer/segmenter.h"
#include "text/tokenizer/vocabulary.h"

namespace cairn {

struct Tokenizer::Impl {
  std::string kind;
  std::deque<std::string> texts;  // what the segmenter's index points into
  Vocabulary vocabulary;
  AddedTokens added;
  AddedTokens normalized_added;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  std::unique_ptr<const Segmenter> segmenter;
  std::vector<TokenId> prefix, suffix;  // what BosEos::kAsModelSays puts around a text
  std::optional<TokenId> bos, eos;
  std::vector<EndToken> end_tokens;  // by ascending id, none twice
  std::vector<std::string> notes;
  int drop_leading_spaces = 0;  // by decode at TextPosition::kStart
};

}  // namespace cairn
