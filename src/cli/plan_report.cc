// PlanReport's numbers.
#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/machine.h"
#include "cli/plan.h"
#include "cli/plan_retention.h"
#include "cli/plan_savings.h"
#include "engine/layer_visibility.h"
#include "engine/open_engine.h"
#include "kv/kv_plan_lists.h"

namespace cairn {
namespace {

using Source = PlannedModel::Source;

KvPlan kv_plan_of(const PlannedModel& model, const PlanOptions& options) {
  return options.kv_plan.value_or(default_kv_plan(model.sizes.config, options.context));
}

// A published or given shape is there to calculate with; a model that could be loaded has to allow the context.
Result<int64_t> planned_context(const PlannedModel& model, const PlanOptions& options) {
  const bool is_any_length = options.context.value_or(kEndless) != kEndless &&
                             (model.source == Source::kPreset || model.source == Source::kShape);
  Result<int64_t> context = is_any_length ? Result<int64_t>(*options.context)
                                          : context_for(model.sizes.config, kv_plan_of(model, options),
                                                        options.context, options.context_limit);
  if (!context.ok()) return context;
  if (options.shared_prefix > *context) {
    return invalid_argument(fmt::format("--shared-prefix {} is longer than a sequence: --context is {}",
                                        options.shared_prefix, *context));
  }
  return context;
}

// Bytes of the codes alone, without scales and minima, of so many blocks of each layer group.
uint64_t bare_bytes(const KvGeometry& geometry, const Config& config, const std::vector<int64_t>& blocks) {
  const auto codecs = geometry.plan().resolve(config.layer_count, config.head_dim);
  uint64_t bytes = 0;
  if (!codecs.ok()) return bytes;
  for (int64_t layer = 0; layer < config.layer_count; ++layer) {
    const KvLayerPlan& plan = (*codecs)[static_cast<size_t>(layer)];
    const int64_t bits = kv_format_bits(plan.keys.format) + kv_format_bits(plan.values.format);
    const int64_t positions = blocks[static_cast<size_t>(geometry.group_of(layer))] * kBlockSize;
    bytes += static_cast<uint64_t>(bits * config.kv_head_count * config.head_dim * positions) / 8;
  }
  return bytes;
}

// Of each layer group, without what is kept for later sequences.
std::vector<int64_t> blocks_in_use(const KvMemory& memory) {
  std::vector<int64_t> blocks = memory.pool_blocks;
  for (size_t group = 0; group < blocks.size(); ++group) blocks[group] -= memory.resume_blocks[group];
  return blocks;
}

// What the next position adds: it pushes another one out of each window.
uint64_t growth_bytes_of(const KvGeometry& geometry) {
  uint64_t bytes = 0;
  for (int32_t group = 0; group < geometry.group_count(); ++group) {
    if (geometry.visibility(group).sees_all()) bytes += geometry.block_bytes(group) / kBlockSize;
  }
  return bytes;
}

uint64_t sequence_bytes_of(const KvGeometry& geometry, const KvMemory& memory) {
  uint64_t bytes = 0;
  for (int32_t group = 0; group < geometry.group_count(); ++group) {
    const int64_t blocks = memory.sequence_blocks[static_cast<size_t>(group)];
    bytes += static_cast<uint64_t>(blocks) * geometry.block_bytes(group);
  }
  return bytes;
}

class Reporter {
 public:
  explicit Reporter(PlanReport& report) : report_(report) {}

  Status fill() {
    const MemoryWish& wish = report_.wish;
    CAIRN_ASSIGN_OR_RETURN(report_.plan, plan_memory(report_.model.sizes, wish));
    CAIRN_ASSIGN_OR_RETURN(const KvGeometry geometry, geometry_of(wish));
    CAIRN_ASSIGN_OR_RETURN(const KvMemory memory, plan_kv_memory(report_.config(), wish));
    report_.position_bytes = geometry.position_bytes();
    report_.growth_bytes = growth_bytes_of(geometry);
    report_.has_flat_memory = std::ranges::all_of(memory.sequence_blocks, [&](int64_t blocks) {
      return blocks < KvGeometry::blocks_for(wish.engine.context);
    });
    report_.sequence_bytes = sequence_bytes_of(geometry, memory);
    CAIRN_RETURN_IF_ERROR(measure_reach());
    report_.groups = group_rows(report_.config(), geometry, memory, wish.engine.context);
    CAIRN_ASSIGN_OR_RETURN(report_.limits, limits_of(wish));
    report_.fits = fits(report_.plan);
    count_shared();
    for (const KvPlan& plan : kv_plans_of_every_format()) CAIRN_RETURN_IF_ERROR(add_codec(plan));
    CAIRN_ASSIGN_OR_RETURN(report_.savings, savings_of(report_.model.sizes, wish, report_.plan));
    CAIRN_ASSIGN_OR_RETURN(report_.saved, saved_by_windows(report_.model.sizes, wish));
    return {};
  }

 private:
  [[nodiscard]] Result<KvGeometry> geometry_of(const MemoryWish& wish) const {
    CAIRN_ASSIGN_OR_RETURN(const KvShape shape,
                           kv_shape_of(report_.config(), wish.engine.kv_plan, wish.engine.context));
    return KvGeometry::make(shape);
  }
  [[nodiscard]] bool fits(const MemoryPlan& plan) const {
    return plan.total_bytes() <= report_.machine.available_bytes;
  }

  // A table of positions has an end; RoPE knows distances only.
  Status measure_reach() {
    const EngineOptions& engine = report_.wish.engine;
    report_.reach = engine.context;
    if (report_.config().learned_positions) return {};
    CAIRN_ASSIGN_OR_RETURN(const auto layers,
                           layer_visibility(report_.config(), engine.kv_plan, engine.context));
    report_.reach = largest_reach(layers, engine.context);
    return {};
  }

  // The longest text that is looked at; without end where every layer forgets.
  [[nodiscard]] Result<int64_t> context_max() const {
    const EngineOptions& engine = report_.wish.engine;
    const bool is_shape = report_.model.source == Source::kShape;
    const int64_t made_for = is_shape ? kLongestShape : report_.config().context_length;
    const int64_t longest = std::max(made_for, engine.context);
    if (report_.config().learned_positions) return longest;
    CAIRN_ASSIGN_OR_RETURN(const auto layers, layer_visibility(report_.config(), engine.kv_plan, kEndless));
    return largest_reach(layers, kEndless) <= longest ? kEndless : longest;
  }
  [[nodiscard]] Result<MemoryLimits> limits_of(const MemoryWish& wish) const {
    CAIRN_ASSIGN_OR_RETURN(const int64_t longest, context_max());
    return memory_limits(report_.model.sizes, wish, report_.machine.available_bytes, longest);
  }

  // Only layers that keep all positions keep a prefix once: the others keep what each sequence saw last.
  void count_shared() {
    const MemoryWish& wish = report_.wish;
    const int64_t others = wish.engine.max_sequences - 1;
    const int64_t blocks = KvGeometry::blocks_for(wish.engine.context);
    const int64_t shared =
        report_.growth_bytes > 0 ? shared_blocks(wish.shared_prefix, wish.engine.context) : 0;
    report_.prefix_saves_bytes = static_cast<uint64_t>(others * shared * kBlockSize) * report_.growth_bytes;
    report_.blocks = {.shared = shared,
                      .of_each = blocks - shared,
                      .in_all = shared + wish.engine.max_sequences * (blocks - shared),
                      .unshared = wish.engine.max_sequences * blocks};
  }

  Status add_codec(const KvPlan& codec) {
    const Config& config = report_.config();
    MemoryWish wish = report_.wish;
    wish.engine.kv_plan = report_.wish.engine.kv_plan.with_codecs(codec);
    CAIRN_ASSIGN_OR_RETURN(const KvGeometry geometry, geometry_of(wish));
    CAIRN_ASSIGN_OR_RETURN(const MemoryPlan plan, plan_memory(report_.model.sizes, wish));
    CAIRN_ASSIGN_OR_RETURN(const KvMemory memory, plan_kv_memory(config, wish));
    const int64_t elements = 2 * config.layer_count * config.kv_head_count * config.head_dim;
    CodecRow row{.codec = codec.text(),
                 .plan = wish.engine.kv_plan.text(),
                 .bits = 8 * static_cast<double>(geometry.position_bytes()) / static_cast<double>(elements),
                 .growth_bytes = growth_bytes_of(geometry),
                 .sequence_bytes = sequence_bytes_of(geometry, memory),
                 .kv_bytes = plan.kv_bytes,
                 .bare_bytes = bare_bytes(geometry, config, blocks_in_use(memory)),
                 .open_bytes = plan.open_bytes,
                 .total_bytes = plan.total_bytes(),
                 .fits = fits(plan)};
    CAIRN_ASSIGN_OR_RETURN(row.limits, limits_of(wish));
    report_.codecs.push_back(std::move(row));
    return {};
  }

  PlanReport& report_;
};

}  // namespace

Result<PlanReport> make_plan_report(PlannedModel model, const PlanOptions& options,
                                    const MemoryFacts& machine) {
  PlanReport report{.model = std::move(model), .machine = machine, .explains = options.explains};
  if (options.memory_bytes.has_value()) {
    report.machine = {.total_bytes = *options.memory_bytes, .available_bytes = *options.memory_bytes};
    report.is_this_machine = false;
  }
  CAIRN_ASSIGN_OR_RETURN(report.wish.engine.context, planned_context(report.model, options));
  report.wish.engine.max_sequences = options.sequences;
  report.wish.engine.prefill_chunk = options.prefill_chunk;
  report.wish.engine.kv_plan = kv_plan_of(report.model, options);
  report.wish.thread_count = options.thread_count.value_or(usable_core_count());
  report.wish.shared_prefix = options.shared_prefix;
  CAIRN_RETURN_IF_ERROR(Reporter(report).fill());
  return report;
}

}  // namespace cairn
