#include "files/gguf_writer.h"

#include <bit>
#include <cstring>
#include <set>
#include <type_traits>

#include "base/check.h"
#include "base/printable.h"
#include "files/gguf.h"
#include "files/tensor_table.h"
#include "kernels/weights/dequantize.h"

namespace cairn {
namespace {

using Bytes = std::vector<std::byte>;

template <typename T>
void put(Bytes& out, T value) {
  const auto* begin = reinterpret_cast<const std::byte*>(&value);
  out.insert(out.end(), begin, begin + sizeof(T));
}

void put_string(Bytes& out, std::string_view text) {
  put<uint64_t>(out, text.size());
  const auto bytes = std::as_bytes(std::span(text));
  out.insert(out.end(), bytes.begin(), bytes.end());
}

template <typename T>
constexpr GgufType type_of() {
  if constexpr (std::is_same_v<T, uint8_t>) return GgufType::kUint8;
  if constexpr (std::is_same_v<T, int8_t>) return GgufType::kInt8;
  if constexpr (std::is_same_v<T, uint16_t>) return GgufType::kUint16;
  if constexpr (std::is_same_v<T, int16_t>) return GgufType::kInt16;
  if constexpr (std::is_same_v<T, uint32_t>) return GgufType::kUint32;
  if constexpr (std::is_same_v<T, int32_t>) return GgufType::kInt32;
  if constexpr (std::is_same_v<T, uint64_t>) return GgufType::kUint64;
  if constexpr (std::is_same_v<T, int64_t>) return GgufType::kInt64;
  if constexpr (std::is_same_v<T, float>) return GgufType::kFloat32;
  if constexpr (std::is_same_v<T, double>) return GgufType::kFloat64;
  if constexpr (std::is_same_v<T, bool>) return GgufType::kBool;
  if constexpr (std::is_same_v<T, std::string>) return GgufType::kString;
}

template <typename T>
void put_type(Bytes& out) {
  put(out, static_cast<uint32_t>(type_of<T>()));
}

template <typename T>
void put_element(Bytes& out, const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    put_string(out, value);
  } else if constexpr (std::is_same_v<T, bool>) {
    put<uint8_t>(out, value ? 1 : 0);
  } else {
    put(out, value);
  }
}

struct PutSetting {
  Bytes& out;

  template <typename T>
  void operator()(const T& value) const {
    put_type<T>(out);
    put_element(out, value);
  }
  template <typename T>
  void operator()(const std::vector<T>& values) const {
    put(out, static_cast<uint32_t>(GgufType::kArray));
    put_type<T>(out);
    put<uint64_t>(out, values.size());
    for (const T& value : values) put_element(out, value);
  }
};

Result<uint64_t> alignment_of(const GgufHeader& header) {
  constexpr uint64_t kDefault = 32;
  for (const auto& [key, setting] : header.metadata) {
    if (key != "general.alignment") continue;
    const auto* value = std::get_if<uint32_t>(&setting);
    if (value == nullptr || !std::has_single_bit(*value)) {
      return invalid_argument("general.alignment must be a power of two of type uint32");
    }
    return *value;
  }
  return kDefault;
}

Status check_names(const GgufHeader& header) {
  std::set<std::string_view> seen;
  for (const auto& [key, setting] : header.metadata) {
    if (!seen.insert(key).second)
      return invalid_argument("metadata key '" + printable(key) + "' is given twice");
  }
  seen.clear();
  for (const GgufTensorEntry& tensor : header.tensors) {
    if (!seen.insert(tensor.name).second)
      return invalid_argument("tensor '" + printable(tensor.name) + "' is given twice");
  }
  return {};
}

uint64_t round_up(uint64_t value, uint64_t multiple) { return (value + multiple - 1) / multiple * multiple; }

}  // namespace

Result<GgufLayout> lay_out_gguf(const GgufHeader& header) {
  constexpr size_t kDimensionsMax = 4;
  CAIRN_RETURN_IF_ERROR(check_names(header));
  CAIRN_ASSIGN_OR_RETURN(const uint64_t alignment, alignment_of(header));
  GgufLayout layout;
  Bytes& out = layout.head;
  for (char c : std::string_view("GGUF")) out.push_back(static_cast<std::byte>(c));
  put<uint32_t>(out, 3);
  put<uint64_t>(out, header.tensors.size());
  put<uint64_t>(out, header.metadata.size());
  for (const auto& [key, setting] : header.metadata) {
    put_string(out, key);
    std::visit(PutSetting{out}, setting);
  }
  uint64_t offset = 0;
  for (const GgufTensorEntry& tensor : header.tensors) {
    const auto bytes = tensor_bytes(tensor.type, tensor.shape);
    if (!bytes.ok())
      return invalid_argument("tensor '" + printable(tensor.name) + "' " + bytes.status().message());
    if (tensor.shape.size() > kDimensionsMax) {
      return invalid_argument("tensor '" + printable(tensor.name) + "' has more than 4 dimensions");
    }
    put_string(out, tensor.name);
    put<uint32_t>(out, static_cast<uint32_t>(tensor.shape.size()));
    for (size_t i = tensor.shape.size(); i > 0; --i) put<int64_t>(out, tensor.shape[i - 1]);
    put(out, static_cast<uint32_t>(tensor.type));
    put(out, offset);
    layout.slots.push_back({*bytes, round_up(*bytes, alignment)});
    offset += layout.slots.back().padded_bytes;
  }
  out.resize(round_up(out.size(), alignment));
  return layout;
}

Result<GgufWriter> GgufWriter::create(const std::string& path, const GgufHeader& header) {
  CAIRN_ASSIGN_OR_RETURN(GgufLayout layout, lay_out_gguf(header));
  CAIRN_ASSIGN_OR_RETURN(FileWriter file, FileWriter::create(path));
  CAIRN_RETURN_IF_ERROR(file.append(layout.head));
  return GgufWriter(std::move(file), header.tensors, std::move(layout.slots));
}

Status GgufWriter::append(std::span<const std::byte> bytes) {
  CHECK(current_ < slots_.size());
  const GgufLayout::Slot& slot = slots_[current_];
  CHECK(bytes.size() <= slot.bytes - current_bytes_);
  CAIRN_RETURN_IF_ERROR(file_.append(bytes));
  current_bytes_ += bytes.size();
  if (current_bytes_ < slot.bytes) return {};
  const Bytes padding(slot.padded_bytes - slot.bytes);
  ++current_;
  current_bytes_ = 0;
  return file_.append(padding);
}

Status GgufWriter::append_floats(std::span<const float> values) {
  CHECK(current_ < tensors_.size());
  const TensorType type = tensors_[current_].type;
  const auto columns = static_cast<size_t>(tensors_[current_].shape.back());
  CHECK(values.size() % columns == 0);
  row_.resize(static_cast<size_t>(row_bytes(type, static_cast<int64_t>(columns))));
  for (size_t at = 0; at < values.size(); at += columns) {
    quantize_row(type, values.subspan(at, columns), row_.data());
    CAIRN_RETURN_IF_ERROR(append(row_));
  }
  return {};
}

Status GgufWriter::finish() {
  CHECK(current_ == slots_.size());
  return file_.finish();
}

}  // namespace cairn
