// FileFacts: what a model's file says beside its plan and its tokenizer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "cairn/status.h"

namespace cairn {

class GgufFile;
class HfFolder;

struct FileFacts {
  std::string name;  // as the file says; else the last part of its path. It need not be UTF-8
  std::optional<std::string> chat_template;  // Jinja source
  uint64_t file_bytes = 0;
};

// kInvalidData: the chat template is no text.
Result<FileFacts> file_facts(const GgufFile& file, const std::string& path);
Result<FileFacts> file_facts(const HfFolder& folder, const std::string& path);

}  // namespace cairn
