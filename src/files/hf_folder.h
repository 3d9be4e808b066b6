// HfFolder: a Hugging Face model folder: config.json, one or several safetensors files (single, or with
// model.safetensors.index.json), tokenizer.json, tokenizer_config.json or chat_template.jinja,
// generation_config.json. Tensors are mapped read-only and checked like those of a GGUF file.
#pragma once

#include <boost/json/object.hpp>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "files/foreign_tensor.h"
#include "files/tensor.h"

namespace cairn {

class HfFolder {
 public:
  // Needs config.json and at least one safetensors file; the others are optional here.
  static Result<HfFolder> open(const std::string& directory);

  // The files of a tokenizer alone: needs tokenizer.json; no weights are looked for, config.json may be missing.
  static Result<HfFolder> open_tokenizer(const std::string& directory);

  // A config.json alone, as if its matrices were stored as `type`: for plan_model.
  static HfFolder without_weights(boost::json::object config, TensorType type);

  HfFolder(HfFolder&&) noexcept;
  HfFolder& operator=(HfFolder&&) noexcept;
  ~HfFolder();

  [[nodiscard]] const boost::json::object& config() const;
  [[nodiscard]] const boost::json::object* tokenizer() const;          // tokenizer.json
  [[nodiscard]] const boost::json::object* tokenizer_config() const;   // tokenizer_config.json
  [[nodiscard]] const boost::json::object* generation_config() const;  // generation_config.json
  // chat_template.jinja, else tokenizer_config's.
  [[nodiscard]] std::optional<std::string> chat_template() const;

  // The type given to without_weights; nullopt for a folder with weights.
  [[nodiscard]] std::optional<TensorType> imagined_type() const;
  [[nodiscard]] std::span<const Tensor> tensors() const;
  [[nodiscard]] const Tensor* find_tensor(std::string_view name) const;
  [[nodiscard]] std::span<const ForeignTensor> foreign_tensors() const;  // whose types Cairn does not run
  [[nodiscard]] uint64_t file_bytes() const;                             // of all safetensors files
  // Frees what a tokenizer was made from: tokenizer.json takes ten times its size in memory. Afterwards
  // tokenizer() is null.
  void forget_tokenizer();
  void copy(std::span<const std::byte> bytes, std::byte* to) const;  // as GgufFile::copy
  void release(std::span<const std::byte> bytes) const;              // as GgufFile::release

 private:
  struct Impl;
  explicit HfFolder(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
