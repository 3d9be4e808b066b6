#include "model/file_facts.h"

#include <filesystem>

#include "files/gguf.h"
#include "files/hf_folder.h"

namespace cairn {
namespace {

// "folder/" is called folder.
std::string name_in_path(const std::string& path) {
  const auto normal = std::filesystem::path(path).lexically_normal();
  return (normal.has_filename() ? normal.filename() : normal.parent_path().filename()).string();
}

}  // namespace

Result<FileFacts> file_facts(const GgufFile& file, const std::string& path) {
  FileFacts facts{.name = name_in_path(path), .file_bytes = file.file_bytes()};
  const auto name = file.find_string("general.name");
  if (name.ok() && name->has_value() && !(*name)->empty()) facts.name = **name;
  CAIRN_ASSIGN_OR_RETURN(facts.chat_template, file.find_string("tokenizer.chat_template"));
  return facts;
}

Result<FileFacts> file_facts(const HfFolder& folder, const std::string& path) {
  return FileFacts{
      .name = name_in_path(path), .chat_template = folder.chat_template(), .file_bytes = folder.file_bytes()};
}

}  // namespace cairn
