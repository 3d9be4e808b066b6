// The routes that tell of the server itself: whether it runs, what it counts, which model it has, what it remembers.
#include <boost/json/serialize.hpp>
#include <map>
#include <utility>

#include "base/machine.h"
#include "server/http/http_parse.h"
#include "server/ids.h"
#include "server/server.h"
#include "server/text_calls.h"
#include "server/web_reply.h"

namespace cairn {

namespace {

// Of blocks that are open, held or idle.
uint64_t taken_bytes(const EngineSnapshot& engine) {
  uint64_t bytes = 0;
  for (size_t group = 0; group < engine.groups.size(); ++group) {
    const KvBlockCounts& blocks = engine.groups[group];
    bytes += static_cast<uint64_t>(blocks.block_count - blocks.free_blocks) * engine.group_bytes[group];
  }
  return bytes;
}

}  // namespace

void Server::answer_health(const Asked& asked) { asked.exchange->reply(json_reply(R"({"status":"ok"})")); }

// Whether the engine's loop answers, and takes texts.
void Server::answer_ready(const Asked& asked) {
  const auto unready = [&asked](const std::string& why) {
    asked.exchange->reply(error_reply(unavailable_error(why), {}, 1));
  };
  if (is_stopping_) return unready("the server is being stopped");
  const Status status = engine_->ask([exchange = asked.exchange](Engine&) {
    try {
      exchange->reply(json_reply(R"({"status":"ready"})"));
    } catch (...) {  // NOLINT(bugprone-empty-catch)
      // An exchange that is dropped answers by itself; what a question throws would end the engine's loop.
    }
  });
  if (!status.ok()) unready(status.message());
}

void Server::answer_metrics(const Asked& asked) {
  const Status status = engine_->ask([this, exchange = asked.exchange](Engine& engine) {
    try {
      workers_->post([this, exchange, snapshot = engine.snapshot()] {
        exchange->reply({.content_type = std::string(Metrics::kContentType),
                         .body = metrics_.text(snapshot_of(snapshot))});
      });
    } catch (...) {  // NOLINT(bugprone-empty-catch): as above
    }
  });
  if (!status.ok()) asked.exchange->reply(error_reply(error_of(status), {}, 1));
}

MetricsSnapshot Server::snapshot_of(const EngineSnapshot& engine) const {
  MetricsSnapshot now{
      .waiting_requests = engine.count_of(SequenceState::kQueued) + engine.count_of(SequenceState::kLoading) +
                          engine.count_of(SequenceState::kRestoring),
      .running_requests = engine.count_of(SequenceState::kRunning),
      .running_streams = stream_count_,
      .open_connections = static_cast<int64_t>(http_->connection_count()),
      .connections_total = http_->accepted_count(),
      .free_blocks = engine.blocks.free_blocks,
      .open_blocks = engine.blocks.open_blocks,
      .held_blocks = engine.blocks.held_blocks,
      .idle_blocks = engine.blocks.idle_blocks,
      .kv_pool_bytes = engine.pool_bytes,
      .kv_used_bytes = taken_bytes(engine),
      .evicted_blocks_total = static_cast<uint64_t>(engine.blocks.evicted_blocks),
      .tiers = engine.tiers,
      .preemptions_total = static_cast<uint64_t>(engine.counts.preemptions),
      .steps_total = static_cast<uint64_t>(engine.counts.steps),
      .prompt_rows_total = static_cast<uint64_t>(engine.counts.prompt_rows),
      .decode_rows_total = static_cast<uint64_t>(engine.counts.decode_rows),
      .accepted_drafts_total = static_cast<uint64_t>(engine.counts.accepted_draft_tokens),
      .rejected_drafts_total =
          static_cast<uint64_t>(engine.counts.draft_tokens - engine.counts.accepted_draft_tokens),
      .resident_bytes = resident_facts().current_bytes,
      .log_lines_dropped_total = log_->dropped_lines()};
  if (metrics_.by_tenant() == MetricsByTenant::kOn) now.tenants = tenants_of(engine);
  return now;
}

std::vector<MetricsSnapshot::OfTenant> Server::tenants_of(const EngineSnapshot& engine) const {
  std::map<uint32_t, uint64_t> charged_bytes;
  for (const KvOwnerCounts& owner : engine.owners) charged_bytes[owner.owner.value] = owner.charged_bytes();
  std::vector<MetricsSnapshot::OfTenant> all;
  for (const TenantRef& tenant : tenants_.list()) {
    const auto charged = charged_bytes.find(tenant->id.value);
    all.push_back({.name = tenant->config.name,
                   .open_texts = access_.texts_inside(tenant->id),
                   .kv_used_bytes = charged == charged_bytes.end() ? 0 : charged->second,
                   .kv_quota_bytes = tenant->config.kv_quota_bytes});
  }
  return all;
}

ServedModel Server::served_model() const {
  return {
      .id = facts_.name, .created = facts_.created_ns / 1'000'000'000, .context_length = facts_.longest_text};
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
  const auto record = records_.find(asked.tenant->id, bare_reply_id(asked.argument));
  if (record.has_value()) {
    boost::json::object explanation =
        explanation_json(record->match, explanation_place(*service_, record->rewrites_earlier_turns));
    explanation["id"] = record->id;
    explanation["endpoint"] = record->endpoint;
    explanation["created"] = record->created_s;
    return asked.exchange->reply(json_reply(boost::json::serialize(explanation)));
  }
  asked.exchange->reply(error_reply(not_found_error("no such request of yours is remembered: the last " +
                                                    std::to_string(CallRecords::kMostOfATenant) + " are")));
}

void Server::answer_tags(const Asked& asked) {
  asked.exchange->reply(json_reply(ollama_tags_body(std::span(&facts_.ollama, 1))));
}

void Server::answer_ps(const Asked& asked) {
  asked.exchange->reply(json_reply(ollama_ps_body(std::span(&facts_.ollama, 1))));
}

void Server::answer_version(const Asked& asked) {
  asked.exchange->reply(json_reply(ollama_version_body(facts_.version)));
}

}  // namespace cairn
