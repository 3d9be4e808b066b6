// For tests of the model files: GGUF bytes made by hand (inline, for tests of other rooms too), and a small valid file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "files/gguf.h"
#include "files/gguf_writer.h"

namespace cairn {

// Appends little-endian fields; each call returns the object, so that a file reads as one line.
class RawGguf {
 public:
  // Magic, version 3 and the two counts.
  static RawGguf head(uint64_t tensor_count, uint64_t metadata_count, uint32_t version = 3) {
    RawGguf raw;
    raw.text("GGUF").u32(version).u64(tensor_count).u64(metadata_count);
    return raw;
  }

  RawGguf& text(std::string_view bytes) {  // the bytes alone
    const auto raw = std::as_bytes(std::span(bytes));
    bytes_.insert(bytes_.end(), raw.begin(), raw.end());
    return *this;
  }
  RawGguf& string(std::string_view bytes) { return u64(bytes.size()).text(bytes); }  // length and bytes
  RawGguf& u8(uint8_t v) { return put(v); }
  RawGguf& u32(uint32_t v) { return put(v); }
  RawGguf& u64(uint64_t v) { return put(v); }
  RawGguf& type(GgufType t) { return put(static_cast<uint32_t>(t)); }
  // One entry of the tensor list; `dimensions` innermost first, as in the file.
  RawGguf& tensor(std::string_view name, const std::vector<uint64_t>& dimensions, uint32_t type,
                  uint64_t offset) {
    string(name).u32(static_cast<uint32_t>(dimensions.size()));
    for (uint64_t dimension : dimensions) u64(dimension);
    return u32(type).u64(offset);
  }
  RawGguf& pad(size_t alignment = 32) {  // zeros up to the next multiple
    return zeros((alignment - bytes_.size() % alignment) % alignment);
  }
  RawGguf& zeros(size_t count) {
    bytes_.resize(bytes_.size() + count);
    return *this;
  }

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  template <typename T>
  RawGguf& put(T value) {
    const auto* begin = reinterpret_cast<const std::byte*>(&value);
    bytes_.insert(bytes_.end(), begin, begin + sizeof(T));
    return *this;
  }

  std::vector<std::byte> bytes_;
};

// A key of every type and a tensor of every type, the tensors' bytes made by random_blocks.
GgufHeader small_gguf_header();
std::vector<std::byte> small_gguf();

}  // namespace cairn
