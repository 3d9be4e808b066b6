// The routes that tell of the server itself: whether it runs, what it counts, which model it has, what it remembers.
#include <boost/json/serialize.hpp>
#include <utility>

#include "base/machine.h"
#include "server/http/http_parse.h"
#include "server/ids.h"
#include "server/ollama/parse.h"
#include "server/server.h"
#include "server/text_calls.h"
#include "server/web_reply.h"

namespace cairn {

void Server::answer_health(const Asked& asked) { asked.exchange->reply(json_reply(R"({"status":"ok"})")); }

// Whether the engine's loop answers, and takes texts.
void Server::answer_ready(const Asked& asked) {
  const auto unready = [&asked](const std::string& why) {
    asked.exchange->reply(error_reply(unavailable_error(why), {}, 1));
  };
  if (is_stopping_) return unready("the server is being stopped");
  const Status status = engine_->ask(
      [exchange = asked.exchange](Engine&) { exchange->reply(json_reply(R"({"status":"ready"})")); });
  if (!status.ok()) unready(status.message());
}

void Server::answer_metrics(const Asked& asked) {
  const Status status = engine_->ask([this, exchange = asked.exchange](Engine& engine) {
    workers_->post([this, exchange, snapshot = engine.snapshot()] {
      exchange->reply(
          {.content_type = std::string(Metrics::kContentType), .body = metrics_.text(snapshot_of(snapshot))});
    });
  });
  if (!status.ok()) asked.exchange->reply(error_reply(error_of(status), {}, 1));
}

MetricsSnapshot Server::snapshot_of(const EngineSnapshot& engine) const {
  MetricsSnapshot now{
      .waiting_requests = engine.count_of(SequenceState::kQueued) + engine.count_of(SequenceState::kLoading),
      .running_requests = engine.count_of(SequenceState::kRunning),
      .open_connections = static_cast<int64_t>(http_->connection_count()),
      .free_blocks = engine.blocks.free_blocks,
      .open_blocks = engine.blocks.open_blocks,
      .held_blocks = engine.blocks.held_blocks,
      .idle_blocks = engine.blocks.idle_blocks,
      .kv_pool_bytes = engine.pool_bytes,
      .kv_used_bytes = engine.used_bytes,
      .evicted_blocks_total = static_cast<uint64_t>(engine.blocks.evicted_blocks),
      .preemptions_total = static_cast<uint64_t>(engine.counts.preemptions),
      .steps_total = static_cast<uint64_t>(engine.counts.steps),
      .resident_bytes = resident_facts().current_bytes,
      .log_lines_dropped_total = log_->dropped_lines()};
  for (const TenantRef& tenant : tenants_.list()) {
    MetricsSnapshot::OfTenant of{.name = tenant->config.name,
                                 .kv_quota_bytes = tenant->config.kv_quota_bytes};
    for (const KvOwnerCounts& owner : engine.owners) {
      if (owner.owner.value == tenant->id.value) of.kv_used_bytes = owner.charged_bytes();
    }
    now.tenants.push_back(std::move(of));
  }
  return now;
}

ServedModel Server::served_model() const {
  return {.id = facts_.name, .created = facts_.created_ns / 1'000'000'000, .context_length = facts_.context};
}

void Server::answer_models(const Asked& asked) {
  const ServedModel model = served_model();
  asked.exchange->reply(json_reply(models_body(std::span(&model, 1))));
}

void Server::answer_model(const Asked& asked) {
  const std::string name = percent_decoded(asked.argument).value_or(asked.argument);
  const auto error = check_model(*service_, name);
  asked.exchange->reply(error.has_value() ? error_reply(*error) : json_reply(model_body(served_model())));
}

void Server::answer_explanation(const Asked& asked) {
  const auto explanation = records_.explanation(asked.tenant->id, bare_reply_id(asked.argument));
  if (explanation.has_value()) return asked.exchange->reply(json_reply(boost::json::serialize(*explanation)));
  asked.exchange->reply(error_reply(not_found_error("no such request of yours is remembered: the last " +
                                                    std::to_string(CallRecords::kMostOfATenant) + " are")));
}

void Server::answer_tags(const Asked& asked) {
  asked.exchange->reply(json_reply(ollama_tags_body(std::span(&facts_.ollama, 1))));
}

void Server::answer_ps(const Asked& asked) {
  asked.exchange->reply(json_reply(ollama_ps_body(std::span(&facts_.ollama, 1))));
}

void Server::answer_show(const Asked& asked) {
  const std::string& path = asked.exchange->request().head.path;
  const auto name = parse_ollama_show(asked.exchange->request().body);
  if (!name.ok()) return asked.exchange->reply(error_reply(name.error(), path));
  if (const auto error = check_model(*service_, *name))
    return asked.exchange->reply(error_reply(*error, path));
  std::vector<std::string> capabilities{"completion"};
  if (prompter_.takes_tools()) capabilities.emplace_back("tools");
  if (prompter_.format().reasoning.has_value() || prompter_.format().has_harmony_channels) {
    capabilities.emplace_back("thinking");
  }
  asked.exchange->reply(
      json_reply(ollama_show_body(facts_.ollama, facts_.chat_template, facts_.model_info, capabilities)));
}

void Server::answer_version(const Asked& asked) {
  asked.exchange->reply(json_reply(ollama_version_body(facts_.version)));
}

}  // namespace cairn
