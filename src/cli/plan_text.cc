// PlanReport as `cairn plan` prints it.
#include <fmt/format.h>

#include <cmath>
#include <string>

#include "cli/output_format.h"
#include "cli/plan.h"
#include "cli/plan_lessons.h"
#include "cli/plan_windows_text.h"
#include "engine/open_engine.h"

namespace cairn {
namespace {

std::string decimals(double value) {
  if (value != 0 && value < 0.001) return fmt::format("{:.1g}", value);
  if (value != 0 && value < 0.01) return fmt::format("{:.2g}", value);
  return fmt::format("{:.2f}", std::round(value * 100) / 100);  // 5.625 is 5.63
}

std::string length_text(int64_t context) {
  return context == kEndless ? "any length" : fmt::format("{} positions", grouped_count(context));
}

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
  const bool is_preset = report.model.source == PlannedModel::Source::kPreset;
  const std::string name = report.model.name + (is_preset ? " (published shape)" : "");
  const std::string made_for = report.model.source == PlannedModel::Source::kShape
                                   ? ""
                                   : fmt::format("; made for {} positions", grouped_count(c.context_length));
  std::string text;
  if (report.knows_weights()) {
    text = fmt::format("model    {}: {}, {} parameters; weights: {}\n", name, c.family,
                       grouped(report.model.sizes.weights.parameter_count), report.model.weights_type);
    text += fmt::format("shape    {} layers of dimension {}; {}{}\n", c.layer_count,
                        grouped_count(c.model_dim), heads_of(c), made_for);
  } else {
    const std::string family = c.family.empty() ? "" : ", of " + c.family;
    text = fmt::format("model    {}{}: keys and values only, its weights are unknown\n", name, family);
    text += fmt::format("shape    {} layers; {}{}\n", c.layer_count, heads_of(c), made_for);
  }
  text += fmt::format("asked    {} sequence{} of {}, KV plan {}, prefill chunk {}, {} thread{}\n\n",
                      grouped_count(engine.max_sequences), engine.max_sequences == 1 ? "" : "s",
                      length_text(engine.context), engine.kv_plan.text(), grouped_count(engine.prefill_chunk),
                      report.wish.thread_count, report.wish.thread_count == 1 ? "" : "s");
  return text;
}

// What keys and values grow by, and what one sequence takes.
std::string rows_note(const PlanReport& report) {
  const std::string sequence = grouped(report.sequence_bytes);
  if (report.has_flat_memory) return fmt::format("exact: {} bytes a sequence, however long it is", sequence);
  if (report.has_windows()) {
    const std::string more = report.growth_bytes == 0
                                 ? "until its windows are full"
                                 : fmt::format("each position more adds {}", grouped(report.growth_bytes));
    return fmt::format("exact: {} bytes a sequence; {}", sequence, more);
  }
  return fmt::format("exact: {} a position, {} a sequence", grouped(report.position_bytes), sequence);
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
  if (!report.knows_weights()) {
    const bool is_given = report.model.source == PlannedModel::Source::kShape;
    table.add_row({"weights", "unknown", "", "", is_given ? "--ffn and --vocab would tell" : ""});
  } else {
    row("weights", plan.weights_bytes,
        report.model.weights_are_exact
            ? "exact: packed, with norms and biases; token embeddings stay in the file"
            : "estimate: as if all matrices had one type; token embeddings stay in the file");
  }
  row("keys and values", plan.kv_bytes, rows_note(report));
  if (plan.resume_bytes > 0) {
    row("kept for later", plan.resume_bytes, "exact: where other texts may go on from");
  }
  row("open rows", plan.open_bytes, "exact: of blocks that are not sealed yet");
  if (!report.knows_weights()) {
    table.add_row({"all else", "unknown", "", "", ""});
    return table.aligned();
  }
  row("work buffers", plan.step_bytes, "exact: of one step");
  row("sampling", plan.sampling_bytes, "exact: logits and the sampler's tables");
  row("events", plan.event_bytes, "exact: what happened last, to look at");
  row("tokenizer", plan.tokenizer_bytes, "estimate");
  row("program", plan.program_bytes, "estimate: code and libraries");
  row("total", plan.total_bytes(), "the peak of the process");
  return table.aligned();
}

std::string context_text(int64_t context) { return context == kEndless ? "any" : grouped_count(context); }

// What a preset was made for ends no plan: beyond it, what was asked is as far as was looked.
std::string context_remark(const PlanReport& report) {
  const int64_t longest = report.limits.longest_context;
  if (longest == kEndless) return " (no layer keeps all positions)";
  const int64_t made_for = report.config().context_length;
  if (report.model.source == PlannedModel::Source::kShape) return longest == kLongestShape ? " or more" : "";
  if (longest < made_for) return "";
  if (longest == made_for) return " (all that the model was made for)";
  const bool is_end_of_search = longest == report.wish.engine.context;
  return is_end_of_search ? " or more, which is more than the model was made for"
                          : " (more than the model was made for)";
}

std::string limits_line(const PlanReport& report) {
  const EngineOptions& engine = report.wish.engine;
  const auto count_or_none = [](int64_t n) { return n == 0 ? std::string("none") : grouped_count(n); };
  return fmt::format(
      "The longest context for {} sequence{} that fits: {}{}. The most sequences of {}: {}{}.\n",
      grouped_count(engine.max_sequences), engine.max_sequences == 1 ? "" : "s",
      report.limits.longest_context == 0 ? "none" : context_text(report.limits.longest_context),
      context_remark(report), length_text(engine.context), count_or_none(report.limits.most_sequences),
      report.limits.most_sequences == kMostSequences ? " or more" : "");
}

std::string prefix_text(const PlanReport& report) {
  if (report.wish.shared_prefix == 0) return "";
  const std::string prefix = grouped_count(report.wish.shared_prefix);
  if (report.growth_bytes == 0) {
    return fmt::format(
        "A prefix of {} positions that all sequences share saves nothing: no layer keeps all positions.\n",
        prefix);
  }
  const SharedBlocks& blocks = report.blocks;
  return fmt::format(
      "A prefix of {} positions that all sequences share is kept once{}: {} block{}, and {} for each "
      "sequence, {} in all "
      "instead of {}.\nThat saves {} bytes ({} GB, {} GiB).\n",
      prefix, report.has_windows() ? " where layers see all" : "", grouped_count(blocks.shared),
      blocks.shared == 1 ? "" : "s", grouped_count(blocks.of_each), grouped_count(blocks.in_all),
      grouped_count(blocks.unshared), grouped(report.prefix_saves_bytes), gb_text(report.prefix_saves_bytes),
      gib_text(report.prefix_saves_bytes));
}

std::string machine_text(const PlanReport& report) {
  const std::string machine =
      report.is_this_machine
          ? fmt::format("This machine has {} GiB free of {} GiB", gib_text(report.machine.available_bytes),
                        gib_text(report.machine.total_bytes))
          : fmt::format("A machine with {} GiB of free memory", gib_text(report.machine.available_bytes));
  const std::string what = report.knows_weights() ? "it fits" : "keys and values alone fit";
  const std::string what_not =
      report.knows_weights() ? "it does not fit" : "keys and values alone do not fit";
  std::string text = fmt::format("\n{}: {}.\n", machine, report.fits ? what : what_not);
  text += limits_line(report);
  return text + prefix_text(report);
}

std::string codecs_text(const PlanReport& report) {
  const bool forgets = plan_forgets(report);
  Table table({{forgets ? "codec" : "--kv", Align::kLeft},
               {"bits", Align::kRight},
               {report.has_windows() ? "a sequence" : "a position", Align::kRight},
               {"GB", Align::kRight},
               {"GiB", Align::kRight},
               {"without scales", Align::kRight},
               {"open rows GiB", Align::kRight},
               {"total GiB", Align::kRight},
               {"fits", Align::kLeft},
               {"longest context", Align::kRight},
               {"most sequences", Align::kRight}});
  for (const CodecRow& row : report.codecs) {
    const bool has_scales = row.bare_bytes != row.kv_bytes;
    table.add_row({forgets ? row.codec : row.plan, fmt::format("{:g}", row.bits),
                   grouped(report.has_windows() ? row.sequence_bytes : row.growth_bytes),
                   gb_text(row.kv_bytes), gib_text(row.kv_bytes),
                   has_scales ? gb_text(row.bare_bytes) + " GB" : "",
                   row.open_bytes > 0 ? gib_text(row.open_bytes) : "",
                   report.knows_weights() ? gib_text(row.total_bytes) : "unknown", row.fits ? "yes" : "no",
                   context_text(row.limits.longest_context), grouped_count(row.limits.most_sequences)});
  }
  const bool rotates = kv_can_rotate(report.config().head_dim);
  return fmt::format("\nKeys and values of all sequences, by codec{}:\n",
                     forgets ? ", each with the same windows" : "") +
         table.aligned() +
         (rotates ? "Integer formats by channel, rotated (int8 is int8:channel:hadamard).\n"
                  : "Integer formats by channel: such heads cannot be rotated.\n");
}

std::string savings_text(const PlanReport& report) {
  if (report.savings.empty()) return "";
  Table table({{"instead, each by itself", Align::kLeft},
               {"bytes", Align::kRight},
               {"GB", Align::kRight},
               {"GiB", Align::kRight},
               {"saves GB", Align::kRight},
               {"saves", Align::kRight}});
  const uint64_t now = report.plan.row_bytes();
  for (const Saving& saving : report.savings) {
    const double part = 1 - static_cast<double>(saving.row_bytes) / static_cast<double>(now);
    table.add_row({saving.what, grouped(saving.row_bytes), gb_text(saving.row_bytes),
                   gib_text(saving.row_bytes), gb_text(now - saving.row_bytes),
                   fmt::format("{:.0f} %", part * 100)});
  }
  return fmt::format("\nWhat would save, of {} GB of keys and values, open rows{} included:\n", gb_text(now),
                     report.plan.resume_bytes > 0 ? " and what is kept for later" : "") +
         table.aligned();
}

}  // namespace

std::string gb_text(uint64_t bytes) { return decimals(static_cast<double>(bytes) / 1e9); }
std::string gib_text(uint64_t bytes) {
  return decimals(static_cast<double>(bytes) / static_cast<double>(uint64_t{1} << 30));
}

std::string plan_text(const PlanReport& report) {
  const std::string text = head_text(report) + parts_text(report) + groups_text(report) +
                           machine_text(report) + saved_text(report) + codecs_text(report) +
                           savings_text(report);
  return report.explains ? text + plan_lessons(report) : text;
}

}  // namespace cairn
