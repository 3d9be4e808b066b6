#include "cli/model_file.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <filesystem>

#include "base/printable.h"

namespace cairn {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// As `config.json: key`, so that keys of several files stay apart.
void add_members(const char* file, const boost::json::object* object, Pairs& pairs) {
  constexpr size_t kLongestValue = 120;
  if (object == nullptr) return;
  for (const auto& [key, value] : *object) {
    pairs.emplace_back(fmt::format("{}: {}", file, printable(key)),
                       printable(boost::json::serialize(value), kLongestValue));
  }
}

}  // namespace

Result<ModelFile> ModelFile::open(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::is_directory(path, ignored)) {
    CAIRN_ASSIGN_OR_RETURN(auto folder, HfFolder::open(path));
    return ModelFile(File(std::move(folder)));
  }
  CAIRN_ASSIGN_OR_RETURN(auto file, GgufFile::open(path));
  return ModelFile(File(std::move(file)));
}

std::string ModelFile::kind() const {
  const auto* gguf = std::get_if<GgufFile>(&file_);
  return gguf != nullptr ? fmt::format("GGUF v{}", gguf->version()) : "Hugging Face folder";
}

Result<Tokenizer> ModelFile::tokenizer() const {
  return std::visit([](const auto& file) { return load_tokenizer(file); }, file_);
}

Result<ModelPlan> ModelFile::plan() const {
  return std::visit([](const auto& file) { return plan_model(file); }, file_);
}

std::optional<std::string> ModelFile::chat_template() const {
  const auto* gguf = std::get_if<GgufFile>(&file_);
  if (gguf == nullptr) return std::get<HfFolder>(file_).chat_template();
  const auto found = gguf->find_string("tokenizer.chat_template");
  return found.ok() ? *found : std::nullopt;
}

std::span<const Tensor> ModelFile::tensors() const {
  return std::visit([](const auto& file) { return file.tensors(); }, file_);
}

uint64_t ModelFile::file_bytes() const {
  return std::visit([](const auto& file) { return file.file_bytes(); }, file_);
}

std::vector<std::pair<std::string, std::string>> ModelFile::metadata() const {
  const auto* gguf = std::get_if<GgufFile>(&file_);
  if (gguf != nullptr) return gguf->describe_metadata();
  const HfFolder& folder = std::get<HfFolder>(file_);
  Pairs pairs;
  add_members("config.json", &folder.config(), pairs);
  add_members("generation_config.json", folder.generation_config(), pairs);
  add_members("tokenizer_config.json", folder.tokenizer_config(), pairs);
  return pairs;
}

}  // namespace cairn
