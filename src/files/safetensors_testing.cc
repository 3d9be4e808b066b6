#include "files/safetensors_testing.h"

#include <span>

namespace cairn {

std::vector<std::byte> raw_safetensors_of_length(uint64_t header_length, std::string_view header,
                                                 size_t data_bytes) {
  std::vector<std::byte> bytes;
  const auto append = [&](std::span<const std::byte> more) {
    bytes.insert(bytes.end(), more.begin(), more.end());
  };
  append(std::as_bytes(std::span(&header_length, 1)));
  append(std::as_bytes(std::span(header)));
  for (size_t i = 0; i < data_bytes; ++i) bytes.push_back(static_cast<std::byte>(i & 0xFFU));
  return bytes;
}

std::vector<std::byte> raw_safetensors(std::string_view header, size_t data_bytes) {
  return raw_safetensors_of_length(header.size(), header, data_bytes);
}

std::vector<std::byte> small_safetensors() {
  return raw_safetensors(
      R"({"__metadata__": {"format": "pt"},
"a.weight": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
"b.weight": {"dtype": "BF16", "shape": [4], "data_offsets": [24, 32]},
"c.weight": {"dtype": "F16", "shape": [1, 1, 2, 1], "data_offsets": [32, 36]},
"mask": {"dtype": "BOOL", "shape": [3], "data_offsets": [36, 39]},
"scalar": {"dtype": "F32", "shape": [], "data_offsets": [39, 43]},
"last": {"dtype": "F16", "shape": [3], "data_offsets": [43, 49]}}   )",
      49);
}

}  // namespace cairn
