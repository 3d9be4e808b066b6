#include "cli/chat_engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "cli/plan_retention.h"

namespace cairn {
namespace {

// Sinks and a window that together reach no farther than the opened model does.
Result<KvPlan> endless_plan(const OpenModel& opened, const KvPlan& plan) {
  const Config& config = opened.model->config();
  CAIRN_ASSIGN_OR_RETURN(const auto layers,
                         usual_kv_plan(kEndless).resolve(config.layer_count, config.head_dim));
  Visibility seen = layers.front().retention;
  seen.window = std::max<int64_t>(1, std::min(seen.window, opened.reach - seen.sinks));
  return with_retention(seen, plan, config);
}

}  // namespace

Result<ChatEngine> ChatEngine::create(const OpenModel& opened) {
  ChatEngine made(opened);
  CAIRN_RETURN_IF_ERROR(made.open(made.options_));
  return made;
}

bool ChatEngine::is_endless() const { return options_.context == kEndless; }

Status ChatEngine::open(const EngineOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(auto engine, Engine::create(opened_->model, *opened_->threads, options));
  CAIRN_ASSIGN_OR_RETURN(session_, engine->open_session());
  engine_ = std::move(engine);
  options_ = options;
  return {};
}

Status ChatEngine::go_endless() {
  if (is_endless()) return invalid_argument("this chat's text has no end already");
  if (options_.storage != KvStorageKind::kPaged) {
    return invalid_argument(
        fmt::format("a text without end needs the paged cache: --cache {} forgets nothing",
                    kv_storage_kind_name(options_.storage)));
  }
  EngineOptions endless = options_;
  endless.context = kEndless;
  CAIRN_ASSIGN_OR_RETURN(endless.kv_plan, endless_plan(*opened_, options_.kv_plan));
  CAIRN_RETURN_IF_ERROR(check_context(opened_->model->config(), endless.kv_plan, kEndless));
  return open(endless);
}

}  // namespace cairn
