// PlanReport as `cairn plan` prints it for people.
#include <fmt/format.h>

#include <string>

#include "cli/plan_report.h"
#include "cli/plan_words.h"
#include "cli/table.h"

namespace cairn {
namespace {

std::string grouped_count(int64_t n) { return grouped(static_cast<uint64_t>(n)); }

std::string heads_of(const Config& c) {
  if (c.kv_head_count == c.head_count) {
    return fmt::format("{} heads of {}, each with keys and values of its own", c.head_count, c.head_dim);
  }
  return fmt::format("{} query heads share {} KV head{} of {}", c.head_count, c.kv_head_count,
                     c.kv_head_count == 1 ? "" : "s", c.head_dim);
}

std::string head_text(const PlanReport& report) {
  const Config& c = report.config();
  const EngineOptions& engine = report.wish.engine;
  const char* kind = report.model.source == PlannedModel::Source::kPreset ? " (published shape)" : "";
  std::string text =
      fmt::format("model    {}{}: {}, {} parameters; weights: {}\n", report.model.name, kind, c.family,
                  grouped(report.model.sizes.weights.parameter_count), report.model.weights_type);
  text += fmt::format("shape    {} layers of dimension {}; {}; made for {} positions\n", c.layer_count,
                      grouped_count(c.model_dim), heads_of(c), grouped_count(c.context_length));
  text +=
      fmt::format("asked    {} sequence{} of {} positions, KV plan {}, prefill chunk {}, {} thread{}\n\n",
                  grouped_count(engine.max_sequences), engine.max_sequences == 1 ? "" : "s",
                  grouped_count(engine.context), engine.kv_plan.text(), grouped_count(engine.prefill_chunk),
                  report.wish.thread_count, report.wish.thread_count == 1 ? "" : "s");
  return text;
}

std::string parts_text(const PlanReport& report) {
  const MemoryPlan& plan = report.plan;
  Table table({{"", Align::kLeft},
               {"bytes", Align::kRight},
               {"GB", Align::kRight},
               {"GiB", Align::kRight},
               {"", Align::kLeft}});
  const auto row = [&](const char* name, uint64_t bytes, const std::string& note) {
    table.add_row({name, grouped(bytes), gb_text(bytes), gib_text(bytes), note});
  };
  row("weights", plan.weights_bytes,
      report.model.weights_are_exact ? "exact: packed, with norms and biases"
                                     : "estimate: as if all matrices had one type");
  row("keys and values", plan.kv_bytes,
      fmt::format("exact: {} a position, {} a sequence", grouped(report.position_bytes),
                  grouped(report.sequence_bytes)));
  row("open rows", plan.open_bytes, "exact: of blocks that are not sealed yet");
  row("work buffers", plan.step_bytes, "exact: of one step");
  row("sampling", plan.sampling_bytes, "exact: logits and the sampler's tables");
  row("tokenizer", plan.tokenizer_bytes, "estimate");
  row("program", plan.program_bytes, "estimate: code and libraries");
  row("total", plan.total_bytes(), "the peak of the process");
  return table.aligned();
}

std::string limits_line(const PlanReport& report) {
  const EngineOptions& engine = report.wish.engine;
  const auto count_or_none = [](int64_t n) { return n == 0 ? std::string("none") : grouped_count(n); };
  const bool is_whole = report.limits.longest_context >= report.config().context_length;
  return fmt::format(
      "The longest context for {} sequence{} that fits: {}{}. The most sequences of {} positions: {}{}.\n",
      grouped_count(engine.max_sequences), engine.max_sequences == 1 ? "" : "s",
      count_or_none(report.limits.longest_context), is_whole ? " (all that the model was made for)" : "",
      grouped_count(engine.context), count_or_none(report.limits.most_sequences),
      report.limits.most_sequences == kMostSequences ? " or more" : "");
}

std::string machine_text(const PlanReport& report) {
  std::string text =
      fmt::format("\nThis machine has {} GiB free of {} GiB: {}.\n", gib_text(report.machine.available_bytes),
                  gib_text(report.machine.total_bytes), report.fits ? "it fits" : "it does not fit");
  text += limits_line(report);
  if (report.wish.shared_prefix > 0) {
    text += fmt::format(
        "A prefix of {} positions that all sequences share is kept once: that saves {} bytes ({} GB, {} "
        "GiB).\n",
        grouped_count(report.wish.shared_prefix), grouped(report.prefix_saves_bytes),
        gb_text(report.prefix_saves_bytes), gib_text(report.prefix_saves_bytes));
  }
  return text;
}

std::string codecs_text(const PlanReport& report) {
  Table table({{"--kv", Align::kLeft},
               {"bits", Align::kRight},
               {"a position", Align::kRight},
               {"GB", Align::kRight},
               {"GiB", Align::kRight},
               {"without scales", Align::kRight},
               {"total GiB", Align::kRight},
               {"fits", Align::kLeft},
               {"longest context", Align::kRight},
               {"most sequences", Align::kRight}});
  for (const CodecRow& row : report.codecs) {
    const bool has_scales = row.bare_bytes != row.kv_bytes;
    table.add_row({row.plan, fmt::format("{:g}", row.bits), grouped(row.position_bytes),
                   gb_text(row.kv_bytes), gib_text(row.kv_bytes),
                   has_scales ? gb_text(row.bare_bytes) + " GB" : "", gib_text(row.total_bytes),
                   row.fits ? "yes" : "no", grouped_count(row.limits.longest_context),
                   grouped_count(row.limits.most_sequences)});
  }
  return "\nKeys and values of all sequences, by codec:\n" + table.aligned();
}

}  // namespace

std::string plan_text(const PlanReport& report) {
  std::string text = head_text(report) + parts_text(report) + machine_text(report) + codecs_text(report);
  if (report.model.source == PlannedModel::Source::kPreset && report.model.name == "qwen3-8b") {
    text += "\n" + qwen3_8b_readings();
  }
  return text + "\n" + when_a_cache_does_not_pay();
}

}  // namespace cairn
