#include "cli/open_model.h"

#include <fmt/format.h>

#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/printable.h"
#include "cli/console.h"
#include "cli/output_format.h"
#include "cli/tier_options.h"

namespace cairn {
namespace {

constexpr const char* kFileName = "cairn-demo.gguf";

bool is_file(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

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

DemoModelPlaces demo_model_places() {
  DemoModelPlaces places{.source = CAIRN_DEMO_MODEL_SOURCE};
  if (const char* named = std::getenv("CAIRN_DEMO_MODEL"); named != nullptr && *named != '\0') {
    places.named = named;
  }
  std::error_code error;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) places.program = program;
  return places;
}

Result<std::string> find_demo_model(const DemoModelPlaces& places) {
  if (places.named.has_value()) {
    if (is_file(*places.named)) return *places.named;
    return not_found(fmt::format("there is no file {}, which CAIRN_DEMO_MODEL names as the demo model",
                                 printable_path(*places.named)));
  }
  std::vector<std::filesystem::path> candidates;
  if (places.program.has_value()) {
    const auto above = places.program->parent_path().parent_path();
    candidates = {above / "models" / kFileName, above / "share" / "cairn" / kFileName};
  }
  candidates.push_back(places.source);

  std::string looked;
  for (const auto& candidate : candidates) {
    if (is_file(candidate)) return candidate.string();
    looked += (looked.empty() ? "" : ", ") + printable_path(candidate.string());
  }
  return not_found(fmt::format("the demo model is not there (looked for {}): name a model with -m", looked));
}

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

Result<Tokenizer> ModelFile::tokenizer(const TokenizerOptions& options) const {
  return std::visit([&](const auto& file) { return load_tokenizer(file, options); }, file_);
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

std::span<const ForeignTensor> ModelFile::foreign_tensors() const {
  return std::visit([](const auto& file) { return file.foreign_tensors(); }, file_);
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

Result<std::string> model_path(const CommonOptions& options) {
  if (options.model_path.has_value()) return *options.model_path;
  return find_demo_model(demo_model_places());
}

Result<Tokenizer> open_tokenizer(const std::string& path, const TokenizerOptions& options) {
  std::filesystem::path folder = path;
  if (folder.filename() == "tokenizer.json") folder = folder.has_parent_path() ? folder.parent_path() : ".";
  std::error_code ignored;
  if (std::filesystem::is_directory(folder, ignored)) {
    CAIRN_ASSIGN_OR_RETURN(const HfFolder opened, HfFolder::open_tokenizer(folder.string()));
    return load_tokenizer(opened, options);
  }
  CAIRN_ASSIGN_OR_RETURN(const GgufFile file, GgufFile::open(path));
  return load_tokenizer(file, options);
}

OpenOptions open_options(const CommonOptions& options, int64_t max_sequences) {
  OpenOptions open{.thread_count = options.thread_count,
                   .context = options.context,
                   .context_limit = options.context_limit,
                   .tokenizer = options.tokenizer,
                   .kv_plan = options.kv_plan,
                   .engine = {.storage = options.storage,
                              .sharing = options.sharing,
                              .max_sequences = max_sequences,
                              .prefill_chunk = options.prefill_chunk,
                              .pool_bytes = options.kv_memory_bytes,
                              .drafter = make_drafter(options.speculation)},
                   .draft_model = options.draft_model};
  if (options.isa.has_value()) open.isa = isa_name(*options.isa);
  return open;
}

Result<OpenModel> open_model(const std::string& path, OpenOptions options, Console& console) {
  const SteadyClock clock;
  const uint64_t begin_ns = clock.now_ns();
  const auto load = [&] {
    ProgressBar bar(console, "loading");
    options.on_load_progress = [&](uint64_t done, uint64_t total) { bar.update(done, total); };
    return load_model(path, options);
  };
  CAIRN_ASSIGN_OR_RETURN(LoadedModel loaded, load());
  if (loaded.reach > loaded.made_for) {
    console.note(
        fmt::format("warning: {} of {} positions, but {} was made for {}: beyond that its text gets worse",
                    loaded.reach < loaded.engine_options.context ? "sinks and a window" : "a context",
                    loaded.reach, printable_path(path), loaded.made_for));
  }
  return OpenModel{std::move(loaded), path, clock.now_ns() - begin_ns};
}

Result<OpenModel> open_model(const CommonOptions& options, Console& console, int64_t max_sequences) {
  return open_model(options, console, max_sequences, {});
}

Result<OpenModel> open_model(const CommonOptions& options, Console& console, int64_t max_sequences,
                             decltype(OpenOptions::prepare) prepare) {
  CAIRN_ASSIGN_OR_RETURN(const std::string path, model_path(options));
  OpenOptions open = open_options(options, max_sequences);
  open.prepare = std::move(prepare);
  CAIRN_ASSIGN_OR_RETURN(open.engine.tiers, open_tiers(options.tiers));
  CAIRN_ASSIGN_OR_RETURN(OpenModel opened, open_model(path, std::move(open), console));
  if (!options.shows_notes) return opened;
  print_notes(opened.model->notes(), console);
  const auto processors = static_cast<int>(std::thread::hardware_concurrency());  // that this process may use
  if (const int threads = opened.threads->thread_count(); processors > 0 && threads > processors) {
    console.note(fmt::format("warning: {} threads take turns on {} processor{}, which is slow: leave -t out",
                             threads, processors, processors == 1 ? "" : "s"));
  }
  return opened;
}

void print_notes(std::span<const std::string> notes, Console& console) {
  for (const std::string& note : notes) console.note("note: " + with_flags(note));
}

std::string context_text(int64_t context) {
  return context == kEndless ? "no end" : fmt::format("context {}", context);
}

std::string describe_choices(const OpenModel& opened, const EngineOptions& options, const KvCache& cache) {
  const int threads = opened.threads->thread_count();
  const std::string guessing =
      options.drafter == nullptr ? "" : fmt::format(", guessing by {}", options.drafter->name());
  return fmt::format("{} ({}, {}), {}, {} thread{}, {}, cache {} {} ({}){}", printable_path(opened.path),
                     opened.model->config().family, human_bytes(opened.model->file_bytes()),
                     isa_name(opened.kernels->isa), threads, threads == 1 ? "" : "s",
                     context_text(options.context), kv_storage_kind_name(options.storage),
                     options.kv_plan.text(), human_bytes(cache.pool_bytes()), guessing);
}

}  // namespace cairn
