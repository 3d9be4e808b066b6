// Drafts of model files: small, editable descriptions of a GGUF file and of a Hugging Face folder that are
// valid llama models until a test breaks them. Weights are all zero: only plans are made of them. Test
// support.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <map>
#include <string>
#include <vector>

#include "cairn/status.h"
#include "files/gguf_writer.h"
#include "model/config.h"
#include "model/model_plan.h"

namespace cairn {

class GgufDraft {
 public:
  GgufDraft();  // arch llama: 2 layers of 8, 2 heads and 1 KV head of 4, ffn 6, vocabulary 10

  void set(const std::string& key, GgufSetting value);
  void erase(const std::string& key);
  void add_tensor(const std::string& name, std::vector<int64_t> shape, TensorType type = TensorType::kF32);
  void reshape(const std::string& name, std::vector<int64_t> shape);
  void erase_tensor(const std::string& name);
  // "llama." before a key becomes "<architecture>.", and general.architecture is set.
  void rename_architecture(const std::string& architecture);

  [[nodiscard]] Result<Config> plan() const;
  [[nodiscard]] std::vector<std::string> notes() const;  // of the plan

 private:
  [[nodiscard]] Result<ModelPlan> whole_plan() const;  // points to nothing any more
  GgufHeader header_;
};

// The value of config.json's "architectures". (In braces alone, compilers disagree on whether it is an
// array.)
boost::json::array architectures(const char* name);

class HfDraft {
 public:
  HfDraft();  // the same model as config.json and tensors

  boost::json::object config;
  std::map<std::string, std::vector<int64_t>> tensors;  // all F32

  // Writes the folder into the tests' temporary directory, plans it and removes it.
  [[nodiscard]] Result<Config> plan() const;
  [[nodiscard]] std::vector<std::string> notes() const;

 private:
  [[nodiscard]] Result<ModelPlan> whole_plan() const;
};

}  // namespace cairn
