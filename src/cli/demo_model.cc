#include "cli/demo_model.h"

#include <fmt/format.h>

#include <cstdlib>
#include <vector>

#include "base/printable.h"

namespace cairn {
namespace {

constexpr const char* kFileName = "cairn-demo.gguf";

bool is_file(const std::filesystem::path& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
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
    return not_found(fmt::format("there is no file {}, where CAIRN_DEMO_MODEL says that the demo model is",
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

}  // namespace cairn
