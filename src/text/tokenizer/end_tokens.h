// Which tokens end a reply: those that the file names, and those whose spelling says so in every known model.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer/impl.h"

namespace cairn {

// Whether a token with this text ends a turn or a text, whatever sort of token the file calls it ("<|im_end|>").
bool is_end_name(std::string_view name);
// All such names.
std::vector<std::string_view> end_names();

// Fills end_tokens with `named` and with the tokens that end a reply by their spelling. Each id of `named` lies in
// the vocabulary; one that is there twice gets both reasons.
void set_end_tokens(Tokenizer::Impl& impl, const std::vector<EndToken>& named);

}  // namespace cairn
