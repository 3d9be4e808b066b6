#include "files/safetensors.h"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <optional>

#include "base/printable.h"
#include "files/byte_reader.h"
#include "files/json.h"
#include "files/tensor_table.h"

namespace cairn {
namespace {

// The limit of the reference reader; depth: header, tensor, list, and some to spare for __metadata__.
constexpr JsonLimits kHeaderLimits{.bytes_max = 100'000'000, .depth_max = 8};

struct ElementType {
  std::string_view name;
  uint64_t bytes;                    // 0: unknown
  std::optional<TensorType> weight;  // none: never a weight, or of a foreign type
};

constexpr ElementType kElementTypes[] = {{"F32", 4, TensorType::kF32},
                                         {"F16", 2, TensorType::kF16},
                                         {"BF16", 2, TensorType::kBF16},
                                         {"BOOL", 1, {}},
                                         {"U8", 1, {}},
                                         {"I8", 1, {}},
                                         {"U16", 2, {}},
                                         {"I16", 2, {}},
                                         {"U32", 4, {}},
                                         {"I32", 4, {}},
                                         {"U64", 8, {}},
                                         {"I64", 8, {}}};

std::string_view text_of(const boost::json::string& s) { return {s.data(), s.size()}; }

Result<ElementType> read_element_type(const boost::json::object& entry) {
  const auto* dtype = entry.if_contains("dtype");
  if (dtype == nullptr || !dtype->is_string()) return invalid_data("has no dtype");
  const std::string_view name = text_of(dtype->get_string());
  for (const ElementType& type : kElementTypes) {
    if (type.name == name) return type;
  }
  return ElementType{name, 0, {}};
}

// A list of whole numbers from 0 up.
Result<std::vector<int64_t>> read_numbers(const boost::json::object& entry, const char* field,
                                          size_t count_max) {
  const auto* list = entry.if_contains(field);
  if (list == nullptr || !list->is_array()) return invalid_data(std::string("has no ") + field);
  const boost::json::array& items = list->get_array();
  if (items.size() > count_max) {
    return invalid_data("has " + std::to_string(items.size()) + " numbers in " + field);
  }
  std::vector<int64_t> numbers;
  for (const auto& item : items) {
    if (!item.is_int64() || item.get_int64() < 0) {
      return invalid_data(std::string("has something other than a whole number from 0 to 2^63 - 1 in ") +
                          field);
    }
    numbers.push_back(item.get_int64());
  }
  return numbers;
}

Result<uint64_t> shape_bytes(std::span<const int64_t> shape, uint64_t element_bytes) {
  uint64_t bytes = element_bytes;
  for (int64_t dimension : shape) {
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(dimension), &bytes)) {
      return invalid_data("has a shape of more than 2^64 bytes");
    }
  }
  return bytes;
}

enum class EntryKind { kWeight, kForeign, kLeftOut };

struct ReadEntry {
  Tensor tensor;
  std::string_view type_name;
  EntryKind kind;
};

// Scalars and empty tensors cannot be weights, whatever their type.
EntryKind kind_of(const ElementType& type, std::span<const int64_t> shape, uint64_t bytes) {
  if (shape.empty() || bytes == 0) return EntryKind::kLeftOut;
  if (type.bytes == 0) return EntryKind::kForeign;
  return type.weight ? EntryKind::kWeight : EntryKind::kLeftOut;
}

Result<ReadEntry> read_entry(std::string_view name, const boost::json::object& entry,
                             std::span<const std::byte> data) {
  CAIRN_ASSIGN_OR_RETURN(const ElementType type, read_element_type(entry));
  CAIRN_ASSIGN_OR_RETURN(std::vector<int64_t> shape, read_numbers(entry, "shape", kTensorDimensionsMax));
  CAIRN_ASSIGN_OR_RETURN(const auto offsets, read_numbers(entry, "data_offsets", 2));
  if (offsets.size() != 2 || offsets[0] > offsets[1]) {
    return invalid_data("has data_offsets that are not a begin and an end");
  }
  const auto begin = static_cast<uint64_t>(offsets[0]);
  const auto end = static_cast<uint64_t>(offsets[1]);
  if (end > data.size()) {
    return invalid_data("reaches past the end of the file; it may have been cut in a download");
  }
  CAIRN_ASSIGN_OR_RETURN(const uint64_t bytes, shape_bytes(shape, type.bytes));
  if (type.bytes > 0 && bytes != end - begin) {
    return invalid_data("has " + std::to_string(end - begin) +
                        " bytes between its data_offsets, but its shape and dtype need " +
                        std::to_string(bytes));
  }
  const EntryKind kind = kind_of(type, shape, end - begin);
  ReadEntry read{.tensor = {.name = std::string(name),
                            .shape = std::move(shape),
                            .data = data.subspan(begin, end - begin)},
                 .type_name = type.name,
                 .kind = kind};
  if (type.weight) read.tensor.type = *type.weight;
  return read;
}

}  // namespace

Result<SafetensorsFile> SafetensorsFile::read(std::span<const std::byte> bytes) {
  if (is_git_lfs_pointer(bytes)) {
    return invalid_data("is a Git LFS pointer, not the model itself: fetch it with 'git lfs pull'");
  }
  ByteReader reader(bytes);
  const auto header_bytes = reader.read<uint64_t>();
  if (!header_bytes) return invalid_data("the header length reaches past the end of the file");
  const auto header = reader.take(*header_bytes);
  if (!header) {
    return invalid_data("the header length " + std::to_string(*header_bytes) +
                        " does not fit in the file: it was cut, or is not a safetensors file");
  }
  const std::string_view text(reinterpret_cast<const char*>(header->data()), header->size());
  if (!text.starts_with('{'))
    return invalid_data("the header does not begin with '{': not a safetensors file");
  const auto json = parse_json(text, kHeaderLimits);
  if (!json.ok()) return Status(json.status().code(), "the header " + json.status().message());

  SafetensorsFile file;
  for (const auto& item : json->get_object()) {
    const std::string_view name(item.key().data(), item.key().size());
    if (name == "__metadata__") continue;
    const std::string quoted = "tensor '" + printable(name) + "'";
    if (!item.value().is_object()) return invalid_data(quoted + " is not described by a JSON object");
    auto entry = read_entry(name, item.value().get_object(), bytes.subspan(reader.position()));
    if (!entry.ok()) return Status(entry.status().code(), quoted + " " + entry.status().message());
    switch (entry->kind) {
      case EntryKind::kWeight: file.tensors.push_back(std::move(entry->tensor)); break;
      case EntryKind::kForeign:
        file.foreign_tensors.push_back({.name = std::move(entry->tensor.name),
                                        .type_name = printable(entry->type_name),
                                        .shape = std::move(entry->tensor.shape),
                                        .bytes = entry->tensor.data.size(),
                                        .instead = "an F32, F16 or BF16 folder, or a GGUF file,"});
        break;
      case EntryKind::kLeftOut: file.left_out.push_back(std::move(entry->tensor.name)); break;
    }
  }
  return file;
}

}  // namespace cairn
