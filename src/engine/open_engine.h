// Opening a model to run engines on it: the kernels, the threads, the context where the caller names none, and
// whether all of it fits into memory, which is decided before a weight is read. Llm and the command line open
// models here, so that the same options mean the same and are refused in the same words.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/exact_math.h"
#include "base/thread_pool.h"
#include "cairn/status.h"
#include "engine/engine.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "model/weight_sizes.h"

namespace cairn {

inline constexpr int64_t kDefaultContext = 8192;  // more costs memory that few prompts need

// Whether a context may be longer than what the model was made for. Beyond it, positions have angles that the model has
// never seen, and quality falls off: sooner or later, by model and RoPE scaling.
enum class ContextLimit : uint8_t { kOfModel, kNone };

// The context of a text without end: longer than any that is ever written, and as long as RoPE's angles are exact.
inline constexpr int64_t kEndless = KvGeometry::kMaxStream;
static_assert(static_cast<double>(kEndless) <= exact::kMaxAngle);

// What of the past a text without end sees where no KV plan is named: as StreamingLLM has it; and the same with a window
// so short that it reaches no farther than `reach` positions.
inline constexpr Visibility kEndlessRetention{.window = 1020, .sinks = 4};
[[nodiscard]] Visibility endless_retention(int64_t reach);
// The KV plan where none is named: f16; of a text without end (kEndless), where the model's own windows are not enough,
// with endless_retention of what the model was made for.
[[nodiscard]] KvPlan default_kv_plan(const Config& config, std::optional<int64_t> context);

// kInvalidArgument: the model was not made for so many positions. What counts is how far apart a query and a key may be
// (largest_reach): where the plan, or the model itself, leaves every layer a window, a text may be longer than the model's
// context, unless the model has a table of positions. Also: kEndless where a layer sees all.
Status check_context(const Config& config, const KvPlan& plan, int64_t context,
                     ContextLimit limit = ContextLimit::kOfModel);
// `asked`; where it is absent, the model's own context up to kDefaultContext. Errors: those of check_context.
Result<int64_t> context_for(const Config& config, const KvPlan& plan, std::optional<int64_t> asked,
                            ContextLimit limit = ContextLimit::kOfModel);

struct OpenOptions {
  std::optional<std::string> isa = {};   // absent: the best of this machine
  std::optional<int> thread_count = {};  // the caller's thread included; absent: all usable physical cores
  std::optional<int64_t> context = {};   // as context_for; kEndless: a text has no end
  ContextLimit context_limit = ContextLimit::kOfModel;
  TokenizerOptions tokenizer = {};
  std::optional<KvPlan> kv_plan = {};  // absent: default_kv_plan()
  EngineOptions engine = {};           // but for context, kv_plan and available_bytes, which are set here
  std::optional<std::string> draft_model =
      {};  // a smaller one that guesses (drafts/model_drafter.h): engine.drafter is set
  WeightsForm weights_form = WeightsForm::kAsStored;
  // Called when the model's file is known, before a weight is read: may refuse, and may choose what depends on the model
  // or on a prompt in the engine's options (those that are set here are set already, and stay).
  std::function<Status(const Config& config, const Tokenizer& tokenizer, EngineOptions& engine)> prepare = {};
  std::function<void(uint64_t done_bytes, uint64_t total_bytes)> on_load_progress = {};
};

// The engine's options for this model: with the context, and with the memory that is free now as the cache's
// limit. Errors: those of context_for.
Result<EngineOptions> engine_options_for(const Config& config, const OpenOptions& options);

struct LoadedModel {
  const Kernels* kernels = nullptr;
  std::unique_ptr<ThreadPool> threads;
  std::shared_ptr<const Model> model;
  EngineOptions engine_options;  // OpenOptions::engine, completed for this model after it was loaded
  WeightSizes weights;
  int64_t made_for = 0;  // the model's own context
  int64_t reach = 0;  // one more than the largest distance: more than made_for only with ContextLimit::kNone
};

// Errors: those of OpenOptions::prepare, select_kernels, checked_thread_count, Model::load and context_for;
// kResourceExhausted, before anything is loaded, where the model and an engine with these options would not fit into free memory
// (refuse_unless_fits).
Result<LoadedModel> load_model(const std::string& path, OpenOptions options);

}  // namespace cairn
