// PlanReport as `cairn plan --json` prints it.
#include <boost/json/array.hpp>

#include "cli/output_format.h"
#include "cli/plan.h"
#include "engine/open_engine.h"

namespace cairn {
namespace {

const char* source_name(PlannedModel::Source source) {
  switch (source) {
    case PlannedModel::Source::kFile: return "file";
    case PlannedModel::Source::kConfig: return "config";
    case PlannedModel::Source::kPreset: return "preset";
    case PlannedModel::Source::kShape: return "shape";
  }
  return "?";
}

// Null: unknown, where of the model only keys and values are known.
boost::json::value or_null(const PlanReport& report, uint64_t bytes) {
  return report.knows_weights() ? boost::json::value(bytes) : boost::json::value(nullptr);
}

// Null: any.
boost::json::value length(int64_t context) {
  return context == kEndless ? boost::json::value() : boost::json::value(context);
}

boost::json::array savings(const PlanReport& report) {
  boost::json::array rows;
  for (const Saving& saving : report.savings) {
    rows.push_back(boost::json::object{{"what", saving.what},
                                       {"kv_bytes", saving.row_bytes},
                                       {"saves_bytes", report.plan.row_bytes() - saving.row_bytes}});
  }
  return rows;
}

boost::json::array saved(const PlanReport& report) {
  boost::json::array rows;
  for (const Saved& saved : report.saved) {
    const auto saves = static_cast<int64_t>(saved.without_bytes) - static_cast<int64_t>(saved.with_bytes);
    rows.push_back(boost::json::object{{"by", saved.by == Saved::By::kModel ? "model" : "plan"},
                                       {"kv_bytes_without", saved.without_bytes},
                                       {"kv_bytes_with", saved.with_bytes},
                                       {"saves_bytes", saves}});
  }
  return rows;
}

boost::json::value origin_name(GroupRow::Origin origin) {
  switch (origin) {
    case GroupRow::Origin::kNoWindow: return nullptr;
    case GroupRow::Origin::kModel: return "model";
    case GroupRow::Origin::kPlan: return "plan";
    case GroupRow::Origin::kBoth: return "both";
  }
  return nullptr;
}

boost::json::array groups(const PlanReport& report) {
  boost::json::array rows;
  for (const GroupRow& row : report.groups) {
    rows.push_back(boost::json::object{
        {"layers", row.layers},
        {"window", row.seen.sees_all() ? boost::json::value() : boost::json::value(row.seen.window)},
        {"sinks", row.seen.sinks},
        {"window_of", origin_name(row.origin)},
        {"positions_of_sequence", row.positions},
        {"blocks", row.block_count},
        {"bytes", row.bytes},
        {"resume_blocks", row.resume_block_count},
        {"resume_bytes", row.resume_bytes}});
  }
  return rows;
}

boost::json::array codec_rows(const PlanReport& report) {
  boost::json::array rows;
  for (const CodecRow& row : report.codecs) {
    rows.push_back(boost::json::object{{"kv", row.plan},
                                       {"bits_per_element", row.bits},
                                       {"kv_bytes_per_token", row.growth_bytes},
                                       {"kv_bytes_per_sequence", row.sequence_bytes},
                                       {"kv_bytes", row.kv_bytes},
                                       {"kv_bytes_without_scales", row.bare_bytes},
                                       {"open_bytes", row.open_bytes},
                                       {"total_bytes", or_null(report, row.total_bytes)},
                                       {"fits", row.fits},
                                       {"longest_context", length(row.limits.longest_context)},
                                       {"most_sequences", row.limits.most_sequences}});
  }
  return rows;
}

void add_model(const PlanReport& report, boost::json::object& object) {
  const Config& config = report.config();
  object["model"] = json_text(report.model.name);
  object["source"] = source_name(report.model.source);
  object["family"] = config.family;
  object["parameter_count"] = or_null(report, report.model.sizes.weights.parameter_count);
  object["layer_count"] = config.layer_count;
  object["head_count"] = config.head_count;
  object["kv_head_count"] = config.kv_head_count;
  object["head_dim"] = config.head_dim;
  object["context_length"] = config.context_length;
  object["weights_type"] = report.model.weights_type;
}

void add_wish(const PlanReport& report, boost::json::object& object) {
  const EngineOptions& engine = report.wish.engine;
  object["context"] = length(engine.context);
  object["context_is_beyond_model"] = report.context_is_beyond_model();
  object["sequences"] = engine.max_sequences;
  object["kv"] = engine.kv_plan.text();
  object["prefill_chunk"] = engine.prefill_chunk;
  object["threads"] = report.wish.thread_count;
}

}  // namespace

std::string plan_json(const PlanReport& report) {
  const MemoryPlan& plan = report.plan;
  boost::json::object object;
  add_model(report, object);
  add_wish(report, object);
  object["weights_bytes"] = or_null(report, plan.weights_bytes);
  object["kv_bytes"] = plan.kv_bytes;
  object["resume_bytes"] = plan.resume_bytes;
  object["kv_bytes_per_token"] = report.growth_bytes;
  object["kv_bytes_per_sequence"] = report.sequence_bytes;
  object["work_bytes"] = or_null(report, plan.work_bytes());
  object["open_bytes"] = plan.open_bytes;
  object["step_bytes"] = or_null(report, plan.step_bytes);
  object["sampling_bytes"] = or_null(report, plan.sampling_bytes);
  object["event_bytes"] = or_null(report, plan.event_bytes);
  object["tokenizer_bytes"] = or_null(report, plan.tokenizer_bytes);
  object["program_bytes"] = or_null(report, plan.program_bytes);
  object["loading_bytes"] = or_null(report, plan.loading_bytes);
  object["total_bytes"] = or_null(report, plan.total_bytes());
  boost::json::array estimates{"tokenizer_bytes", "program_bytes"};
  if (!report.model.weights_are_exact) estimates.emplace_back("weights_bytes");
  object["estimates"] = std::move(estimates);
  if (report.wish.shared_prefix > 0) {
    object["shared_prefix"] = boost::json::object{
        {"positions", report.wish.shared_prefix}, {"saves_bytes", report.prefix_saves_bytes},
        {"shared_blocks", report.blocks.shared},  {"blocks_of_each", report.blocks.of_each},
        {"blocks", report.blocks.in_all},         {"blocks_without_sharing", report.blocks.unshared}};
  }
  object["machine_bytes"] = report.machine.total_bytes;
  object["available_bytes"] = report.machine.available_bytes;
  object["fits"] = report.fits;
  object["longest_context"] = length(report.limits.longest_context);
  object["most_sequences"] = report.limits.most_sequences;
  object["codecs"] = codec_rows(report);
  object["groups"] = groups(report);
  object["savings"] = savings(report);
  object["saved"] = saved(report);
  return json_line(object);
}

}  // namespace cairn
