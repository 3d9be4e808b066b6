// refuse_unless_fits: the message for a model that will not fit, with the ways out.
#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

#include "engine/memory_plan.h"
#include "kv/kv_plan_lists.h"

namespace cairn {
namespace {

std::string gib(uint64_t bytes) {
  return fmt::format("{:.2f} GiB", static_cast<double>(bytes) / static_cast<double>(uint64_t{1} << 30));
}

// Where the pool was given, context and sequences share it, however many: what is left for it, unless that is too little.
std::optional<uint64_t> smaller_pool(const ModelSizes& model, const MemoryWish& wish, const MemoryPlan& asked,
                                     uint64_t available_bytes) {
  const uint64_t rest = asked.total_bytes() - asked.kv_bytes - asked.resume_bytes;
  if (!wish.engine.pool_bytes.has_value() || available_bytes <= rest) return std::nullopt;
  MemoryWish tried = wish;
  tried.engine.pool_bytes = available_bytes - rest;
  const auto plan = plan_memory(model, tried);
  const bool fits = plan.ok() && plan->total_bytes() <= available_bytes;
  return fits ? tried.engine.pool_bytes : std::nullopt;
}

std::string context_way(const MemoryLimits& limits, const MemoryWish& wish) {
  if (wish.engine.context == KvGeometry::kMaxStream) return "fewer rows in a step (`prefill_chunk`)";
  if (limits.longest_context == 0) return "a shorter context alone does not help";
  return fmt::format("a shorter context (`context` {} fits)", limits.longest_context);
}

// Those in common use first, each list from the widest to the narrowest.
std::vector<KvPlan> smaller_codecs() {
  std::vector<KvPlan> plans = kv_plans_of_common_formats();
  const std::vector<KvPlan> every = kv_plans_of_every_format();
  plans.insert(plans.end(), every.begin(), every.end());
  return plans;
}

// The first smaller codec that fits.
std::string codec_way(const ModelSizes& model, const MemoryWish& wish, const MemoryPlan& asked,
                      uint64_t available_bytes) {
  for (const KvPlan& codec : smaller_codecs()) {
    MemoryWish tried = wish;
    tried.engine.kv_plan = wish.engine.kv_plan.with_codecs(codec);
    const auto plan = plan_memory(model, tried);
    if (!plan.ok() || plan->kv_bytes >= asked.kv_bytes || plan->total_bytes() > available_bytes) continue;
    return fmt::format("a smaller codec (`kv_plan` {} takes {})", tried.engine.kv_plan.text(),
                       gib(plan->total_bytes()));
  }
  return "a smaller codec (`kv_plan`) alone does not help";
}

std::string sequences_way(const MemoryLimits& limits) {
  if (limits.most_sequences == 0) return "fewer sequences (`max_sequences`) alone do not help";
  return fmt::format("fewer sequences (`max_sequences` {} fits)", limits.most_sequences);
}

}  // namespace

Status refuse_unless_fits(const ModelSizes& model, const MemoryWish& wish, uint64_t available_bytes) {
  CAIRN_ASSIGN_OR_RETURN(const MemoryPlan plan, plan_memory(model, wish));
  if (plan.total_bytes() <= available_bytes) return {};
  const std::string need = fmt::format(
      "this takes {} of memory (weights {}, keys and values {}, work {}, the rest {}), and {} are free",
      gib(plan.total_bytes()), gib(plan.weights_bytes), gib(plan.kv_bytes + plan.resume_bytes),
      gib(plan.work_bytes()), gib(plan.tokenizer_bytes + plan.program_bytes), gib(available_bytes));
  if (plan.base_bytes() + plan.loading_bytes > available_bytes) {
    return resource_exhausted(need +
                              ": the weights alone do not fit; take a smaller model or smaller weights");
  }
  if (const auto pool_bytes = smaller_pool(model, wish, plan, available_bytes)) {
    return resource_exhausted(
        fmt::format("{}. Way out: `kv_memory_bytes` of at most {}", need, gib(*pool_bytes)));
  }
  CAIRN_ASSIGN_OR_RETURN(const MemoryLimits limits,
                         memory_limits(model, wish, available_bytes, wish.engine.context));
  std::string ways =
      fmt::format("{}; {}", context_way(limits, wish), codec_way(model, wish, plan, available_bytes));
  if (wish.engine.max_sequences > 1) ways += "; " + sequences_way(limits);
  return resource_exhausted(fmt::format("{}. Ways out: {}", need, ways));
}

}  // namespace cairn
