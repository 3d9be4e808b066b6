// safetensors bytes for tests and fuzz seeds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace cairn {

// The header's length, the header, and `data_bytes` bytes 0, 1, 2, ...
std::vector<std::byte> raw_safetensors(std::string_view header, size_t data_bytes);
std::vector<std::byte> raw_safetensors_of_length(uint64_t header_length, std::string_view header,
                                                 size_t data_bytes);

// A weight of each type, an integer buffer and a scalar.
std::vector<std::byte> small_safetensors();

}  // namespace cairn
