#include "engine/drafts/load_drafter.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/machine.h"
#include "engine/drafts/model_drafter.h"
#include "engine/memory_plan.h"
#include "model/model_plan.h"
#include "model/weight_sizes.h"

namespace cairn {
namespace {

// Beside the large model, whose weights are there already, and what its engine is going to take.
Status check_fits(const ModelPlan& small, const LoadedModel& large) {
  const uint64_t available_bytes = memory_facts().available_bytes;
  if (available_bytes == 0) return {};
  const int thread_count = large.threads->thread_count();
  CAIRN_ASSIGN_OR_RETURN(const MemoryPlan of_large,
                         plan_memory({.config = large.model->config(), .weights = large.weights},
                                     {.engine = large.engine_options, .thread_count = thread_count}));
  const uint64_t taken_bytes = of_large.total_bytes() - of_large.weights_bytes;
  const uint64_t left_bytes = available_bytes - std::min(available_bytes, taken_bytes);
  CAIRN_ASSIGN_OR_RETURN(
      const MemoryPlan of_small,
      plan_memory({.config = small.config, .weights = weight_sizes(small)},
                  {.engine = ModelDrafter::small_options(small.config, large.engine_options),
                   .thread_count = thread_count}));
  if (of_small.total_bytes() <= left_bytes) return {};
  constexpr uint64_t kMiB = uint64_t{1} << 20;
  return resource_exhausted(
      fmt::format("the draft model takes {} MiB beside the other, and {} MiB are left: a shorter `context` "
                  "or fewer `max_sequences` "
                  "make both smaller, or leave the draft model out",
                  of_small.total_bytes() / kMiB, left_bytes / kMiB));
}

}  // namespace

Result<std::shared_ptr<Drafter>> load_drafter(const std::string& path, const LoadedModel& large,
                                              const TokenizerOptions& tokenizer) {
  const auto accept = [&](const ModelPlan& plan, const Tokenizer&) -> Result<int64_t> {
    CAIRN_RETURN_IF_ERROR(check_fits(plan, large));
    return ModelDrafter::small_options(plan.config, large.engine_options).context;
  };
  CAIRN_ASSIGN_OR_RETURN(auto small, Model::load(path, *large.kernels, *large.threads,
                                                 {.accept = accept, .tokenizer = tokenizer}));
  CAIRN_ASSIGN_OR_RETURN(
      std::shared_ptr<Drafter> drafter,
      ModelDrafter::create(std::move(small), *large.threads, large.model->tokenizer(), large.engine_options));
  return drafter;
}

}  // namespace cairn
