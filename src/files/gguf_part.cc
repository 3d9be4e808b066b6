#include "files/gguf_part.h"

#include <algorithm>
#include <bit>
#include <string>
#include <string_view>

#include "base/printable.h"
#include "files/tensor_table.h"

namespace cairn {
namespace {

constexpr uint64_t kDefaultAlignment = 32;
constexpr uint64_t kAlignmentMax = 1 << 20;     // far above any use (a page, a disk sector)
constexpr uint64_t kSmallestTensorBytes = 33;   // length, one letter, dimensions, one of them, type, offset
constexpr uint64_t kTensorNameBytesMax = 1024;  // the format says 64; some writers exceed it
constexpr uint32_t kDimensionsMax = 4;

Status cut(const std::string& what) { return invalid_data(what + " reaches past the end of the file"); }

Status not_gguf(std::span<const std::byte> bytes) {
  const std::string_view head(reinterpret_cast<const char*>(bytes.data()),
                              std::min<size_t>(bytes.size(), 40));
  if (is_git_lfs_pointer(bytes)) {
    return invalid_data("is a Git LFS pointer, not the model itself: fetch it with 'git lfs pull'");
  }
  if (head.starts_with("lmgg") || head.starts_with("tjgg") || head.starts_with("fmgg") ||
      head.starts_with("algg")) {
    return unsupported("is a GGML file from before GGUF: convert the model again");
  }
  return invalid_data("is not a GGUF file: it begins with '" + printable(head.substr(0, 4)) +
                      "' instead of 'GGUF'");
}

Result<uint32_t> read_version(ByteReader& reader, std::span<const std::byte> bytes) {
  const auto magic = reader.take(4);
  if (!magic || std::memcmp(magic->data(), "GGUF", 4) != 0) return not_gguf(bytes);
  const auto version = reader.read<uint32_t>();
  if (!version) return cut("the version");
  if (*version != 0 && (*version & 0xFFFFU) == 0) {
    return unsupported("is a big-endian GGUF file; only little-endian ones are read");
  }
  if (*version != 2 && *version != 3) {
    return unsupported("is GGUF version " + std::to_string(*version) + "; versions 2 and 3 are read");
  }
  return *version;
}

// A tensor of the list. Where its type is foreign, so is the tensor, and the number of its bytes may be unknown.
struct Placed {
  std::string name;
  std::vector<int64_t> shape;
  std::optional<TensorType> type;
  ForeignType foreign;  // where there is no type
  std::optional<uint64_t> bytes;
  uint64_t offset = 0;
};

// The shape is checked even where the type is unknown: as if an element were a byte.
Result<std::optional<uint64_t>> foreign_bytes(const ForeignType& type, std::span<const int64_t> shape) {
  const bool is_known = type.bytes > 0;
  const BlockSize block =
      is_known ? BlockSize{type.name, type.elements, type.bytes} : BlockSize{type.name, 1, 1};
  CAIRN_ASSIGN_OR_RETURN(const uint64_t bytes, tensor_bytes(block, shape));
  return is_known ? std::optional(bytes) : std::nullopt;
}

Result<std::optional<uint64_t>> bytes_of(const Placed& placed) {
  if (!placed.type) return foreign_bytes(placed.foreign, placed.shape);
  CAIRN_ASSIGN_OR_RETURN(const uint64_t bytes, tensor_bytes(*placed.type, placed.shape));
  return std::optional(bytes);
}

Result<Placed> read_tensor(ByteReader& reader, const std::string& ordinal) {
  const auto name = reader.read_string();
  if (!name) return cut(ordinal + "'s name");
  if (name->empty() || name->size() > kTensorNameBytesMax) {
    return invalid_data(ordinal + " has a name of " + std::to_string(name->size()) +
                        " bytes; 1 to 1024 are allowed");
  }
  const std::string quoted = "tensor '" + printable(*name) + "'";
  const auto dimension_count = reader.read<uint32_t>();
  if (!dimension_count) return cut(quoted + ": its number of dimensions");
  if (*dimension_count < 1 || *dimension_count > kDimensionsMax) {
    return invalid_data(quoted + " has " + std::to_string(*dimension_count) +
                        " dimensions; 1 to 4 are allowed");
  }
  Placed placed;
  for (uint32_t i = 0; i < *dimension_count; ++i) {
    const auto dimension = reader.read<int64_t>();
    if (!dimension) return cut(quoted + ": its dimensions");
    placed.shape.insert(placed.shape.begin(), *dimension);  // the file's first is the innermost
  }
  const auto type_number = reader.read<uint32_t>();
  const auto offset = reader.read<uint64_t>();
  if (!type_number || !offset) return cut(quoted + ": its type and offset");
  placed.name = *name;
  placed.offset = *offset;
  placed.type = tensor_type_from_gguf(*type_number);
  if (!placed.type) placed.foreign = foreign_type_from_gguf(*type_number);
  const auto bytes = bytes_of(placed);
  if (!bytes.ok()) return invalid_data(quoted + " " + bytes.status().message());
  placed.bytes = *bytes;
  return placed;
}

Result<uint64_t> read_alignment(const GgufMetadata& metadata) {
  CAIRN_ASSIGN_OR_RETURN(const auto found, metadata.find_uint("general.alignment"));
  const uint64_t alignment = found.value_or(kDefaultAlignment);
  if (!std::has_single_bit(alignment) || alignment > kAlignmentMax) {
    return invalid_data("general.alignment is " + std::to_string(alignment) +
                        "; a power of two up to 1048576 is allowed");
  }
  return alignment;
}

// Gives each tensor its bytes; the data section begins at the first multiple of the alignment after the
// lists.
Status place(std::vector<Placed> list, std::span<const std::byte> bytes, uint64_t lists_end,
             uint64_t alignment, GgufPart& part) {
  const uint64_t data_begin = (lists_end + alignment - 1) / alignment * alignment;
  const uint64_t data_bytes = data_begin < bytes.size() ? bytes.size() - data_begin : 0;
  part.tensors.reserve(list.size());
  for (Placed& placed : list) {
    const std::string quoted = "tensor '" + printable(placed.name) + "'";
    if (placed.offset % alignment != 0) {
      return invalid_data(quoted + " has offset " + std::to_string(placed.offset) +
                          ", which is not a multiple of the alignment " + std::to_string(alignment));
    }
    const uint64_t tensor_bytes = placed.bytes.value_or(0);
    if (placed.offset > data_bytes || tensor_bytes > data_bytes - placed.offset) {
      return invalid_data(quoted + " (offset " + std::to_string(placed.offset) + ", " +
                          std::to_string(tensor_bytes) +
                          " bytes) reaches past the end of the file; it may have been cut in a download");
    }
    if (placed.type) {
      part.tensors.push_back({.name = std::move(placed.name),
                              .type = *placed.type,
                              .shape = std::move(placed.shape),
                              .data = bytes.subspan(data_begin + placed.offset, tensor_bytes)});
    } else {
      part.foreign_tensors.push_back({.name = std::move(placed.name),
                                      .type_name = std::move(placed.foreign.name),
                                      .shape = std::move(placed.shape),
                                      .bytes = placed.bytes,
                                      .instead = std::move(placed.foreign.instead)});
    }
  }
  return {};
}

}  // namespace

Result<GgufPart> GgufPart::read(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  GgufPart part;
  CAIRN_ASSIGN_OR_RETURN(part.version, read_version(reader, bytes));
  const auto tensor_count = reader.read<uint64_t>();
  if (!tensor_count) return cut("the tensor count");
  const auto metadata_count = reader.read<uint64_t>();
  if (!metadata_count) return cut("the metadata count");
  if (*tensor_count > reader.remaining() / kSmallestTensorBytes) {
    return invalid_data("the tensor count " + std::to_string(*tensor_count) + " does not fit in the file");
  }
  CAIRN_ASSIGN_OR_RETURN(part.metadata, GgufMetadata::read(reader, *metadata_count));
  CAIRN_ASSIGN_OR_RETURN(const uint64_t alignment, read_alignment(part.metadata));

  // Checked again, now behind the metadata: nothing is reserved that cannot fit.
  if (*tensor_count > reader.remaining() / kSmallestTensorBytes) {
    return invalid_data("the tensor count " + std::to_string(*tensor_count) + " does not fit in the file");
  }
  std::vector<Placed> list;
  list.reserve(static_cast<size_t>(*tensor_count));
  for (uint64_t i = 0; i < *tensor_count; ++i) {
    const std::string ordinal = "tensor " + std::to_string(i + 1) + " of " + std::to_string(*tensor_count);
    CAIRN_ASSIGN_OR_RETURN(Placed placed, read_tensor(reader, ordinal));
    list.push_back(std::move(placed));
  }
  CAIRN_RETURN_IF_ERROR(place(std::move(list), bytes, reader.position(), alignment, part));
  return part;
}

}  // namespace cairn
