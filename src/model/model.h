// Model: an open model file made ready to run: config, packed weights, tokenizer. Immutable and shared by
// engines.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/sha256.h"
#include "cairn/status.h"
#include "kernels/kernels.h"
#include "model/config.h"
#include "model/file_facts.h"
#include "model/weights_form.h"
#include "text/tokenizer.h"

namespace cairn {

class ThreadPool;
struct Weights;

struct ModelPlan;

struct ModelLoadOptions {
  // Called before any weight is loaded: the context to load the model for, by which its RoPE is settled (model/rope.h). An
  // error it returns is the result of the load. Empty: the model's whole context.
  std::function<Result<int64_t>(const ModelPlan&, const Tokenizer&)> accept;
  // Called with bytes done and bytes in all while weights are packed; may be empty.
  std::function<void(uint64_t done_bytes, uint64_t total_bytes)> progress;
  TokenizerOptions tokenizer;
  WeightsForm weights_form = WeightsForm::kAsStored;
  // Model::fingerprint() is wanted: every weight is read once more. What calls `progress` hears of packing only.
  bool wants_fingerprint = false;
};

class Model {
 public:
  // `path`: a GGUF file, the first file of a split one, or a Hugging Face folder. Weights are packed for
  // `kernels`, which must outlive the model. Errors: those of GgufFile, HfFolder, plan_model, load_tokenizer.
  static Result<std::shared_ptr<const Model>> load(const std::string& path, const Kernels& kernels,
                                                   ThreadPool& threads, const ModelLoadOptions& options = {});
  ~Model();

  [[nodiscard]] const Config& config() const;  // settled
  [[nodiscard]] const Weights& weights() const;
  [[nodiscard]] const Kernels& kernels() const;
  [[nodiscard]] const Tokenizer& tokenizer() const;
  // ModelPlan::notes, then those of the tokenizer: what its user should know.
  [[nodiscard]] std::span<const std::string> notes() const;
  [[nodiscard]] const FileFacts& file_facts() const;
  [[nodiscard]] const std::optional<std::string>& chat_template() const { return file_facts().chat_template; }
  // Bytes in the file of every matrix that decoding one token reads (the input embedding only if tied).
  [[nodiscard]] uint64_t decode_weight_bytes() const;
  // Multiply-adds of all matrices for one row (the output matrix excluded), and those of the output matrix.
  [[nodiscard]] uint64_t layer_products_per_row() const;
  [[nodiscard]] uint64_t output_products_per_row() const;
  // model_fingerprint() of the file, where it was wanted.
  [[nodiscard]] const std::optional<Sha256Digest>& fingerprint() const;
  [[nodiscard]] uint64_t file_bytes() const { return file_facts().file_bytes; }

 private:
  struct Impl;
  explicit Model(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
