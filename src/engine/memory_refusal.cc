// refuse_unless_fits: what is said where a model will not fit, with three ways out.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "engine/memory_plan.h"

namespace cairn {
namespace {

std::string gib(uint64_t bytes) {
  return fmt::format("{:.2f} GiB", static_cast<double>(bytes) / static_cast<double>(uint64_t{1} << 30));
}

struct Wish {
  const ModelSizes& model;
  const EngineOptions& options;
  int thread_count;
  uint64_t available_bytes;
};

std::string context_way(const MemoryLimits& limits) {
  if (limits.longest_context == 0) return "a shorter context alone does not help";
  return fmt::format("a shorter context (--context {} fits)", limits.longest_context);
}

// The first of the codecs, from the largest, that fits and is smaller than what was asked for.
std::string codec_way(const Wish& wish, const MemoryPlan& asked) {
  for (const char* text : {"f16", "int8", "int4"}) {
    EngineOptions tried = wish.options;
    const auto codec = KvPlan::parse(text);
    if (!codec.ok()) continue;
    tried.kv_plan = *codec;
    const auto plan = plan_memory(wish.model, tried, wish.thread_count);
    if (!plan.ok() || plan->kv_bytes >= asked.kv_bytes || plan->total_bytes() > wish.available_bytes)
      continue;
    return fmt::format("a smaller codec (--kv {} fits: {})", text, gib(plan->total_bytes()));
  }
  return "a smaller codec (--kv) alone does not help";
}

std::string sequences_way(const Wish& wish, const MemoryLimits& limits) {
  if (wish.options.max_sequences == 1) return "fewer sequences are not possible: there is one";
  if (limits.most_sequences == 0) return "fewer sequences alone do not help";
  return fmt::format("fewer sequences (at most {})", limits.most_sequences);
}

}  // namespace

Status refuse_unless_fits(const ModelSizes& model, const EngineOptions& options, int thread_count,
                          uint64_t available_bytes) {
  CAIRN_ASSIGN_OR_RETURN(const MemoryPlan plan, plan_memory(model, options, thread_count));
  if (plan.total_bytes() <= available_bytes) return {};
  const std::string need = fmt::format(
      "this takes {} of memory (weights {}, keys and values {}, work {}, the rest {}), and {} are free",
      gib(plan.total_bytes()), gib(plan.weights_bytes), gib(plan.kv_bytes), gib(plan.work_bytes()),
      gib(plan.tokenizer_bytes + plan.program_bytes), gib(available_bytes));
  if (plan.base_bytes() + plan.loading_bytes > available_bytes) {
    return resource_exhausted(need +
                              ": the weights alone do not fit; take a smaller model or smaller weights");
  }
  const Wish wish{model, options, thread_count, available_bytes};
  CAIRN_ASSIGN_OR_RETURN(const MemoryLimits limits,
                         memory_limits(model, options, thread_count, available_bytes, options.context));
  return resource_exhausted(fmt::format("{}. Ways out: {}; {}; {}", need, context_way(limits),
                                        codec_way(wish, plan), sequences_way(wish, limits)));
}

}  // namespace cairn
