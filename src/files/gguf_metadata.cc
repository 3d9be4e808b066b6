#include "files/gguf_metadata.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/printable.h"

namespace cairn {
namespace {

constexpr uint64_t kKeyBytesMax = 65535;     // the format's own limit
constexpr uint64_t kSmallestPairBytes = 14;  // length, one letter, type, one byte
constexpr int kArrayDepthMax = 4;            // arrays of arrays exist in the format, not in known files

// Bytes of a scalar; 0 for what has no fixed size.
uint64_t scalar_bytes(GgufType type) {
  switch (type) {
    case GgufType::kUint8:
    case GgufType::kInt8:
    case GgufType::kBool: return 1;
    case GgufType::kUint16:
    case GgufType::kInt16: return 2;
    case GgufType::kUint32:
    case GgufType::kInt32:
    case GgufType::kFloat32: return 4;
    case GgufType::kUint64:
    case GgufType::kInt64:
    case GgufType::kFloat64: return 8;
    case GgufType::kString:
    case GgufType::kArray: return 0;
  }
  return 0;
}

std::string type_name(GgufType type) {
  constexpr const char* kNames[] = {"uint8", "int8",   "uint16", "int16",  "uint32", "int32",  "float32",
                                    "bool",  "string", "array",  "uint64", "int64",  "float64"};
  return kNames[static_cast<uint32_t>(type)];
}

std::string type_name(const GgufValue& value) {
  if (value.type != GgufType::kArray) return type_name(value.type);
  return "array of " + type_name(value.element_type);
}

std::string quoted(std::string_view key) { return "metadata key '" + printable(key) + "'"; }

Status cut(std::string_view key, const char* what) {
  return invalid_data(quoted(key) + ": " + what + " reaches past the end of the file");
}

Result<GgufType> read_type(ByteReader& reader, std::string_view key) {
  const auto number = reader.read<uint32_t>();
  if (!number) return cut(key, "its type");
  if (*number > static_cast<uint32_t>(GgufType::kFloat64)) {
    return invalid_data(quoted(key) + ": value type " + std::to_string(*number) + " does not exist");
  }
  return static_cast<GgufType>(*number);
}

// Skips the elements of an array (`value` has their type and count) and records where they lie.
Status read_elements(ByteReader& reader, std::string_view key, int depth, GgufValue& value);

Status read_array(ByteReader& reader, std::string_view key, int depth, GgufValue& value) {
  if (depth > kArrayDepthMax) return invalid_data(quoted(key) + ": arrays are nested too deeply");
  CAIRN_ASSIGN_OR_RETURN(value.element_type, read_type(reader, key));
  const auto count = reader.read<uint64_t>();
  if (!count) return cut(key, "its array length");
  value.element_count = *count;
  return read_elements(reader, key, depth, value);
}

Status read_elements(ByteReader& reader, std::string_view key, int depth, GgufValue& value) {
  // Every element has a minimum size (a string its length, an array its type and length), so a count that
  // cannot fit is detected before the first element is read.
  const uint64_t fixed = scalar_bytes(value.element_type);
  const uint64_t least = value.element_type == GgufType::kArray ? 12 : fixed == 0 ? 8 : fixed;
  if (value.element_count > reader.remaining() / least) {
    return invalid_data(quoted(key) + ": an array of " + std::to_string(value.element_count) +
                        " elements does not fit in the rest of the file; it may have been cut in a download");
  }
  ByteReader start = reader;
  const size_t begin = reader.position();
  if (fixed != 0) {
    if (!reader.take(fixed * value.element_count)) return cut(key, "its array");
  } else {
    for (uint64_t i = 0; i < value.element_count; ++i) {
      GgufValue inner;
      if (value.element_type == GgufType::kArray) {
        CAIRN_RETURN_IF_ERROR(read_array(reader, key, depth + 1, inner));
      } else if (!reader.read_string()) {
        return cut(key, "a string of its array");
      }
    }
  }
  value.body = *start.take(reader.position() - begin);
  return {};
}

Result<GgufValue> read_value(ByteReader& reader, std::string_view key) {
  GgufValue value;
  CAIRN_ASSIGN_OR_RETURN(value.type, read_type(reader, key));
  if (value.type == GgufType::kArray) {
    CAIRN_RETURN_IF_ERROR(read_array(reader, key, 1, value));
  } else if (value.type == GgufType::kString) {
    const auto text = reader.read_string();
    if (!text) return cut(key, "its string");
    value.body = std::as_bytes(std::span(*text));
  } else {
    const auto bytes = reader.take(scalar_bytes(value.type));
    if (!bytes) return cut(key, "its value");
    value.body = *bytes;
    if (value.type == GgufType::kBool && std::to_integer<uint32_t>(value.body[0]) > 1) {
      return invalid_data(quoted(key) + ": a bool is neither 0 nor 1");
    }
  }
  return value;
}

// Reads one scalar as `T`; the caller has checked that it is present and that T can hold it.
template <typename T>
T load_scalar(GgufType type, ByteReader& reader) {
  const auto as = [&]<typename Stored>(Stored) {
    return static_cast<T>(reader.read<Stored>().value_or(Stored{}));
  };
  switch (type) {
    case GgufType::kUint8:
    case GgufType::kBool: return as(uint8_t{});
    case GgufType::kInt8: return as(int8_t{});
    case GgufType::kUint16: return as(uint16_t{});
    case GgufType::kInt16: return as(int16_t{});
    case GgufType::kUint32: return as(uint32_t{});
    case GgufType::kInt32: return as(int32_t{});
    case GgufType::kUint64: return as(uint64_t{});
    case GgufType::kInt64: return as(int64_t{});
    case GgufType::kFloat32: return as(float{});
    case GgufType::kFloat64: return as(double{});
    case GgufType::kString:
    case GgufType::kArray: break;
  }
  CHECK(false && "not a scalar");
  return T{};
}

enum class Kind { kInteger, kFloat, kBool, kOther };
Kind kind_of(GgufType type) {
  switch (type) {
    case GgufType::kFloat32:
    case GgufType::kFloat64: return Kind::kFloat;
    case GgufType::kBool: return Kind::kBool;
    case GgufType::kString:
    case GgufType::kArray: return Kind::kOther;
    default: return Kind::kInteger;
  }
}

Status wrong_type(std::string_view key, const GgufValue& value, const char* wanted) {
  return invalid_data(quoted(key) + " is of type " + type_name(value) + ", not " + wanted);
}

std::string_view as_text(const GgufValue& value) {
  return {reinterpret_cast<const char*>(value.body.data()), value.body.size()};
}

std::string describe_scalar(GgufType type, ByteReader& reader) {
  if (type == GgufType::kBool) return load_scalar<uint64_t>(type, reader) != 0 ? "true" : "false";
  if (type == GgufType::kUint64) return std::to_string(load_scalar<uint64_t>(type, reader));
  if (kind_of(type) == Kind::kInteger) return std::to_string(load_scalar<int64_t>(type, reader));
  char digits[32];
  std::snprintf(digits, sizeof digits, "%.9g", load_scalar<double>(type, reader));
  return digits;
}

std::string describe_value(const GgufValue& value) {
  constexpr uint64_t kElementsShown = 8;
  constexpr size_t kCharactersShown = 100;
  ByteReader reader(value.body);
  if (value.type == GgufType::kString) return printable(as_text(value), kCharactersShown);
  if (value.type != GgufType::kArray) return describe_scalar(value.type, reader);
  std::string line = "[";
  for (uint64_t i = 0; i < std::min(value.element_count, kElementsShown); ++i) {
    if (i != 0) line += ", ";
    if (value.element_type == GgufType::kArray) {
      line += "[...]";
    } else if (value.element_type == GgufType::kString) {
      line += '"' + printable(reader.read_string().value_or(""), 24) + '"';
    } else {
      line += describe_scalar(value.element_type, reader);
    }
  }
  if (value.element_count > kElementsShown)
    line += ", ... " + std::to_string(value.element_count) + " in all";
  return line + "]";
}

}  // namespace

Result<GgufMetadata> GgufMetadata::read(ByteReader& reader, uint64_t count) {
  if (count > reader.remaining() / kSmallestPairBytes) {
    return invalid_data("the metadata count " + std::to_string(count) + " does not fit in the file");
  }
  GgufMetadata metadata;
  metadata.entries_.reserve(static_cast<size_t>(count));
  for (uint64_t i = 0; i < count; ++i) {
    const std::string ordinal = "metadata key " + std::to_string(i + 1) + " of " + std::to_string(count);
    const auto key = reader.read_string();
    if (!key) return invalid_data(ordinal + " reaches past the end of the file");
    if (key->empty() || key->size() > kKeyBytesMax) {
      return invalid_data(ordinal + " has a name of " + std::to_string(key->size()) +
                          " bytes; 1 to 65535 are allowed");
    }
    CAIRN_ASSIGN_OR_RETURN(const GgufValue value, read_value(reader, *key));
    metadata.entries_.push_back({*key, value});
  }
  metadata.by_key_.resize(metadata.entries_.size());
  std::iota(metadata.by_key_.begin(), metadata.by_key_.end(), 0U);
  const auto key_of = [&](uint32_t i) { return metadata.entries_[i].key; };
  std::ranges::sort(metadata.by_key_, {}, key_of);
  const auto twin = std::ranges::adjacent_find(metadata.by_key_, {}, key_of);
  if (twin != metadata.by_key_.end()) return invalid_data(quoted(key_of(*twin)) + " appears twice");
  return metadata;
}

const GgufValue* GgufMetadata::find(std::string_view key) const {
  const auto key_of = [&](uint32_t i) { return entries_[i].key; };
  const auto at = std::ranges::lower_bound(by_key_, key, {}, key_of);
  return at != by_key_.end() && key_of(*at) == key ? &entries_[*at].value : nullptr;
}

Result<std::optional<int64_t>> GgufMetadata::find_int(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<int64_t>();
  if (kind_of(value->type) != Kind::kInteger) return wrong_type(key, *value, "an integer");
  ByteReader reader(value->body);
  if (value->type != GgufType::kUint64) return std::optional(load_scalar<int64_t>(value->type, reader));
  const auto number = std::min<uint64_t>(load_scalar<uint64_t>(value->type, reader), INT64_MAX);
  return std::optional(static_cast<int64_t>(number));
}

Result<std::optional<uint64_t>> GgufMetadata::find_uint(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<uint64_t>();
  if (kind_of(value->type) != Kind::kInteger) return wrong_type(key, *value, "an integer");
  ByteReader reader(value->body);
  if (value->type == GgufType::kUint64) return std::optional(load_scalar<uint64_t>(value->type, reader));
  const auto number = load_scalar<int64_t>(value->type, reader);
  if (number < 0)
    return invalid_data(quoted(key) + " is " + std::to_string(number) + ", which must not be negative");
  return std::optional(static_cast<uint64_t>(number));
}

Result<std::optional<double>> GgufMetadata::find_float(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<double>();
  const Kind kind = kind_of(value->type);
  if (kind != Kind::kFloat && kind != Kind::kInteger) return wrong_type(key, *value, "a number");
  ByteReader reader(value->body);
  const auto number = load_scalar<double>(value->type, reader);
  if (!std::isfinite(number)) return invalid_data(quoted(key) + " is not a finite number");
  return std::optional(number);
}

Result<std::optional<bool>> GgufMetadata::find_bool(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<bool>();
  if (value->type != GgufType::kBool) return wrong_type(key, *value, "bool");
  return std::optional(value->body[0] != std::byte{0});
}

Result<std::optional<std::string>> GgufMetadata::find_string(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<std::string>();
  if (value->type != GgufType::kString) return wrong_type(key, *value, "string");
  return std::optional(std::string(as_text(*value)));
}

Result<std::optional<std::vector<std::string>>> GgufMetadata::find_strings(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<std::vector<std::string>>();
  if (value->type != GgufType::kArray || value->element_type != GgufType::kString) {
    return wrong_type(key, *value, "array of string");
  }
  ByteReader reader(value->body);
  std::vector<std::string> strings;
  strings.reserve(static_cast<size_t>(value->element_count));
  for (uint64_t i = 0; i < value->element_count; ++i) {
    const auto text = reader.read_string();
    if (!text) return cut(key, "a string of its array");  // only if the file changed meanwhile
    strings.emplace_back(*text);
  }
  return std::optional(std::move(strings));
}

Result<std::optional<std::vector<float>>> GgufMetadata::find_floats(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<std::vector<float>>();
  if (value->type != GgufType::kArray || kind_of(value->element_type) != Kind::kFloat) {
    return wrong_type(key, *value, "array of floats");
  }
  ByteReader reader(value->body);
  std::vector<float> numbers(static_cast<size_t>(value->element_count));
  for (float& number : numbers) number = load_scalar<float>(value->element_type, reader);
  return std::optional(std::move(numbers));
}

Result<std::optional<std::vector<int64_t>>> GgufMetadata::find_ints(std::string_view key) const {
  const GgufValue* value = find(key);
  if (value == nullptr) return std::optional<std::vector<int64_t>>();
  const Kind kind = value->type == GgufType::kArray ? kind_of(value->element_type) : Kind::kOther;
  if (kind != Kind::kInteger && kind != Kind::kBool)
    return wrong_type(key, *value, "array of integers or bools");
  ByteReader reader(value->body);
  std::vector<int64_t> numbers(static_cast<size_t>(value->element_count));
  for (int64_t& number : numbers) {
    number = load_scalar<int64_t>(value->element_type, reader);
    if (value->element_type == GgufType::kUint64 && number < 0) {
      return invalid_data(quoted(key) + " holds a number past 2^63");
    }
  }
  return std::optional(std::move(numbers));
}

std::vector<std::pair<std::string, std::string>> GgufMetadata::describe() const {
  std::vector<std::pair<std::string, std::string>> lines;
  lines.reserve(entries_.size());
  for (const Entry& entry : entries_) lines.emplace_back(printable(entry.key), describe_value(entry.value));
  return lines;
}

}  // namespace cairn
