#include "cli/verify_families.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "base/printable.h"
#include "base/thread_pool.h"
#include "cli/console.h"
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

}  // namespace

Result<std::vector<VerifiedModel>> verify_families(std::span<const Isa> isas, const LawOptions& laws,
                                                   Console& console) {
  CAIRN_ASSIGN_OR_RETURN(const ScratchFolder folder, ScratchFolder::make());
  const std::string path = folder.at("model.gguf");
  const std::vector<MadeModel> list = made_models();
  ProgressBar bar(console, "verifying made models");
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
      bar.update(++done, list.size() * isas.size());
    }
  }
  return verified;
}

}  // namespace cairn
