#include "cli/plan_windows_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/output_format.h"
#include "cli/window_words.h"

namespace cairn {
namespace {

using Origin = GroupRow::Origin;

const char* origin_text(Origin origin) {
  switch (origin) {
    case Origin::kNoWindow: return "";
    case Origin::kModel: return "the model";
    case Origin::kPlan: return "the KV plan";
    case Origin::kBoth: return "both";
  }
  return "";
}

std::string sentence(const PlanReport& report, const Saved& saved) {
  const std::string whose =
      saved.by == Saved::By::kModel ? "The model's own windows" : "The KV plan's retention";
  if (saved.with_bytes >= saved.without_bytes) {
    return fmt::format("{} save{} nothing at {} positions.\n", whose,
                       saved.by == Saved::By::kModel ? "" : "s", grouped_count(report.wish.engine.context));
  }
  const uint64_t saves = saved.without_bytes - saved.with_bytes;
  const double part = static_cast<double>(saves) / static_cast<double>(saved.without_bytes);
  return fmt::format("{} save{} {} of {} GB ({:.0f} %), against {}.\n", whose,
                     saved.by == Saved::By::kModel ? "" : "s", gb_text(saves), gb_text(saved.without_bytes),
                     part * 100,
                     saved.by == Saved::By::kModel ? "keeping all positions" : "the same plan without it");
}

std::string loss_text(const PlanReport& report) {
  return std::string(report.growth_bytes == 0
                         ? "What lies beyond the KV plan's window cannot be recalled"
                         : "Layers with the KV plan's window cannot recall what lies beyond it") +
         " (--explain: which tasks lose by it).\n";
}

}  // namespace

bool plan_forgets(const PlanReport& report) {
  return std::ranges::any_of(report.groups, [](const GroupRow& row) {
    return row.origin == Origin::kPlan || row.origin == Origin::kBoth;
  });
}

std::string groups_text(const PlanReport& report) {
  if (!report.has_windows()) return "";
  Table table({{"layers", Align::kLeft},
               {"see", Align::kLeft},
               {"window of", Align::kLeft},
               {"positions kept of a sequence", Align::kRight},
               {"blocks", Align::kRight},
               {"bytes", Align::kRight},
               {"GB", Align::kRight},
               {"GiB", Align::kRight}});
  for (const GroupRow& row : report.groups) {
    table.add_row({row.layers, seen_text(row.seen), origin_text(row.origin), grouped_count(row.positions),
                   grouped_count(row.block_count), grouped(row.bytes), gb_text(row.bytes),
                   gib_text(row.bytes)});
  }
  return "\nKeys and values of all sequences, by what layers see:\n" + table.aligned() +
         "Blocks: what is kept of each sequence, and where there is a window the rows of one step.\n";
}

std::string saved_text(const PlanReport& report) {
  std::string text;
  for (const Saved& saved : report.saved) text += sentence(report, saved);
  if (plan_forgets(report)) text += loss_text(report);
  return text;
}

}  // namespace cairn
