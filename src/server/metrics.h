// Metrics: what Prometheus reads from /metrics. Counters and histograms are fed as things happen; gauges, and what the
// engine counts itself, come as a MetricsSnapshot at each scrape.
//
// Always true: every name begins with cairn_ and says its unit; metric_infos() lists all, and text() has each of them from
// the first scrape on (those of single tenants, cairn_tenant_..., where metrics are by tenant). The number of series is bounded: at most kMostTenantLabels tenants have their own, the
// others are counted as "other". Any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kv/tiers/block_tiers.h"
#include "server/rate_limit.h"
#include "server/request_facts.h"

namespace cairn {

enum class MetricKind : uint8_t { kCounter, kGauge, kHistogram };
// "counter", "gauge", "histogram".
[[nodiscard]] std::string_view metric_kind_name(MetricKind kind);

struct MetricInfo {
  std::string_view name;
  MetricKind kind = MetricKind::kGauge;
  std::string_view labels;  // separated by ", "; (tenant): only where metrics are by tenant
  std::string_view help;
};
[[nodiscard]] std::span<const MetricInfo> metric_infos();
[[nodiscard]] std::vector<std::string> metric_names();

// Whether series are kept for each tenant; what is then read tells tenants apart.
enum class MetricsByTenant : uint8_t { kOff, kOn };

struct MetricsOptions {
  MetricsByTenant by_tenant = MetricsByTenant::kOff;
  std::string version, model, isa;  // of cairn_build_info
  double start_time_s = 0;          // of the process, since 1970
};

// What is true at one moment. The totals are since the start and never fall.
struct MetricsSnapshot {
  int64_t waiting_requests = 0;
  int64_t running_requests = 0;
  int64_t running_streams = 0;  // replies that are being sent as events
  int64_t open_connections = 0;
  uint64_t connections_total = 0;

  int64_t free_blocks = 0, open_blocks = 0, held_blocks = 0, idle_blocks = 0;
  uint64_t kv_pool_bytes = 0;
  uint64_t kv_used_bytes = 0;  // open, held and idle
  uint64_t evicted_blocks_total = 0;

  std::optional<BlockTierCounts> tiers;

  uint64_t preemptions_total = 0;
  uint64_t steps_total = 0;
  uint64_t prompt_rows_total = 0;
  uint64_t decode_rows_total = 0;
  uint64_t accepted_drafts_total = 0;
  uint64_t rejected_drafts_total = 0;

  uint64_t resident_bytes = 0;  // of the process
  uint64_t log_lines_dropped_total = 0;

  struct OfTenant {
    std::string name;
    int64_t open_texts = 0;  // that run or wait
    uint64_t kv_used_bytes = 0;
    std::optional<uint64_t> kv_quota_bytes;
  };
  std::vector<OfTenant> tenants;  // shown only where metrics are by tenant
};

class Metrics {
 public:
  static constexpr size_t kMostTenantLabels = 100;

  explicit Metrics(MetricsOptions options);
  ~Metrics();
  Metrics(const Metrics&) = delete;
  Metrics& operator=(const Metrics&) = delete;

  [[nodiscard]] MetricsByTenant by_tenant() const;

  // A request is over, whatever became of it. Once for each.
  void note_request(const RequestFacts& facts);
  void note_rate_limited(std::string_view tenant, RateLimit limit);

  // The text format of Prometheus, version 0.0.4.
  [[nodiscard]] std::string text(const MetricsSnapshot& snapshot) const;
  static constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
