// GgufFile: a GGUF v2 or v3 model file (or all files of a split one), mapped read-only.
// Every length, offset, count, dimension and string is checked while opening: after `open` succeeds,
// everything that this class returns lies inside the mapping. Source: the GGUF page of the ggml project.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "files/foreign_tensor.h"
#include "files/tensor.h"

namespace cairn {

enum class GgufType : uint32_t {
  kUint8 = 0,
  kInt8 = 1,
  kUint16 = 2,
  kInt16 = 3,
  kUint32 = 4,
  kInt32 = 5,
  kFloat32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kUint64 = 10,
  kInt64 = 11,
  kFloat64 = 12,
};

class GgufFile {
 public:
  // Opens `path`; if it is the first file of a split model (name-00001-of-0000N.gguf), all N files.
  // Errors: kNotFound (no such file), kInvalidData (names the bad field), kUnsupported (version,
  // byte order).
  static Result<GgufFile> open(const std::string& path);
  // The same over bytes in memory, which must outlive the object (fuzzing, tests).
  static Result<GgufFile> parse(std::span<const std::byte> bytes);

  GgufFile(GgufFile&&) noexcept;
  GgufFile& operator=(GgufFile&&) noexcept;
  ~GgufFile();

  // Metadata. Absent key: nullopt. A key of another type than requested is an error that names both.
  [[nodiscard]] bool has(std::string_view key) const;
  // find_int takes any integer type, find_uint those >= 0, find_float f32, f64 or integer, find_ints integer or bool arrays.
  [[nodiscard]] Result<std::optional<int64_t>> find_int(std::string_view key) const;  // at most INT64_MAX
  [[nodiscard]] Result<std::optional<uint64_t>> find_uint(std::string_view key) const;
  [[nodiscard]] Result<std::optional<double>> find_float(std::string_view key) const;
  [[nodiscard]] Result<std::optional<bool>> find_bool(std::string_view key) const;
  [[nodiscard]] Result<std::optional<std::string>> find_string(std::string_view key) const;
  [[nodiscard]] Result<std::optional<std::vector<std::string>>> find_strings(std::string_view key) const;
  [[nodiscard]] Result<std::optional<std::vector<float>>> find_floats(std::string_view key) const;
  [[nodiscard]] Result<std::optional<std::vector<int64_t>>> find_ints(std::string_view key) const;
  // The same for required keys: an absent key is kInvalidData, and the message names it.
  [[nodiscard]] Result<uint64_t> need_uint(std::string_view key) const;
  [[nodiscard]] Result<double> need_float(std::string_view key) const;
  [[nodiscard]] Result<std::string> need_string(std::string_view key) const;

  // (key, one-line printable value; arrays shortened) in file order, for people.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> describe_metadata() const;

  [[nodiscard]] std::span<const Tensor> tensors() const;
  [[nodiscard]] const Tensor* find_tensor(std::string_view name) const;  // null if absent
  [[nodiscard]] std::span<const ForeignTensor> foreign_tensors() const;  // whose types Cairn does not run
  [[nodiscard]] uint32_t version() const;
  [[nodiscard]] uint64_t file_bytes() const;  // of all parts
  // Lets the system drop the pages of these bytes of a tensor (they are read again from the file if touched):
  // keeps peak memory near the size of the model while weights are repacked.
  void release(std::span<const std::byte> bytes) const;
  // Copies bytes of a tensor without mapping the pages around them into this process.
  void copy(std::span<const std::byte> bytes, std::byte* to) const;

 private:
  struct Impl;
  explicit GgufFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
