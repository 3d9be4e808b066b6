#include "cli/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <vector>

#include "base/machine.h"
#include "base/printable.h"
#include "cli/console.h"
#include "cli/open_model.h"
#include "cli/output_format.h"
#include "engine/open_engine.h"
#include "files/json.h"
#include "kv/kv_plan_lists.h"
#include "model/published_shapes.h"

namespace cairn {
namespace {

using Source = PlannedModel::Source;

Result<PlannedModel> sized(PlannedModel model, ModelPlan plan, const PlanOptions& options,
                           std::optional<TensorType> type) {
  if (options.kv_head_count.has_value()) {
    CAIRN_ASSIGN_OR_RETURN(plan, with_kv_heads(std::move(plan), *options.kv_head_count));
  }
  model.weights_type = type.has_value() ? std::string(tensor_type_info(*type).name) : "as the file has them";
  model.weights_are_exact = !type.has_value() && !options.kv_head_count.has_value();
  model.notes = plan.notes;
  model.sizes = {.config = plan.config, .weights = weight_sizes(plan, type)};
  return model;
}

// The weights' type in config.json; f16 where it names none that Cairn knows.
TensorType type_of_config(const boost::json::object& config) {
  for (const char* key : {"torch_dtype", "dtype"}) {
    const boost::json::value* value = config.if_contains(key);
    if (value == nullptr || !value->is_string()) continue;
    if (value->get_string() == "float32") return TensorType::kF32;
    if (value->get_string() == "bfloat16") return TensorType::kBF16;
  }
  return TensorType::kF16;
}

Result<PlannedModel> model_of_config(const std::string& name, const PlanOptions& options) {
  constexpr JsonLimits kLimits{.bytes_max = size_t{1} << 20, .depth_max = 32};
  CAIRN_ASSIGN_OR_RETURN(const boost::json::object config, load_json_object(name, kLimits));
  const TensorType type = options.weights_type.value_or(type_of_config(config));
  CAIRN_ASSIGN_OR_RETURN(ModelPlan plan, plan_model(config, type));
  return sized({.source = Source::kConfig, .name = printable_path(name)}, std::move(plan), options, type);
}

// A model of which only keys and values are known.
Result<PlannedModel> cache_only(PlannedModel model, Config config, const PlanOptions& options) {
  config.kv_head_count = options.kv_head_count.value_or(config.kv_head_count);
  if (config.head_count % config.kv_head_count != 0) {
    return invalid_argument(fmt::format("{} query heads cannot share {} KV heads evenly", config.head_count,
                                        config.kv_head_count));
  }
  config.layers.resize(static_cast<size_t>(config.layer_count));
  model.weights_type = "unknown";
  model.sizes = {.config = std::move(config), .weights = {}, .known = KnownSizes::kCache};
  return model;
}

Result<PlannedModel> model_of_preset(const std::string& name, const PlanOptions& options) {
  PlannedModel model{.source = Source::kPreset, .name = name};
  for (const PublishedCacheShape& shape : published_cache_shapes()) {
    if (shape.name != name) continue;
    Config config;
    config.family = "a family that Cairn does not run";
    config.layer_count = shape.layer_count;
    config.head_count = shape.head_count;
    config.kv_head_count = shape.kv_head_count;
    config.head_dim = shape.head_dim;
    config.context_length = shape.context_length;
    return cache_only(std::move(model), std::move(config), options);
  }
  const auto config = published_config(name);
  if (!config.has_value()) return invalid_argument("there is no preset '" + printable(name) + "'");
  const TensorType type = options.weights_type.value_or(TensorType::kF16);
  CAIRN_ASSIGN_OR_RETURN(ModelPlan plan, plan_model(*config, type));
  return sized(std::move(model), std::move(plan), options, type);
}

Status check_shape(const GivenShape& shape) {
  std::vector<std::string> missing;
  if (!shape.layer_count) missing.emplace_back("--layers");
  if (!shape.head_count) missing.emplace_back("--heads");
  if (!shape.head_dim) missing.emplace_back("--head-dim");
  if (missing.empty()) return {};
  return invalid_argument(fmt::format(
      "a shape needs --layers, --heads and --head-dim (and --ffn and --vocab for its weights): give {} too",
      fmt::join(missing, " and ")));
}

// As a llama of this shape, whose tied weights are counted apart.
Result<PlannedModel> model_of_shape(const GivenShape& shape, const PlanOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_shape(shape));
  PlannedModel model{.source = Source::kShape, .name = "the given shape"};
  const int64_t context = options.context.value_or(kDefaultContext);
  const int64_t model_dim = shape.model_dim.value_or(*shape.head_count * *shape.head_dim);
  if (!shape.ffn_dim || !shape.vocab_size) {
    Config config;
    config.layer_count = *shape.layer_count;
    config.head_count = *shape.head_count;
    config.kv_head_count = *shape.head_count;
    config.head_dim = *shape.head_dim;
    config.context_length = context;
    return cache_only(std::move(model), std::move(config), options);
  }
  const boost::json::object config{{"model_type", "llama"},
                                   {"num_hidden_layers", *shape.layer_count},
                                   {"hidden_size", model_dim},
                                   {"num_attention_heads", *shape.head_count},
                                   {"num_key_value_heads", options.kv_head_count.value_or(*shape.head_count)},
                                   {"head_dim", *shape.head_dim},
                                   {"intermediate_size", *shape.ffn_dim},
                                   {"vocab_size", *shape.vocab_size},
                                   {"max_position_embeddings", context}};
  const TensorType type = options.weights_type.value_or(TensorType::kF16);
  CAIRN_ASSIGN_OR_RETURN(ModelPlan plan, plan_model(config, type));
  return sized(std::move(model), std::move(plan), options, type);
}

// A published or given shape is there to calculate with; a model that could be loaded has to allow the context.
Result<int64_t> planned_context(const PlannedModel& model, const PlanOptions& options) {
  const bool is_any_length =
      options.context.has_value() && (model.source == Source::kPreset || model.source == Source::kShape);
  Result<int64_t> context = is_any_length
                                ? Result<int64_t>(*options.context)
                                : context_for(model.sizes.config, options.kv_plan.value_or(KvPlan()),
                                              options.context, options.context_limit);
  if (!context.ok()) return context;
  if (options.shared_prefix > *context) {
    return invalid_argument(fmt::format("--shared-prefix {} is longer than a sequence: --context is {}",
                                        options.shared_prefix, *context));
  }
  return context;
}

// Bytes of the codes alone, without scales and minima.
uint64_t bare_bytes(const Config& config, const KvPlan& plan, int64_t positions) {
  const auto codecs = plan.resolve(config.layer_count, config.head_dim);
  uint64_t bits = 0;
  if (!codecs.ok()) return bits;
  for (const KvLayerPlan& layer : *codecs) {
    bits += static_cast<uint64_t>(kv_format_bits(layer.keys.format) + kv_format_bits(layer.values.format));
  }
  return bits * static_cast<uint64_t>(config.kv_head_count * config.head_dim * positions) / 8;
}

class Reporter {
 public:
  explicit Reporter(PlanReport& report) : report_(report) {}

  Status fill() {
    const MemoryWish& wish = report_.wish;
    CAIRN_ASSIGN_OR_RETURN(report_.plan, plan_memory(report_.model.sizes, wish));
    CAIRN_ASSIGN_OR_RETURN(const KvGeometry geometry, geometry_of(wish.engine.kv_plan));
    const int64_t blocks = KvGeometry::blocks_for(wish.engine.context);
    report_.position_bytes = geometry.position_bytes();
    CAIRN_ASSIGN_OR_RETURN(report_.sequence_bytes, geometry.bytes_of_blocks(blocks));
    CAIRN_ASSIGN_OR_RETURN(report_.limits, limits_of(wish));
    report_.fits = fits(report_.plan);
    const int64_t shared = shared_blocks(wish.shared_prefix, wish.engine.context);
    CAIRN_ASSIGN_OR_RETURN(report_.prefix_saves_bytes,
                           geometry.bytes_of_blocks((wish.engine.max_sequences - 1) * shared));
    report_.blocks = {.shared = shared,
                      .of_each = blocks - shared,
                      .in_all = shared + wish.engine.max_sequences * (blocks - shared),
                      .unshared = wish.engine.max_sequences * blocks};
    for (const KvPlan& plan : kv_plans_of_every_format()) CAIRN_RETURN_IF_ERROR(add_codec(plan));
    return add_savings(geometry);
  }

 private:
  [[nodiscard]] Result<KvGeometry> geometry_of(const KvPlan& plan) const {
    CAIRN_ASSIGN_OR_RETURN(const KvShape shape,
                           kv_shape_of(report_.config(), plan, report_.wish.engine.context));
    return KvGeometry::make(shape);
  }
  [[nodiscard]] bool fits(const MemoryPlan& plan) const {
    return plan.total_bytes() <= report_.machine.available_bytes;
  }
  [[nodiscard]] Result<MemoryLimits> limits_of(const MemoryWish& wish) const {
    const bool is_shape = report_.model.source == Source::kShape;
    const int64_t made_for = is_shape ? kLongestShape : report_.config().context_length;
    const int64_t context_max = std::max(made_for, wish.engine.context);
    return memory_limits(report_.model.sizes, wish, report_.machine.available_bytes, context_max);
  }

  Status add_codec(const KvPlan& codec) {
    const Config& config = report_.config();
    MemoryWish wish = report_.wish;
    wish.engine.kv_plan = codec;
    CAIRN_ASSIGN_OR_RETURN(const KvGeometry geometry, geometry_of(wish.engine.kv_plan));
    CAIRN_ASSIGN_OR_RETURN(const MemoryPlan plan, plan_memory(report_.model.sizes, wish));
    const int64_t elements = 2 * config.layer_count * config.kv_head_count * config.head_dim;
    const uint64_t positions = plan.kv_bytes / geometry.position_bytes();
    CodecRow row{.plan = codec.text(),
                 .bits = 8 * static_cast<double>(geometry.position_bytes()) / static_cast<double>(elements),
                 .position_bytes = geometry.position_bytes(),
                 .kv_bytes = plan.kv_bytes,
                 .bare_bytes = bare_bytes(config, wish.engine.kv_plan, static_cast<int64_t>(positions)),
                 .open_bytes = plan.open_bytes,
                 .total_bytes = plan.total_bytes(),
                 .fits = fits(plan)};
    CAIRN_ASSIGN_OR_RETURN(row.limits, limits_of(wish));
    report_.codecs.push_back(row);
    return {};
  }

  // What smaller elements, a prefix in common, and windows would leave; each by itself.
  Status add_savings(const KvGeometry& geometry) {
    const MemoryWish& wish = report_.wish;
    MemoryWish smaller = wish;
    smaller.engine.kv_plan = KvPlan(KvFormat::kInt8);
    CAIRN_RETURN_IF_ERROR(add_saving("int8", smaller));
    MemoryWish sharing = wish;
    constexpr int64_t kPart = 4;  // of the context, where no prefix is given
    sharing.shared_prefix = wish.engine.context / kPart / kBlockSize * kBlockSize;
    if (wish.shared_prefix == 0 && wish.engine.max_sequences > 1 && sharing.shared_prefix > 0) {
      CAIRN_RETURN_IF_ERROR(add_saving(
          fmt::format("a prefix of {} positions that all share", grouped_count(sharing.shared_prefix)),
          sharing));
    }
    add_windows(geometry);
    return {};
  }
  Status add_saving(std::string what, const MemoryWish& wish) {
    CAIRN_ASSIGN_OR_RETURN(const MemoryPlan plan, plan_memory(report_.model.sizes, wish));
    if (plan.row_bytes() < report_.plan.row_bytes()) {
      report_.savings.push_back({std::move(what), plan.row_bytes()});
    }
    return {};
  }
  // The model's own windows, or one for all layers. A sequence keeps the blocks that its last positions lie in.
  void add_windows(const KvGeometry& geometry) {
    const MemoryWish& wish = report_.wish;
    if (wish.shared_prefix > 0) return;
    constexpr int64_t kUsualWindow = 1024;
    const auto& layers = report_.config().layers;
    const bool has_own = std::ranges::any_of(layers, [](const LayerConfig& l) { return l.window > 0; });
    const KvLayout layout = geometry.layout();
    const int64_t all_blocks = KvGeometry::blocks_for(wish.engine.context);
    uint64_t bytes = report_.plan.open_bytes;
    for (size_t l = 0; l < layout.layers.size(); ++l) {
      const int64_t window = has_own ? layers[l].window : kUsualWindow;
      const int64_t kept = window > 0 ? std::min(all_blocks, KvGeometry::blocks_for(window) + 1) : all_blocks;
      const auto block_bytes = static_cast<uint64_t>(layout.layers[l].head_bytes() * layout.kv_head_count);
      bytes += block_bytes * static_cast<uint64_t>(kept * wish.engine.max_sequences);
    }
    if (bytes >= report_.plan.row_bytes()) return;
    const std::string window =
        fmt::format("a window of {} positions in all layers", grouped_count(kUsualWindow));
    report_.savings.push_back({has_own ? "the model's windows, if no layer kept more" : window, bytes});
  }
  static std::string grouped_count(int64_t n) { return grouped(static_cast<uint64_t>(n)); }

  PlanReport& report_;
};

}  // namespace

Result<PlannedModel> planned_model(const PlanOptions& options) {
  if (options.preset.has_value()) return model_of_preset(*options.preset, options);
  if (options.config_path.has_value()) return model_of_config(*options.config_path, options);
  if (options.shape.is_given()) return model_of_shape(options.shape, options);
  CAIRN_ASSIGN_OR_RETURN(const std::string path, model_path({.model_path = options.model_path}));
  CAIRN_ASSIGN_OR_RETURN(const ModelFile file, ModelFile::open(path));
  CAIRN_ASSIGN_OR_RETURN(ModelPlan plan, file.plan());
  return sized({.source = Source::kFile, .name = printable_path(path)}, std::move(plan), options,
               options.weights_type);
}

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
  report.wish.engine.kv_plan = options.kv_plan.value_or(KvPlan());
  report.wish.thread_count = options.thread_count.value_or(usable_core_count());
  report.wish.shared_prefix = options.shared_prefix;
  CAIRN_RETURN_IF_ERROR(Reporter(report).fill());
  return report;
}

Status run_plan(const PlanOptions& options, Console& console) {
  CAIRN_ASSIGN_OR_RETURN(PlannedModel model, planned_model(options));
  CAIRN_ASSIGN_OR_RETURN(const PlanReport report,
                         make_plan_report(std::move(model), options, memory_facts()));
  print_notes(report.model.notes, console);
  if (report.context_is_beyond_model()) {
    const std::string_view what = report.config().learned_positions
                                      ? "it cannot run with {}, so this plan is arithmetic only"
                                      : "with {} text gets worse, and needs --extend-context";
    console.note(fmt::format("{} was made for {} positions: ", report.model.name,
                             grouped(static_cast<uint64_t>(report.config().context_length))) +
                 fmt::format(fmt::runtime(what), grouped(static_cast<uint64_t>(report.wish.engine.context))));
  }
  console.write(options.output_form == OutputForm::kJson ? plan_json(report) : plan_text(report));
  return {};
}

}  // namespace cairn
