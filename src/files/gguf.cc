#include "files/gguf.h"

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "base/check.h"
#include "base/mapped_file.h"
#include "base/printable.h"
#include "files/gguf_metadata.h"
#include "files/gguf_part.h"
#include "files/tensor_table.h"

namespace cairn {

struct GgufFile::Impl {
  std::vector<MappedFile> files;  // none where the bytes are the caller's
  uint32_t version = 0;
  uint64_t file_bytes = 0;
  GgufMetadata metadata;  // the first part's, which describes the whole model
  TensorTable tensors;
  std::vector<ForeignTensor> foreign_tensors;
};

namespace {

// "...-00001-of-00003.gguf"
std::string split_suffix(uint64_t number, uint64_t count) {
  char suffix[64];
  std::snprintf(suffix, sizeof suffix, "-%05llu-of-%05llu.gguf", static_cast<unsigned long long>(number),
                static_cast<unsigned long long>(count));
  return suffix;
}

struct SplitKeys {
  uint64_t number = 0;  // from 0
  uint64_t count = 1;
  std::optional<uint64_t> tensor_count;  // of all parts
};

Result<SplitKeys> read_split_keys(const GgufMetadata& metadata) {
  constexpr uint64_t kCountMax = 99999;  // five digits in the file names
  SplitKeys keys;
  CAIRN_ASSIGN_OR_RETURN(const auto count, metadata.find_uint("split.count"));
  CAIRN_ASSIGN_OR_RETURN(const auto number, metadata.find_uint("split.no"));
  CAIRN_ASSIGN_OR_RETURN(keys.tensor_count, metadata.find_uint("split.tensors.count"));
  if (count.value_or(0) > 1) keys.count = *count;
  if (keys.count > kCountMax) return invalid_data("split.count is " + std::to_string(keys.count));
  if (keys.count > 1) keys.number = number.value_or(0);
  if (keys.number >= keys.count) {
    return invalid_data("split.no is " + std::to_string(keys.number) + " of split.count " +
                        std::to_string(keys.count));
  }
  return keys;
}

Status in_file(const std::string& path, const Status& status) {
  return {status.code(), printable_path(path) + ": " + status.message()};
}

struct OpenPart {
  MappedFile file;
  GgufPart part;
  SplitKeys keys;
};

Result<OpenPart> open_part(const std::string& path) {
  CAIRN_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  auto part = GgufPart::read(file.bytes());
  if (!part.ok()) return in_file(path, part.status());
  const auto keys = read_split_keys(part->metadata);
  if (!keys.ok()) return in_file(path, keys.status());
  return OpenPart{std::move(file), std::move(*part), *keys};
}

// The path without its "-0000k-of-0000n.gguf", for the part's own k and n.
Result<std::string> split_prefix(const std::string& path, const SplitKeys& keys) {
  const std::string suffix = split_suffix(keys.number + 1, keys.count);
  if (!path.ends_with(suffix)) {
    return in_file(path, invalid_data("is part " + std::to_string(keys.number + 1) + " of " +
                                      std::to_string(keys.count) +
                                      " of a split model, so its name must end in '" + suffix + "'"));
  }
  return path.substr(0, path.size() - suffix.size());
}

Result<OpenPart> open_later_part(const std::string& path, uint64_t number, uint64_t count) {
  auto next = open_part(path);
  if (!next.ok() && next.status().code() == StatusCode::kNotFound) {
    return not_found(printable_path(path) + ": this part of the split model is missing");
  }
  if (next.ok() && (next->keys.number != number || next->keys.count != count)) {
    return in_file(path, invalid_data("its split.no and split.count do not fit its name"));
  }
  return next;
}

}  // namespace

GgufFile::GgufFile(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
GgufFile::GgufFile(GgufFile&&) noexcept = default;
GgufFile& GgufFile::operator=(GgufFile&&) noexcept = default;
GgufFile::~GgufFile() = default;

Result<GgufFile> GgufFile::open(const std::string& path) {
  CAIRN_ASSIGN_OR_RETURN(OpenPart first, open_part(path));
  const SplitKeys keys = first.keys;
  std::string prefix;
  if (keys.count > 1) {
    CAIRN_ASSIGN_OR_RETURN(prefix, split_prefix(path, keys));
    if (keys.number != 0) {
      return in_file(
          path, invalid_argument("is part " + std::to_string(keys.number + 1) + " of a split model: open '" +
                                 printable_path(prefix + split_suffix(1, keys.count)) + "' instead"));
    }
  }

  auto impl = std::make_unique<Impl>();
  impl->version = first.part.version;
  impl->metadata = std::move(first.part.metadata);
  impl->file_bytes = first.file.size();
  impl->files.push_back(std::move(first.file));
  std::vector<Tensor> tensors = std::move(first.part.tensors);
  impl->foreign_tensors = std::move(first.part.foreign_tensors);
  for (uint64_t number = 1; number < keys.count; ++number) {
    CAIRN_ASSIGN_OR_RETURN(
        OpenPart next, open_later_part(prefix + split_suffix(number + 1, keys.count), number, keys.count));
    impl->file_bytes += next.file.size();
    impl->files.push_back(std::move(next.file));
    tensors.insert(tensors.end(), std::make_move_iterator(next.part.tensors.begin()),
                   std::make_move_iterator(next.part.tensors.end()));
    std::ranges::move(next.part.foreign_tensors, std::back_inserter(impl->foreign_tensors));
  }
  if (keys.count > 1 && keys.tensor_count &&
      *keys.tensor_count != tensors.size() + impl->foreign_tensors.size()) {
    return in_file(path,
                   invalid_data("split.tensors.count is " + std::to_string(*keys.tensor_count) +
                                ", but the parts hold " +
                                std::to_string(tensors.size() + impl->foreign_tensors.size()) + " tensors"));
  }
  auto table = TensorTable::make(std::move(tensors));
  if (!table.ok()) return in_file(path, table.status());
  impl->tensors = std::move(*table);
  return GgufFile(std::move(impl));
}

Result<GgufFile> GgufFile::parse(std::span<const std::byte> bytes) {
  CAIRN_ASSIGN_OR_RETURN(GgufPart part, GgufPart::read(bytes));
  CAIRN_ASSIGN_OR_RETURN(const SplitKeys keys, read_split_keys(part.metadata));
  if (keys.count > 1) return unsupported("is one part of a split model, which must be opened by its name");
  auto impl = std::make_unique<Impl>();
  impl->version = part.version;
  impl->file_bytes = bytes.size();
  impl->metadata = std::move(part.metadata);
  CAIRN_ASSIGN_OR_RETURN(impl->tensors, TensorTable::make(std::move(part.tensors)));
  impl->foreign_tensors = std::move(part.foreign_tensors);
  return GgufFile(std::move(impl));
}

bool GgufFile::has(std::string_view key) const { return impl_->metadata.find(key) != nullptr; }

Result<std::optional<int64_t>> GgufFile::find_int(std::string_view key) const {
  return impl_->metadata.find_int(key);
}
Result<std::optional<uint64_t>> GgufFile::find_uint(std::string_view key) const {
  return impl_->metadata.find_uint(key);
}
Result<std::optional<double>> GgufFile::find_float(std::string_view key) const {
  return impl_->metadata.find_float(key);
}
Result<std::optional<bool>> GgufFile::find_bool(std::string_view key) const {
  return impl_->metadata.find_bool(key);
}
Result<std::optional<std::string>> GgufFile::find_string(std::string_view key) const {
  return impl_->metadata.find_string(key);
}
Result<std::optional<std::vector<std::string>>> GgufFile::find_strings(std::string_view key) const {
  return impl_->metadata.find_strings(key);
}
Result<std::optional<std::vector<float>>> GgufFile::find_floats(std::string_view key) const {
  return impl_->metadata.find_floats(key);
}
Result<std::optional<std::vector<int64_t>>> GgufFile::find_ints(std::string_view key) const {
  return impl_->metadata.find_ints(key);
}

namespace {

template <typename T>
Result<T> needed(std::string_view key, Result<std::optional<T>> found) {
  if (!found.ok()) return found.status();
  if (!found->has_value()) return invalid_data("the file has no metadata key '" + printable(key) + "'");
  return std::move(**found);
}

}  // namespace

Result<uint64_t> GgufFile::need_uint(std::string_view key) const { return needed(key, find_uint(key)); }
Result<double> GgufFile::need_float(std::string_view key) const { return needed(key, find_float(key)); }
Result<std::string> GgufFile::need_string(std::string_view key) const {
  return needed(key, find_string(key));
}

std::vector<std::pair<std::string, std::string>> GgufFile::describe_metadata() const {
  return impl_->metadata.describe();
}

std::span<const Tensor> GgufFile::tensors() const { return impl_->tensors.all(); }
const Tensor* GgufFile::find_tensor(std::string_view name) const { return impl_->tensors.find(name); }
std::span<const ForeignTensor> GgufFile::foreign_tensors() const { return impl_->foreign_tensors; }
uint32_t GgufFile::version() const { return impl_->version; }
uint64_t GgufFile::file_bytes() const { return impl_->file_bytes; }

void GgufFile::copy(std::span<const std::byte> bytes, std::byte* to) const {
  for (const MappedFile& file : impl_->files) {
    if (file.contains(bytes)) return file.copy(bytes, to);
  }
  std::ranges::copy(bytes, to);
}

void GgufFile::release(std::span<const std::byte> bytes) const {
  for (const MappedFile& file : impl_->files) {
    if (file.contains(bytes)) return file.release(bytes);
  }
}

}  // namespace cairn
