// Cuts a template into tokens. Whitespace control is done here: '-' and '+' signs, trim_blocks (the
// newline after a block or comment goes) and lstrip_blocks (spaces before one that starts a line go).
#pragma once

#include <string_view>
#include <vector>

#include "text/jinja/token.h"

namespace cairn::jinja {

// The tokens end with a kEnd. Fails on malformed input, naming the line.
Result<std::vector<Token>> tokenize(std::string_view source);

// Decodes the escapes of a string literal as Python does: \n \t \\ \' \" \x41 \u00e9 \101 ...; an unknown
// escape stays as it is.
Result<std::string> decode_escapes(std::string_view literal);

}  // namespace cairn::jinja
