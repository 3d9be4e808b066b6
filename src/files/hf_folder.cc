#include "files/hf_folder.h"

#include <sys/stat.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <iterator>
#include <map>
#include <set>

#include "base/mapped_file.h"
#include "base/printable.h"
#include "files/json.h"
#include "files/safetensors.h"
#include "files/tensor_table.h"

namespace cairn {

struct HfFolder::Impl {
  // The JSON files and the chat template, but for config.json.
  Status read_texts(const std::string& directory);

  boost::json::object config;
  std::optional<boost::json::object> tokenizer;
  std::optional<boost::json::object> tokenizer_config;
  std::optional<boost::json::object> generation_config;
  std::optional<std::string> chat_template;
  std::vector<MappedFile> files;
  uint64_t file_bytes = 0;
  TensorTable tensors;
  std::vector<ForeignTensor> foreign_tensors;
  std::optional<TensorType> imagined_type;
};

namespace {

constexpr const char* kIndexName = "model.safetensors.index.json";
constexpr const char* kSingleName = "model.safetensors";
constexpr JsonLimits kSmallJson{.bytes_max = size_t{16} << 20, .depth_max = 32};
constexpr JsonLimits kLargeJson{.bytes_max = size_t{256} << 20,
                                .depth_max = 64};  // tokenizer.json, the index
constexpr size_t kTemplateBytesMax = size_t{1} << 20;

Status in_file(const std::string& path, const Status& status) {
  return {status.code(), printable_path(path) + ": " + status.message()};
}

bool exists(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0;
}

Result<std::optional<boost::json::object>> load_optional(const std::string& path, JsonLimits limits) {
  if (!exists(path)) return std::optional<boost::json::object>();
  CAIRN_ASSIGN_OR_RETURN(boost::json::object object, load_json_object(path, limits));
  return std::optional(std::move(object));
}

Result<std::optional<std::string>> load_template_file(const std::string& path) {
  if (!exists(path)) return std::optional<std::string>();
  CAIRN_ASSIGN_OR_RETURN(const MappedFile file, MappedFile::open(path));
  if (file.size() > kTemplateBytesMax)
    return in_file(path, invalid_data("holds a chat template of more than 1 MiB"));
  return std::optional(std::string(reinterpret_cast<const char*>(file.bytes().data()), file.size()));
}

// tokenizer_config.json's chat_template: a string, or a list of {name, template}, of which "default" is used.
std::optional<std::string> template_in(const boost::json::object& tokenizer_config) {
  const auto* found = tokenizer_config.if_contains("chat_template");
  if (found == nullptr) return std::nullopt;
  if (const auto* text = found->if_string()) return std::string(text->data(), text->size());
  if (!found->is_array()) return std::nullopt;
  for (const auto& item : found->get_array()) {
    const auto* object = item.if_object();
    const auto* name = object != nullptr ? object->if_contains("name") : nullptr;
    const auto* text = object != nullptr ? object->if_contains("template") : nullptr;
    if (name != nullptr && text != nullptr && text->is_string() && *name == "default") {
      return std::string(text->get_string().data(), text->get_string().size());
    }
  }
  return std::nullopt;
}

// A file of the folder itself: the index must not point anywhere else.
bool is_plain_name(std::string_view name) {
  return name.ends_with(".safetensors") &&
         name.find_first_of(std::string_view("/\\\0", 3)) == std::string_view::npos;
}

using WeightMap = std::map<std::string, std::string>;  // tensor name -> file name

Result<WeightMap> load_weight_map(const std::string& path) {
  CAIRN_ASSIGN_OR_RETURN(const boost::json::object index, load_json_object(path, kLargeJson));
  const auto* found = index.if_contains("weight_map");
  if (found == nullptr || !found->is_object() || found->get_object().empty()) {
    return in_file(path, invalid_data("has no weight_map"));
  }
  WeightMap map;
  for (const auto& item : found->get_object()) {
    const std::string tensor(item.key().data(), item.key().size());
    const auto* name = item.value().if_string();
    if (name == nullptr || !is_plain_name({name->data(), name->size()})) {
      return in_file(path, invalid_data("weight_map's entry for '" + printable(tensor) +
                                        "' is not the plain name of a .safetensors file in the folder"));
    }
    map.emplace(tensor, std::string(name->data(), name->size()));
  }
  return map;
}

Result<std::vector<std::string>> list_weight_files(const std::string& directory, const WeightMap& map) {
  std::vector<std::string> names;
  if (map.empty()) {
    if (!exists(directory + "/" + kSingleName)) {
      return not_found(printable_path(directory) + ": has neither " + kSingleName + " nor " + kIndexName +
                       " (other weight files, such as pytorch_model.bin, are not read)");
    }
    names.emplace_back(kSingleName);
  }
  std::set<std::string> distinct;
  for (const auto& [tensor, file] : map) distinct.insert(file);
  names.insert(names.end(), distinct.begin(), distinct.end());
  return names;
}

// The files must hold exactly what the index lists; otherwise a tensor might be used that the author left
// out, or one might be missing.
Status check_weight_map(const WeightMap& map, const std::map<std::string, std::string>& file_of) {
  for (const auto& [tensor, file] : map) {
    const auto found = file_of.find(tensor);
    if (found == file_of.end() || found->second != file) {
      return invalid_data(std::string(kIndexName) + ": tensor '" + printable(tensor) + "' is not in " +
                          printable(file));
    }
  }
  return {};
}

Status check_directory(const std::string& directory) {
  struct stat info{};
  if (::stat(directory.c_str(), &info) != 0) return not_found(printable_path(directory) + ": no such folder");
  if (!S_ISDIR(info.st_mode)) return invalid_argument(printable_path(directory) + ": is not a folder");
  return {};
}

}  // namespace

HfFolder::HfFolder(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HfFolder::HfFolder(HfFolder&&) noexcept = default;
HfFolder& HfFolder::operator=(HfFolder&&) noexcept = default;
HfFolder::~HfFolder() = default;

Status HfFolder::Impl::read_texts(const std::string& directory) {
  const auto at = [&](const char* name) { return directory + "/" + name; };
  CAIRN_ASSIGN_OR_RETURN(tokenizer, load_optional(at("tokenizer.json"), kLargeJson));
  CAIRN_ASSIGN_OR_RETURN(tokenizer_config, load_optional(at("tokenizer_config.json"), kSmallJson));
  CAIRN_ASSIGN_OR_RETURN(generation_config, load_optional(at("generation_config.json"), kSmallJson));
  CAIRN_ASSIGN_OR_RETURN(chat_template, load_template_file(at("chat_template.jinja")));
  if (!chat_template && tokenizer_config) chat_template = template_in(*tokenizer_config);
  return {};
}

Result<HfFolder> HfFolder::open_tokenizer(const std::string& directory) {
  CAIRN_RETURN_IF_ERROR(check_directory(directory));
  auto impl = std::make_unique<Impl>();
  CAIRN_ASSIGN_OR_RETURN(auto config, load_optional(directory + "/config.json", kSmallJson));
  if (config) impl->config = std::move(*config);
  CAIRN_RETURN_IF_ERROR(impl->read_texts(directory));
  if (!impl->tokenizer) return not_found(printable_path(directory) + ": has no tokenizer.json");
  return HfFolder(std::move(impl));
}

Result<HfFolder> HfFolder::open(const std::string& directory) {
  CAIRN_RETURN_IF_ERROR(check_directory(directory));
  const auto at = [&](const char* name) { return directory + "/" + name; };
  if (!exists(at("config.json"))) return not_found(printable_path(directory) + ": has no config.json");

  auto impl = std::make_unique<Impl>();
  CAIRN_ASSIGN_OR_RETURN(impl->config, load_json_object(at("config.json"), kSmallJson));
  CAIRN_RETURN_IF_ERROR(impl->read_texts(directory));

  WeightMap map;
  if (!exists(at(kSingleName)) && exists(at(kIndexName))) {
    CAIRN_ASSIGN_OR_RETURN(map, load_weight_map(at(kIndexName)));
  }
  CAIRN_ASSIGN_OR_RETURN(const std::vector<std::string> names, list_weight_files(directory, map));
  std::vector<Tensor> tensors;
  std::map<std::string, std::string> file_of;  // of every tensor, those left out included
  for (const std::string& name : names) {
    const std::string path = at(name.c_str());
    CAIRN_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
    auto read = SafetensorsFile::read(file.bytes());
    if (!read.ok()) return in_file(path, read.status());
    for (const Tensor& tensor : read->tensors) file_of.emplace(tensor.name, name);
    for (const std::string& left_out : read->left_out) file_of.emplace(left_out, name);
    for (const ForeignTensor& foreign : read->foreign_tensors) file_of.emplace(foreign.name, name);
    impl->file_bytes += file.size();
    impl->files.push_back(std::move(file));
    std::ranges::move(read->tensors, std::back_inserter(tensors));
    std::ranges::move(read->foreign_tensors, std::back_inserter(impl->foreign_tensors));
  }
  CAIRN_RETURN_IF_ERROR(check_weight_map(map, file_of));
  auto table = TensorTable::make(std::move(tensors));
  if (!table.ok()) return in_file(directory, table.status());
  impl->tensors = std::move(*table);
  return HfFolder(std::move(impl));
}

HfFolder HfFolder::without_weights(boost::json::object config, TensorType type) {
  auto impl = std::make_unique<Impl>();
  impl->config = std::move(config);
  impl->imagined_type = type;
  return HfFolder(std::move(impl));
}

std::optional<TensorType> HfFolder::imagined_type() const { return impl_->imagined_type; }

const boost::json::object& HfFolder::config() const { return impl_->config; }

namespace {
const boost::json::object* pointer_to(const std::optional<boost::json::object>& object) {
  return object ? &*object : nullptr;
}
}  // namespace

const boost::json::object* HfFolder::tokenizer() const { return pointer_to(impl_->tokenizer); }
const boost::json::object* HfFolder::tokenizer_config() const { return pointer_to(impl_->tokenizer_config); }
const boost::json::object* HfFolder::generation_config() const {
  return pointer_to(impl_->generation_config);
}
std::optional<std::string> HfFolder::chat_template() const { return impl_->chat_template; }

std::span<const Tensor> HfFolder::tensors() const { return impl_->tensors.all(); }
const Tensor* HfFolder::find_tensor(std::string_view name) const { return impl_->tensors.find(name); }
std::span<const ForeignTensor> HfFolder::foreign_tensors() const { return impl_->foreign_tensors; }
uint64_t HfFolder::file_bytes() const { return impl_->file_bytes; }

void HfFolder::forget_tokenizer() {
  impl_->tokenizer.reset();
  impl_->tokenizer_config.reset();
}

void HfFolder::copy(std::span<const std::byte> bytes, std::byte* to) const {
  for (const MappedFile& file : impl_->files) {
    if (file.contains(bytes)) return file.copy(bytes, to);
  }
  std::ranges::copy(bytes, to);
}

void HfFolder::release(std::span<const std::byte> bytes) const {
  for (const MappedFile& file : impl_->files) {
    if (file.contains(bytes)) return file.release(bytes);
  }
}

}  // namespace cairn
