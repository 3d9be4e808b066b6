// Byte-level vocabularies are written in files with one printable character for each byte (GPT-2's table:
// "Ġ" is the space). Inside Cairn, tokens are the bytes themselves.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cairn {

// The bytes that `text` represents; nullopt: it holds a character that represents no byte.
std::optional<std::string> bytes_of_byte_level(std::string_view valid_utf8);

std::string byte_level_of_bytes(std::string_view bytes);

}  // namespace cairn
