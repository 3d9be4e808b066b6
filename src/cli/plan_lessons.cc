#include "cli/plan_lessons.h"

#include <fmt/format.h>

#include "cli/output_format.h"
#include "cli/plan_windows_text.h"

namespace cairn {
namespace {

std::string qwen3_8b_readings() {
  // 36 layers, 32 heads (without sharing; the model has 8 KV heads) of 128, 40,960 positions.
  constexpr uint64_t kElements = uint64_t{2} * 36 * 32 * 128 * 40960;
  // The texts' own numbers: 8.0e9 parameters, and 3.04 GB of FP32 for all else, halved with each precision.
  constexpr double kParameters = 8.0e9;
  constexpr double kOtherF32 = 3.04;
  Table table({{"precision", Align::kLeft},
               {"weights*", Align::kRight},
               {"KV as texts say", Align::kRight},
               {"other*", Align::kRight},
               {"total as texts say", Align::kRight},
               {"KV exactly, GB", Align::kRight},
               {"GiB", Align::kRight}});
  struct Row {
    const char* name;
    uint64_t bits;
  };
  for (const auto& [name, bits] : {Row{"FP32", 32}, Row{"FP16", 16}, Row{"INT8", 8}, Row{"INT4", 4}}) {
    const uint64_t bytes = kElements * bits / 8;
    const double share = static_cast<double>(bits) / 32;
    const double weights = kParameters * 4 * share / 1e9;
    const double kv = static_cast<double>(bytes) / (1024.0 * 1024.0 * 1000.0);  // MiB taken for MB
    const double other = kOtherF32 * share;
    table.add_row({name, fmt::format("{:.0f}", weights), fmt::format("{:.2f}", kv),
                   fmt::format("{:.2f}", other), fmt::format("{:.2f}", weights + kv + other), gb_text(bytes),
                   gib_text(bytes)});
  }
  return "The table that texts give for this model (40,960 positions, 32 heads without sharing, no "
         "scales):\n" +
         table.aligned() +
         "* estimates. The texts' KV column counts MiB and calls 1,000 of them a GB; the model's own 8 KV "
         "heads\n"
         "  need a quarter of it: 11.25 GiB at FP32.\n";
}

std::string when_a_cache_does_not_pay() {
  return R"(A KV cache does not pay
- for one pass over a text (scoring, classification, embeddings): each position is computed once either way, and
  nothing is generated that would read it again;
- for prompts and answers of a few tokens: it saves a few positions' work, and a step reads all weights anyway;
- in training: all positions are known and run together, and keys and values are stale after each update;
- for bidirectional encoders: every token sees the later ones, so a new token changes all keys and values.
)";
}

std::string when_a_window_loses() {
  return R"(What lies beyond a window cannot be recalled
- Much is lost where an answer stands far back: questions about the beginning of a long document, names and numbers that
  were said once, tables, code that refers to what was defined long before.
- Little is lost in running text, in small talk, and in summaries of what was said last.
- Sinks keep the text fluent behind a full window; they do not bring the middle back.
- A model's own windows are no such loss: it was trained with them.
)";
}

}  // namespace

std::string plan_lessons(const PlanReport& report) {
  std::string text;
  if (report.model.source == PlannedModel::Source::kPreset && report.model.name == "qwen3-8b") {
    text += "\n" + qwen3_8b_readings();
  }
  if (plan_forgets(report)) text += "\n" + when_a_window_loses();
  return text + "\n" + when_a_cache_does_not_pay();
}

}  // namespace cairn
