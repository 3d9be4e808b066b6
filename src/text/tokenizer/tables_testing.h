// For tests of the tokenizers: small vocabularies made by hand.
#pragma once

#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace cairn {

// <unk> <s> </s>, the 256 bytes (ids 3 to 258), then `pieces` with falling scores.
TokenizerTables sentencepiece_tables(const std::vector<std::string>& pieces);

// The 256 bytes in byte-level writing (id = byte), then what `merges` ("a b") make, then <|end|> (special).
TokenizerTables byte_level_tables(const std::vector<std::string>& merges);

// Vocabularies with common English merges, for texts of every sort.
TokenizerTables small_byte_level_tables();
TokenizerTables small_sentencepiece_tables();

// A random text of valid UTF-8: letters, spaces, digits, marks, emoji, controls.
std::string random_text(uint64_t seed, size_t characters);

}  // namespace cairn
