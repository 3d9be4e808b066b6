// Reads the tokens of a template into its syntax tree.
#pragma once

#include <memory>
#include <string_view>

#include "text/jinja/ast.h"

namespace cairn::jinja {

// No real template comes near a megabyte.
inline constexpr std::size_t kMaxSourceBytes = 1 << 20;
inline constexpr int kMaxNesting = 60;           // blocks in blocks, brackets in brackets
inline constexpr int kMaxExpressionDepth = 200;  // of one expression's tree: a + b + c + ... is deep

// Fails, naming the line, on a syntax error or on anything outside the supported subset.
Result<Body> parse(std::string_view source);

}  // namespace cairn::jinja
