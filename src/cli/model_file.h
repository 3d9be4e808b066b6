// ModelFile: a model's file seen from outside: its head, without weights. A GGUF file or a Hugging Face
// folder.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cairn/status.h"
#include "files/gguf.h"
#include "files/hf_folder.h"
#include "model/model_plan.h"
#include "text/tokenizer.h"

namespace cairn {

class ModelFile {
 public:
  static Result<ModelFile> open(const std::string& path);

  [[nodiscard]] std::string kind() const;  // "GGUF v3", "Hugging Face folder"
  [[nodiscard]] Result<Tokenizer> tokenizer() const;
  // What Cairn makes of it, or why it cannot run it.
  [[nodiscard]] Result<ModelPlan> plan() const;
  [[nodiscard]] std::optional<std::string> chat_template() const;
  [[nodiscard]] std::span<const Tensor> tensors() const;
  [[nodiscard]] uint64_t file_bytes() const;
  // Keys and one-line values, long ones shortened.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> metadata() const;

 private:
  using File = std::variant<GgufFile, HfFolder>;
  explicit ModelFile(File file) : file_(std::move(file)) {}
  File file_;
};

}  // namespace cairn
