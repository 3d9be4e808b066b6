// cairn verify.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/machine.h"
#include "base/printable.h"
#include "base/thread_pool.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/long_run.h"
#include "cli/open_model.h"
#include "cli/output_format.h"
#include "cli/terminal_input.h"
#include "cli/verify_lines.h"
#include "cli/verify_report.h"
#include "engine/verify/laws.h"
#include "model/synth.h"

namespace cairn {
namespace {

constexpr std::string_view kEveryTypeShape = "tiny-256";  // whose rows every weight type fits
constexpr TensorType kFamilyTypes[] = {TensorType::kF32, TensorType::kBF16, TensorType::kQ8_0,
                                       TensorType::kQ4_0, TensorType::kQ4_K};
// Three blocks, and past the tiny models' windows. The plain kernels pay for two blocks and one row type.
constexpr int64_t kFamilyPositions = 70;
constexpr int64_t kScalarPositions = 34;

class ScratchFolder {
 public:
  static Result<ScratchFolder> make() {
    std::error_code error;
    auto pattern = (std::filesystem::temp_directory_path(error) / "cairn-verify-XXXXXX").string();
    if (error || ::mkdtemp(pattern.data()) == nullptr) {
      return internal_error(fmt::format("no temporary folder can be made like {}: {}",
                                        printable_path(pattern), std::strerror(errno)));
    }
    return ScratchFolder(std::move(pattern));
  }
  ScratchFolder(ScratchFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ScratchFolder& operator=(ScratchFolder&&) = delete;
  ~ScratchFolder() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }
  [[nodiscard]] std::string at(const std::string& name) const { return path_ + "/" + name; }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

struct MadeModel {
  std::string shape;
  TensorType type;
};

std::vector<MadeModel> made_models() {
  std::vector<MadeModel> list;
  for (const std::string_view shape : synth_shape_names()) {
    if (!shape.starts_with("tiny-")) continue;
    const std::span<const TensorType> types =
        shape == kEveryTypeShape ? std::span<const TensorType>(kAllTensorTypes) : kFamilyTypes;
    for (const TensorType type : types) list.push_back({std::string(shape), type});
  }
  return list;
}

// The rows of one made model under one instruction set.
Result<std::vector<LawRow>> check_made(const std::string& path, Isa isa, LawOptions laws) {
  ThreadPool threads(laws.thread_counts.front());
  CAIRN_ASSIGN_OR_RETURN(const auto model, Model::load(path, kernels_for(isa), threads));
  laws.text_kind = TextKind::kRandom;
  const bool is_slow = isa == Isa::kScalar;
  if (is_slow) laws.kv_plans.resize(1);
  if (!laws.position_count.has_value()) laws.position_count = is_slow ? kScalarPositions : kFamilyPositions;
  return check_laws(model, laws);
}

// Writes each model to a temporary folder, checks it with each of `isas`, and removes it. `laws`: thread counts,
// row types, the seed, and a position count where one is given.
Result<std::vector<VerifiedModel>> verify_families(std::span<const Isa> isas, LawOptions laws,
                                                   const Watch& watch) {
  CAIRN_ASSIGN_OR_RETURN(const ScratchFolder folder, ScratchFolder::make());
  const std::string path = folder.at("model.gguf");
  const std::vector<MadeModel> list = made_models();
  LongRun progress(watch.console, watch.interrupt, "verifying synthetic models");
  laws.keeps_going = [&] { return !progress.is_stopped(); };
  ModelLines lines(watch);
  uint64_t done = 0;
  std::vector<VerifiedModel> verified;
  for (const MadeModel& made : list) {
    CAIRN_ASSIGN_OR_RETURN(const SynthReport report,
                           write_synthetic_model({.shape = made.shape, .type = made.type}, path));
    for (const Isa isa : isas) {
      VerifiedModel model{
          .name = made.shape, .weights = std::string(tensor_type_info(made.type).name), .isa = isa};
      if (!report.notes.empty()) {
        model.not_applicable = fmt::format("rows of {} need multiples of {}", model.weights,
                                           tensor_type_info(made.type).elements);
      } else {
        CAIRN_ASSIGN_OR_RETURN(model.rows, check_made(path, isa, laws));
      }
      verified.push_back(std::move(model));
      progress.update(++done, list.size() * isas.size());
      if (progress.is_stopped()) return verified;
    }
    lines.add(std::span(verified).last(isas.size()));
  }
  return verified;
}

// --isa, else all that this machine has, the fastest first.
Result<std::vector<Isa>> chosen_isas(const CommonOptions& common) {
  if (!common.isa.has_value()) {
    std::vector<Isa> isas = available_isas();
    std::ranges::reverse(isas);
    return isas;
  }
  CAIRN_ASSIGN_OR_RETURN(const Kernels* kernels, select_kernels(isa_name(*common.isa)));
  return std::vector<Isa>{kernels->isa};
}

// The command line's choice comes first; the others are compared with it.
LawOptions law_options(const VerifyOptions& options) {
  LawOptions laws{.position_count = options.position_count,
                  .kv_plans = {options.common.kv_plan.value_or(KvPlan())},
                  .thread_counts = {options.common.thread_count.value_or(usable_core_count())},
                  .seed = options.seed};
  const auto add = [](auto& list, const auto& value) {
    if (std::ranges::find(list, value) == list.end()) list.push_back(value);
  };
  for (const KvPlan& plan : default_law_plans()) add(laws.kv_plans, plan);
  for (const int count : {1, 2, usable_core_count()}) add(laws.thread_counts, count);
  return laws;
}

std::string thread_counts_text(const LawOptions& laws) {
  return fmt::format("{}", fmt::join(laws.thread_counts, ", "));
}

// A model that the plain kernels would need hours for is not run with them unless --isa names them.
bool is_too_slow(const Model& model, const VerifyOptions& options) {
  if (model.kernels().isa != Isa::kScalar || options.common.isa.has_value()) return false;
  constexpr uint64_t kManyProducts = 200'000'000;  // for one position: a fifth of a second and more
  return model.layer_products_per_row() + model.output_products_per_row() > kManyProducts;
}

Result<std::vector<VerifiedModel>> verify_model(const std::string& path, std::span<const Isa> isas,
                                                const VerifyOptions& options, const Watch& watch) {
  Console& console = watch.console;
  PlanLines lines(watch);
  std::vector<VerifiedModel> verified;
  for (const Isa isa : isas) {
    if (watch.interrupt.is_raised()) break;
    LawOptions laws = law_options(options);
    // Loaded for one position: how long the laws' texts are is decided when the model is known.
    const OpenOptions open{.isa = std::string(isa_name(isa)),
                           .thread_count = laws.thread_counts.front(),
                           .context = 1,
                           .tokenizer = options.common.tokenizer};
    CAIRN_ASSIGN_OR_RETURN(const OpenModel opened, open_model(path, open, console));
    if (isa == isas.front()) print_notes(opened.model->notes(), console);
    if (is_too_slow(*opened.model, options)) {
      console.note(
          fmt::format("{} is left out: this model would take it hours; --isa {} runs it all the same",
                      isa_name(isa), isa_name(isa)));
      continue;
    }
    if (!laws.position_count.has_value()) laws.position_count = default_law_positions(*opened.model);
    console.note(fmt::format("{}: {} positions{}, threads {}", isa_name(isa), *laws.position_count,
                             isa == Isa::kScalar ? " (it is slow, so a text may be shorter)" : "",
                             thread_counts_text(laws)));
    LongRun run(console, watch.interrupt, fmt::format("verifying with {}", isa_name(isa)));
    laws.on_progress = [&](const LawProgress& progress) { run.update(progress.done, progress.total); };
    laws.keeps_going = [&] { return !run.is_stopped(); };
    lines.begin(isa);
    laws.on_row = [&](const LawRow& row) { lines.add(row); };
    VerifiedModel model{.name = path, .isa = isa};
    CAIRN_ASSIGN_OR_RETURN(model.rows, check_laws(opened.model, laws));
    lines.end();
    verified.push_back(std::move(model));
  }
  return verified;
}

// The check of all that is asked for, with lines for people as it goes on.
Result<std::vector<VerifiedModel>> verify_all(const VerifyOptions& options, const Watch& watch) {
  CAIRN_ASSIGN_OR_RETURN(const std::vector<Isa> isas, chosen_isas(options.common));
  const auto path = model_path(options.common);
  const bool families = options.scope == VerifyScope::kFamilies;
  // Synthetic models need no file: where the demo model is absent, they are checked alone.
  if (!path.ok() && !families) return path.status();

  std::vector<VerifiedModel> all;
  if (path.ok()) {
    watch.say(fmt::format("{}\n", printable_path(*path)));
    CAIRN_ASSIGN_OR_RETURN(all, verify_model(*path, isas, options, watch));
    watch.say(fmt::format("\nThe same by what was varied\n{}\n", ways_table(all)));
  }
  if (families && !watch.interrupt.is_raised()) {
    watch.say("Synthetic models, random weights\n");
    CAIRN_ASSIGN_OR_RETURN(auto made, verify_families(isas, law_options(options), watch));
    watch.say("\n");
    std::ranges::move(made, std::back_inserter(all));
  }
  return all;
}

}  // namespace

Result<ExitCode> run_verify(const VerifyOptions& options, Console& console) {
  const Interrupt interrupt(Interrupt::SecondTime::kEndsTheProgram);
  const bool is_json = options.common.output_form == OutputForm::kJson;
  const Watch watch{console, interrupt, is_json ? Watch::Lines::kNone : Watch::Lines::kShown};
  CAIRN_ASSIGN_OR_RETURN(const std::vector<VerifiedModel> verified, verify_all(options, watch));
  const VerifyCounts counts = count_rows(verified);
  const bool is_stopped = interrupt.is_raised();
  if (is_json) {
    console.write(verify_json(verified, is_stopped ? Extent::kStoppedEarly : Extent::kWhole));
  } else {
    watch.say(verdict(counts) + "\n");
    if (is_stopped) watch.say("The check was stopped: the rest was not compared.\n");
  }
  if (counts.bad_row_count > 0) return ExitCode::kFailed;
  return is_stopped ? ExitCode::kInterrupted : ExitCode::kDone;
}

}  // namespace cairn
