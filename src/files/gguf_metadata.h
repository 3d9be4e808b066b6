// GgufMetadata: the keys and values at the head of a GGUF file, viewed in place. Always true: every key,
// string and array lies inside the file's bytes, keys differ, and everything was checked when it was read.
// Used by GgufFile (files/gguf.h), which documents the find_ functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "files/byte_reader.h"
#include "files/gguf.h"

namespace cairn {

struct GgufValue {
  GgufType type = GgufType::kUint8;
  GgufType element_type = GgufType::kUint8;  // of an array
  uint64_t element_count = 0;                // of an array
  std::span<const std::byte> body;  // a scalar's bytes, a string without its length, an array's elements
};

class GgufMetadata {
 public:
  GgufMetadata() = default;
  // Reads `count` pairs and leaves `reader` behind them. Errors: kInvalidData naming the field.
  static Result<GgufMetadata> read(ByteReader& reader, uint64_t count);

  [[nodiscard]] const GgufValue* find(std::string_view key) const;  // null if absent
  [[nodiscard]] Result<std::optional<int64_t>> find_int(std::string_view key) const;
  [[nodiscard]] Result<std::optional<uint64_t>> find_uint(std::string_view key) const;
  [[nodiscard]] Result<std::optional<double>> find_float(std::string_view key) const;
  [[nodiscard]] Result<std::optional<bool>> find_bool(std::string_view key) const;
  [[nodiscard]] Result<std::optional<std::string>> find_string(std::string_view key) const;
  [[nodiscard]] Result<std::optional<std::vector<std::string>>> find_strings(std::string_view key) const;
  [[nodiscard]] Result<std::optional<std::vector<float>>> find_floats(std::string_view key) const;
  [[nodiscard]] Result<std::optional<std::vector<int64_t>>> find_ints(std::string_view key) const;
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> describe() const;

 private:
  struct Entry {
    std::string_view key;
    GgufValue value;
  };
  std::vector<Entry> entries_;    // in file order
  std::vector<uint32_t> by_key_;  // indices into entries_, in the order of their keys
};

}  // namespace cairn
