#include "cli/chat_engine.h"

#include <fmt/format.h>

#include <utility>

#include "engine/open_engine.h"

namespace cairn {

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

Result<EngineOptions> ChatEngine::endless_options() const {
  if (is_endless()) return invalid_argument("this chat's text has no end already");
  if (options_.storage != KvStorageKind::kPaged) {
    return invalid_argument(
        fmt::format("a text without end needs the paged cache: --cache {} forgets nothing",
                    kv_storage_kind_name(options_.storage)));
  }
  EngineOptions endless = options_;
  endless.context = kEndless;
  endless.kv_plan = options_.kv_plan.with_retention(endless_retention(opened_->reach));
  CAIRN_RETURN_IF_ERROR(check_context(opened_->model->config(), endless.kv_plan, kEndless));
  return endless;
}

std::optional<Visibility> ChatEngine::endless_view() const {
  return endless_options().ok() ? std::optional(endless_retention(opened_->reach)) : std::nullopt;
}

Status ChatEngine::go_endless() {
  CAIRN_ASSIGN_OR_RETURN(const EngineOptions endless, endless_options());
  return open(endless);
}

}  // namespace cairn
