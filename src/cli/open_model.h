// A command's model: where it is, what its file holds beside the weights, and opening it to run.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cairn/status.h"
#include "cli/commands.h"
#include "engine/open_engine.h"
#include "files/gguf.h"
#include "files/hf_folder.h"
#include "model/model_plan.h"
#include "text/tokenizer.h"

namespace cairn {

class Console;

// Where the demo model may be: the model that commands run when -m names none.
struct DemoModelPlaces {
  std::optional<std::string> named;  // by the environment (CAIRN_DEMO_MODEL); no other place is tried then
  std::optional<std::filesystem::path> program;  // the running program's file
  std::filesystem::path source;                  // where the tree that it was built from has it
};

// Those of this process.
[[nodiscard]] DemoModelPlaces demo_model_places();

// The first place that has the file: `named`; ../models/ and ../share/cairn/ seen from the program's folder;
// `source`. kNotFound names the places that were looked at.
Result<std::string> find_demo_model(const DemoModelPlaces& places);

// A GGUF file or a Hugging Face folder, without its weights.
class ModelFile {
 public:
  static Result<ModelFile> open(const std::string& path);

  [[nodiscard]] std::string kind() const;  // "GGUF v3", "Hugging Face folder"
  [[nodiscard]] Result<Tokenizer> tokenizer(const TokenizerOptions& options) const;
  // How Cairn would run it, or why it cannot.
  [[nodiscard]] Result<ModelPlan> plan() const;
  [[nodiscard]] std::optional<std::string> chat_template() const;
  [[nodiscard]] std::span<const Tensor> tensors() const;
  [[nodiscard]] std::span<const ForeignTensor> foreign_tensors() const;
  [[nodiscard]] uint64_t file_bytes() const;
  // Keys and one-line values, long ones shortened.
  [[nodiscard]] std::vector<std::pair<std::string, std::string>> metadata() const;

 private:
  using File = std::variant<GgufFile, HfFolder>;
  explicit ModelFile(File file) : file_(std::move(file)) {}
  File file_;
};

// The model's file or folder: -m, else the demo model's file. kNotFound where there is neither.
Result<std::string> model_path(const CommonOptions& options);

// The tokenizer of a GGUF file, of a Hugging Face folder or beside a tokenizer.json. Weights may be missing.
Result<Tokenizer> open_tokenizer(const std::string& path, const TokenizerOptions& options);

// The options that the command line gives, with an engine for `max_sequences` sequences.
[[nodiscard]] OpenOptions open_options(const CommonOptions& options, int64_t max_sequences = 1);

struct OpenModel : LoadedModel {
  std::string path;
  uint64_t load_ns = 0;
};

// load_model with a progress bar; prints the model's notes where they are wanted. Errors: those of load_model and model_path.
Result<OpenModel> open_model(const CommonOptions& options, Console& console, int64_t max_sequences = 1);
// The same with OpenOptions::prepare.
Result<OpenModel> open_model(const CommonOptions& options, Console& console, int64_t max_sequences,
                             decltype(OpenOptions::prepare) prepare);
// The same where the caller chooses path and options (verify opens a model several times); prints no notes.
Result<OpenModel> open_model(const std::string& path, OpenOptions options, Console& console);

// A line for each note of a model or a tokenizer, for standard error.
void print_notes(std::span<const std::string> notes, Console& console);

// "context 8192", or "no end".
[[nodiscard]] std::string context_text(int64_t context);

// One line of what was chosen, for standard error: model, instruction set, threads, context, cache, guessing.
[[nodiscard]] std::string describe_choices(const OpenModel& opened, const EngineOptions& options,
                                           const KvCache& cache);

}  // namespace cairn
