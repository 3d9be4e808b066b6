#include "engine/load_words.h"

#include <fmt/format.h>

#include "base/check.h"

namespace cairn {
namespace {

std::string ms(uint64_t ns) {
  const double value = static_cast<double>(ns) / 1e6;
  return fmt::format("{:.{}f} ms", value, value < 10 ? 2 : 0);
}

std::string estimates(const LoadReport& report) {
  const std::string computing = report.computing_ns == 0 ? "not known yet" : ms(report.computing_ns);
  return fmt::format("estimated: loading {}, computing {}", ms(report.loading_ns), computing);
}

std::string sources(const LoadReport& report) {
  const int64_t disk = report.positions[static_cast<size_t>(Tier::kDisk)];
  const int64_t remote = report.positions[static_cast<size_t>(Tier::kRemote)];
  if (remote == 0) return fmt::format("{} from disk", disk);
  if (disk == 0) return fmt::format("{} from the remote store", remote);
  return fmt::format("{} from disk and {} from the remote store", disk, remote);
}

}  // namespace

std::string_view load_choice_name(LoadChoice choice) {
  switch (choice) {
    case LoadChoice::kNone: return "none";
    case LoadChoice::kLoaded: return "loaded";
    case LoadChoice::kComputed: return "computed";
    case LoadChoice::kNotAllowed: return "not_allowed";
  }
  CHECK(false);
  return {};
}

std::optional<std::string> explain_load(const LoadReport& report) {
  const int64_t found = report.found_positions;
  switch (report.choice) {
    case LoadChoice::kNone: return std::nullopt;
    case LoadChoice::kNotAllowed:
      return fmt::format("{} more are kept outside memory, and were computed again, as was asked for", found);
    case LoadChoice::kComputed:
      return fmt::format(
          "{} more are kept outside memory, but computing them was expected to be quicker ({})", found,
          estimates(report));
    case LoadChoice::kLoaded: break;
  }
  std::string text = fmt::format("{} were kept outside memory: {} came in {} ({})", found, sources(report),
                                 ms(report.took_ns), estimates(report));
  if (report.is_cut_short) text += "; a block was missing, damaged or late, so the rest was computed";
  return text;
}

}  // namespace cairn
