// GgufWriter: a GGUF v3 file, written front to back: metadata and the list of tensors first, then each
// tensor's bytes in the order of the list, so that a large model is never in memory as a whole. The file
// appears under its name only when it is complete. Used to make synthetic models, and by tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/file_writer.h"
#include "cairn/status.h"
#include "kernels/weights/tensor_type.h"

namespace cairn {

// The type of the value is the type in the file: write uint32_t{32}, not 32.
using GgufSetting =
    std::variant<uint8_t, int8_t, uint16_t, int16_t, uint32_t, int32_t, uint64_t, int64_t, float, double,
                 bool, std::string, std::vector<uint8_t>, std::vector<int8_t>, std::vector<uint16_t>,
                 std::vector<int16_t>, std::vector<uint32_t>, std::vector<int32_t>, std::vector<uint64_t>,
                 std::vector<int64_t>, std::vector<float>, std::vector<double>, std::vector<bool>,
                 std::vector<std::string>>;

struct GgufTensorEntry {
  std::string name;
  TensorType type = TensorType::kF32;
  std::vector<int64_t> shape;  // outermost first, 1 to 4 dimensions
};

struct GgufHeader {
  std::vector<std::pair<std::string, GgufSetting>> metadata;  // "general.alignment" (uint32) is respected
  std::vector<GgufTensorEntry> tensors;
};

// The bytes of the file up to where the tensors begin, and how many each of them takes up to the next.
struct GgufLayout {
  struct Slot {
    uint64_t bytes = 0;         // of the tensor
    uint64_t padded_bytes = 0;  // up to the next one; zeros fill the rest
  };
  std::vector<std::byte> head;
  std::vector<Slot> slots;
};
// Errors: kInvalidArgument for a shape or alignment that the format does not have, or a name used twice.
Result<GgufLayout> lay_out_gguf(const GgufHeader& header);

class GgufWriter {
 public:
  static Result<GgufWriter> create(const std::string& path, const GgufHeader& header);

  // The next rows of the current tensor, in its own type or as floats to be stored in it; the floats are
  // whole rows. A full tensor is followed by the next. Writing past the end of a tensor is a bug (CHECK).
  Status append(std::span<const std::byte> bytes);
  Status append_floats(std::span<const float> values);
  // All tensors must be complete (CHECK).
  Status finish();

 private:
  GgufWriter(FileWriter file, std::vector<GgufTensorEntry> tensors, std::vector<GgufLayout::Slot> slots)
      : file_(std::move(file)), tensors_(std::move(tensors)), slots_(std::move(slots)) {}

  FileWriter file_;
  std::vector<GgufTensorEntry> tensors_;
  std::vector<GgufLayout::Slot> slots_;
  size_t current_ = 0;          // the tensor being written
  uint64_t current_bytes_ = 0;  // bytes of it written so far
  std::vector<std::byte> row_;  // scratch of append_floats
};

}  // namespace cairn
