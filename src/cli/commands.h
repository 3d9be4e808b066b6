// The commands of `cairn`: the options of each, and the function that runs it. Options are plain data, filled by
// the parser (parse.h): names are already turned into values, numbers are not yet checked against a model.
//
// A command writes results and notes to the console. It returns errors, which main prints.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cairn/speculation.h"
#include "cairn/status.h"
#include "cli/chat_settings.h"
#include "cli/request_options.h"
#include "engine/open_engine.h"
#include "engine/pace_limits.h"
#include "kernels/isa.h"
#include "kernels/weights/tensor_type.h"
#include "model/synth.h"
#include "model/weights_form.h"
#include "server/api_keys.h"
#include "text/chat_template.h"
#include "text/tokenizer.h"

namespace cairn {

class Console;

// What a script sees of the outcome. Documented in `cairn --help`.
enum class ExitCode : int {
  kDone = 0,
  kFailed = 1,         // a file, the machine or the model is at fault
  kBadUsage = 2,       // the request makes no sense: an option, an empty prompt, invalid UTF-8
  kInterrupted = 130,  // Ctrl-C, as shells number it (128 + SIGINT), and other signals that ask for an end
};

// kBadUsage where the caller's own value is wrong, kFailed for all other errors.
[[nodiscard]] inline ExitCode exit_code_of(const Status& status) {
  if (status.ok()) return ExitCode::kDone;
  return status.code() == StatusCode::kInvalidArgument ? ExitCode::kBadUsage : ExitCode::kFailed;
}

// Whether results are for people or one JSON object on standard output.
enum class OutputForm : uint8_t { kText, kJson };

// Where blocks are kept besides memory.
struct TierSettings {
  std::optional<std::string> disk;     // --kv-disk: a folder; absent: none
  std::optional<uint64_t> disk_bytes;  // --kv-disk-size; absent: a tenth of what is free, at most 50 GiB
  std::vector<std::string> remote;     // --kv-remote: a URL, or several nodes of one Cluster; empty: none
  std::optional<std::string> certificates;  // --kv-remote-ca; absent: the system's
  LoadPolicy load = LoadPolicy::kAuto;      // --kv-load
};

// The options of every command that runs a model.
struct CommonOptions {
  std::optional<std::string> model_path;          // -m; absent: the demo model
  std::optional<Isa> isa;                         // --isa; absent: the best of this machine
  std::optional<int> thread_count;                // -t, at least 1; absent: all usable physical cores
  KvStorageKind storage = KvStorageKind::kPaged;  // --cache
  std::optional<KvPlan> kv_plan;                  // --kv; absent: f16 in all layers
  PrefixSharing sharing = PrefixSharing::kOn;     // --no-sharing
  std::optional<uint64_t> kv_memory_bytes;        // --kv-memory; absent: what the context needs
  TierSettings tiers;
  // -c, at least 1; --endless: kEndless; absent: min(the model's, kDefaultContext)
  std::optional<int64_t> context;
  ContextLimit context_limit = ContextLimit::kOfModel;    // --extend-context: none
  int64_t prefill_chunk = EngineOptions().prefill_chunk;  // --prefill-chunk, at least 1
  TokenizerOptions tokenizer;                             // --pre
  Speculation speculation = Speculation::kOff;            // --speculate
  std::optional<std::string> draft_model;                 // --draft-model
  bool shows_notes = true;                                // of the model; not with --quiet
  OutputForm output_form = OutputForm::kText;             // --json
};

[[nodiscard]] inline bool is_endless(const CommonOptions& options) { return options.context == kEndless; }
[[nodiscard]] inline bool guesses_ahead(const CommonOptions& options) {
  return options.speculation != Speculation::kOff || options.draft_model.has_value();
}

// Whether prompts find each other's blocks: only paged ones can be shared.
[[nodiscard]] inline PrefixSharing sharing_of(const CommonOptions& options) {
  return options.storage == KvStorageKind::kPaged ? options.sharing : PrefixSharing::kOff;
}

// cairn generate: text that continues a prompt, written as it is generated.
struct GenerateOptions {
  CommonOptions common;
  PromptOptions prompt;
  SamplingOptions sampling;
  int64_t sample_count = 1;  // --samples: so many texts side by side
  int64_t beam_count = 0;    // --beams: the likeliest texts by beam search; 0: none
  bool explains = false;     // --explain: how the prompt was matched with the cache
  // -n; absent: until the context is full. 512 is enough for a page; a model that never ends should not run for an hour.
  std::optional<int64_t> max_tokens = 512;
};

Result<ExitCode> run_generate(const GenerateOptions& options, Console& console);

// cairn chat: turn by turn; earlier turns stay in the cache.
struct ChatOptions {
  CommonOptions common;
  ChatSettings settings;
  std::optional<std::string> system;         // --system: the system message
  std::optional<std::string> chat_template;  // --chat-template: a file or a name; absent: the model's own
  std::vector<std::pair<std::string, TemplateVariable>> template_variables;  // --template-var
  bool explains = false;      // --explain: how each prompt was matched with the cache
  bool shows_choices = true;  // --quiet: no line about what was chosen, and no statistics
  bool keeps_history = true;  // --no-history: what is typed is not kept for later runs
};

Result<ExitCode> run_chat(const ChatOptions& options, Console& console);

// cairn tokenize: text to token ids and their pieces, and back. Loads no weights.
struct TokenizeOptions {
  std::optional<std::string> model_path;
  TokenizerOptions tokenizer;                        // --pre
  PromptOptions input;                               // text or file
  std::optional<std::vector<TokenId>> decode;        // --decode: ids instead of a text
  BosEos bos_eos = BosEos::kOfPrompt;                // --no-bos
  SpecialText special_text = SpecialText::kLiteral;  // --special; with --decode: their names are shown
  enum class Form : uint8_t { kTable, kIds, kJson } form = Form::kTable;
};

Status run_tokenize(const TokenizeOptions& options, Console& console);

// cairn model: what is in a model file. Loads no weights.
struct ModelInfoOptions {
  std::optional<std::string> model_path;
  TokenizerOptions tokenizer;  // --pre
  enum class What : uint8_t { kSummary, kPath, kMetadata } what = What::kSummary;
  OutputForm output_form = OutputForm::kText;
};

Status run_model_info(const ModelInfoOptions& options, Console& console);

// cairn model synth: a model file of a real shape with random weights, for benches and tests.
struct ModelSynthOptions {
  SynthOptions synth;
  std::string path;
  enum class Existing : uint8_t { kIsKept, kIsReplaced } existing = Existing::kIsKept;  // --force
};

Result<ExitCode> run_model_synth(const ModelSynthOptions& options, Console& console);

// A shape that a user gives in numbers.
struct GivenShape {
  std::optional<int64_t> layer_count, head_count, head_dim;  // all three are needed
  std::optional<int64_t> model_dim;                          // absent: head_count x head_dim
  std::optional<int64_t> ffn_dim, vocab_size;                // absent: nothing is known of the weights

  [[nodiscard]] bool is_given() const {
    return layer_count || head_count || head_dim || model_dim || ffn_dim || vocab_size;
  }
};

// cairn plan: memory and what fits, before anything is loaded.
struct PlanOptions {
  // At most one of the four is set; none: the demo model.
  std::optional<std::string> model_path;   // -m
  std::optional<std::string> config_path;  // --config: a config.json without weights
  std::optional<std::string> preset;       // --preset: a published shape
  GivenShape shape;                        // --layers and its like

  std::optional<int64_t> context;  // absent: min(the model's, kDefaultContext); kEndless: --endless
  ContextLimit context_limit = ContextLimit::kOfModel;
  int64_t sequences = 1;          // at once
  std::optional<KvPlan> kv_plan;  // absent: f16 in all layers; with --endless, default_kv_plan()
  std::optional<TensorType>
      weights_type;                      // absent: as in the file; without a file, config.json's type or f16
  std::optional<int64_t> kv_head_count;  // absent: the model's own
  int64_t shared_prefix = 0;             // positions that all sequences begin with
  int64_t prefill_chunk = EngineOptions().prefill_chunk;
  std::optional<int> thread_count;       // absent: all usable physical cores
  std::optional<uint64_t> memory_bytes;  // --memory: of another machine, all of it free; absent: this one's
  bool explains = false;                 // --explain: when a cache pays, and tables that texts give
  OutputForm output_form = OutputForm::kText;
};

Status run_plan(const PlanOptions& options, Console& console);

// cairn verify: the laws, checked on the user's own model and machine.
enum class VerifyScope : uint8_t {
  kModel,     // the model, with the weights of its file
  kFamilies,  // and synthetic models: a tiny one of each family, and every weight type
};

struct VerifyOptions {
  CommonOptions common;  // isa and thread_count absent: all that the machine has are compared
  VerifyScope scope = VerifyScope::kModel;  // --families
  // -n: positions to compare in each row; absent: the command's choice
  std::optional<int64_t> position_count;
  uint64_t seed = 1;  // of made-up texts
};

// Prints tables: what was varied, how much was compared, equal or the first difference. kFailed where
// anything differs; kInterrupted where Ctrl-C ended it and nothing differed until then.
Result<ExitCode> run_verify(const VerifyOptions& options, Console& console);

// cairn key: the keys of a server's tenants.
struct KeyOptions {
  enum class What : uint8_t { kNew, kList } what = What::kNew;
  TenantConfig tenant;  // of a new key, all but its hash
  std::optional<std::string>
      file;  // kNew: --file, where its line is added; absent: it is shown. kList: the file
};

Result<ExitCode> run_key(const KeyOptions& options, Console& console);

// cairn bench: what the machine can do, and how much of it the engine reaches. The command line takes the names
// of the subjects in lower case.
enum class BenchSubject : uint8_t {
  kAll,
  kCache,   // generating with and without the cache, and the counts beside their formulas
  kSpeed,   // decode and prefill beside the machine's ceilings
  kDepth,   // what depth costs: decode and prefill behind many positions, by codec
  kCodecs,  // what each KV plan costs in bytes, and changes in a model's predictions of a text (--file)
  kStream,  // a text without end: speed, memory and perplexity, part by part; not part of kAll: it takes long
  kShared,  // many sequences that begin alike: memory, speed, and what a hit saves
  kPace,    // streams beside a long prompt; not part of kAll: it takes long
  kScheduler,    // what the engine's own work costs in a step; not part of kAll, which is about the model
  kConstrained,  // what constraints cost: masks, and a token with and without one; likewise
  kSpeculate,    // what guessing tokens ahead gains and costs; not part of kAll: it takes long
  kGrowth,       // what a token costs as depth, sequences, the index and threads grow; likewise
  kTiers,  // a prefix from memory, disk and a remote store; not part of kAll: it needs a place to keep blocks in
  kServe,  // a server under load; has options of its own (BenchServeOptions)
};

// How tables are written.
enum class TableForm : uint8_t { kAligned, kCsv };

struct BenchOptions {
  CommonOptions common;
  BenchSubject subject = BenchSubject::kAll;
  TableForm table_form = TableForm::kAligned;  // --csv
  std::vector<int64_t> lengths;                // --lengths, of cache; empty: its own
  std::vector<int64_t> depths;                 // --depths, of depth; empty: its own
  int64_t rounds = 5;                          // --rounds, of speed
  bool every_codec = false;                    // --every-codec, of depth and codecs: not only the usual ones
  int64_t pace = kUsualPace;                   // --pace, of pace: what is compared with none
  // Of growth:
  std::optional<std::string> plot_file;  // --plot: where a plot is written
  int64_t index_blocks = 1'000'000;      // --index-blocks: named blocks in the largest prefix index
  // Of codecs and stream:
  std::vector<std::string> text_files;  // -f; codecs needs one, stream takes one at most
  std::optional<KvPlan> reference;      // --reference; absent: f32
  std::optional<int64_t> token_count;   // -n, of each file; absent: all (stream without a file: 100,000)
  WeightsForm weights_form = WeightsForm::kAsStored;  // --f32-weights
};

// Rows are printed as they are measured. kInterrupted: Ctrl-C ended it, and what there was has been printed.
Result<ExitCode> run_bench(const BenchOptions& options, Console& console);

}  // namespace cairn
