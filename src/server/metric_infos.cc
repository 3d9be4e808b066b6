// The table of all metrics. docs/operations.md has a copy, which a test compares.
#include <array>

#include "server/metrics.h"

namespace cairn {
namespace {

using enum MetricKind;

constexpr std::array<MetricInfo, 35> kInfos{{
    {"cairn_time_to_first_token_seconds", kHistogram, "(tenant)",
     "From a request's arrival to the first token of its reply"},
    {"cairn_time_per_output_token_seconds", kHistogram, "(tenant)",
     "Of each reply, the mean time between its tokens"},
    {"cairn_request_duration_seconds", kHistogram, "(tenant)",
     "From a request's arrival to the end of its reply; refused ones are not counted"},
    {"cairn_requests_total", kCounter, "outcome, (tenant)",
     "Requests that are over: stop, length, tool_calls, cancelled, shutdown, deadline, refused, error"},
    {"cairn_prompt_tokens_total", kCounter, "(tenant)", "Tokens of prompts"},
    {"cairn_reused_tokens_total", kCounter, "(tenant)",
     "Tokens of prompts that the cache had; divided by those of prompts: the hit rate"},
    {"cairn_generated_tokens_total", kCounter, "(tenant)", "Tokens of replies"},
    {"cairn_rate_limited_total", kCounter, "limit, (tenant)",
     "Requests refused by a limit of their tenant: requests, tokens, concurrent"},
    {"cairn_waiting_requests", kGauge, "", "Requests in the queue"},
    {"cairn_running_requests", kGauge, "", "Requests that have begun"},
    {"cairn_running_streams", kGauge, "", "Replies that are being sent as they are generated"},
    {"cairn_open_connections", kGauge, "", "Connections of clients"},
    {"cairn_connections_total", kCounter, "", "Connections that were accepted"},
    {"cairn_kv_blocks", kGauge, "state", "Blocks of the cache: free, open, held, idle"},
    {"cairn_kv_pool_bytes", kGauge, "", "Memory of the cache's blocks"},
    {"cairn_kv_used_bytes", kGauge, "", "Of that, in blocks that are open, held or idle"},
    {"cairn_kv_evicted_blocks_total", kCounter, "", "Idle blocks that gave way to others"},
    {"cairn_kv_tier_kept_blocks_total", kCounter, "tier",
     "Blocks that were written to disk, or to the remote store"},
    {"cairn_kv_tier_loaded_blocks_total", kCounter, "tier",
     "Blocks that came from disk, or from the remote store, instead of being computed"},
    {"cairn_kv_tier_lost_blocks_total", kCounter, "reason",
     "Blocks that were not kept: too_fast (no room to wait for the disk), disk, remote (it did not take "
     "them)"},
    {"cairn_kv_tier_bad_blocks_total", kCounter, "tier",
     "Blocks that were damaged, or not what their name says"},
    {"cairn_kv_tier_loads_total", kCounter, "outcome",
     "Loads: whole, cut_short (a block was missing, bad or late), computed (that was expected to be "
     "quicker)"},
    {"cairn_kv_disk_bytes", kGauge, "state",
     "Room on disk: used (the files), live (blocks that are found), limit"},
    {"cairn_kv_remote_failures_total", kCounter, "",
     "Blocks for which the remote store had no good answer in time; open breakers count"},
    {"cairn_preemptions_total", kCounter, "", "Times that a running request gave its memory back and waited"},
    {"cairn_steps_total", kCounter, "", "Steps of the engine"},
    {"cairn_rows_total", kCounter, "kind", "Rows that steps have computed: prompt, decode"},
    {"cairn_draft_tokens_total", kCounter, "outcome", "Tokens that were guessed ahead: accepted, rejected"},
    {"cairn_tenant_open_texts", kGauge, "tenant", "A tenant's texts that run or wait"},
    {"cairn_tenant_kv_used_bytes", kGauge, "tenant",
     "Bytes of the cache that count for a tenant, idle ones included"},
    {"cairn_tenant_kv_quota_bytes", kGauge, "tenant",
     "The most that a tenant may have of them; none where it has no quota"},
    {"cairn_log_lines_dropped_total", kCounter, "", "Lines of the log that nobody read in time"},
    {"cairn_process_resident_memory_bytes", kGauge, "", "Memory of the process that is resident"},
    {"cairn_process_start_time_seconds", kGauge, "", "When the process started, since 1970"},
    {"cairn_build_info", kGauge, "version, model, isa", "Always 1; what runs is in the labels"},
}};

}  // namespace

std::span<const MetricInfo> metric_infos() { return kInfos; }

std::vector<std::string> metric_names() {
  std::vector<std::string> names;
  for (const MetricInfo& info : kInfos) names.emplace_back(info.name);
  return names;
}

std::string_view metric_kind_name(MetricKind kind) {
  switch (kind) {
    case kCounter: return "counter";
    case kGauge: return "gauge";
    case kHistogram: return "histogram";
  }
  return "gauge";
}

}  // namespace cairn
