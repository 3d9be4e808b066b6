#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <array>
#include <map>
#include <mutex>
#include <utility>

#include "base/check.h"
#include "server/api_keys.h"

namespace cairn {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Histogram;
using prometheus::Labels;
using prometheus::MetricFamily;

// A small model answers in 20 ms, a long prompt on two cores takes minutes.
const Histogram::BucketBoundaries kFirstToken{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100};
// 5 ms is a tiny model; a reader follows 100 ms; beyond 300 ms one waits.
const Histogram::BucketBoundaries kEachToken{0.002, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.075,
                                             0.1,   0.15,  0.2,  0.3,  0.5,  1,    2};
const Histogram::BucketBoundaries kDuration{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 600};

constexpr std::array kOutcomes{RequestOutcome::kStop,      RequestOutcome::kLength,
                               RequestOutcome::kToolCalls, RequestOutcome::kCancelled,
                               RequestOutcome::kShutdown,  RequestOutcome::kDeadline,
                               RequestOutcome::kRefused,   RequestOutcome::kError};
constexpr std::array kLimits{RateLimit::kRequests, RateLimit::kTokens, RateLimit::kConcurrent};

const MetricInfo& info_of(std::string_view name) {
  const auto infos = metric_infos();
  const auto found = std::ranges::find(infos, name, &MetricInfo::name);
  CHECK(found != infos.end());
  return *found;
}

template <typename Builder>
auto& family(Builder builder, std::string_view name, prometheus::Registry& registry) {
  const MetricInfo& info = info_of(name);
  return builder.Name(std::string(info.name)).Help(std::string(info.help)).Register(registry);
}

// What is counted of one tenant, or of all.
struct Series {
  Histogram* first_token;
  Histogram* each_token;
  Histogram* duration;
  Counter* prompt_tokens;
  Counter* reused_tokens;
  Counter* generated_tokens;
  std::map<RequestOutcome, Counter*> requests;
  std::map<RateLimit, Counter*> limited;
};

struct Families {
  explicit Families(prometheus::Registry& registry)
      : first_token(family(prometheus::BuildHistogram(), "cairn_time_to_first_token_seconds", registry)),
        each_token(family(prometheus::BuildHistogram(), "cairn_time_per_output_token_seconds", registry)),
        duration(family(prometheus::BuildHistogram(), "cairn_request_duration_seconds", registry)),
        requests(family(prometheus::BuildCounter(), "cairn_requests_total", registry)),
        prompt_tokens(family(prometheus::BuildCounter(), "cairn_prompt_tokens_total", registry)),
        reused_tokens(family(prometheus::BuildCounter(), "cairn_reused_tokens_total", registry)),
        generated_tokens(family(prometheus::BuildCounter(), "cairn_generated_tokens_total", registry)),
        limited(family(prometheus::BuildCounter(), "cairn_rate_limited_total", registry)) {}

  [[nodiscard]] Series series(const Labels& labels) {
    Series made{.first_token = &first_token.Add(labels, kFirstToken),
                .each_token = &each_token.Add(labels, kEachToken),
                .duration = &duration.Add(labels, kDuration),
                .prompt_tokens = &prompt_tokens.Add(labels),
                .reused_tokens = &reused_tokens.Add(labels),
                .generated_tokens = &generated_tokens.Add(labels)};
    for (const RequestOutcome outcome : kOutcomes) {
      Labels with = labels;
      with["outcome"] = request_outcome_name(outcome);
      made.requests[outcome] = &requests.Add(with);
    }
    for (const RateLimit limit : kLimits) {
      Labels with = labels;
      with["limit"] = rate_limit_name(limit);
      made.limited[limit] = &limited.Add(with);
    }
    return made;
  }

  Family<Histogram>& first_token;
  Family<Histogram>& each_token;
  Family<Histogram>& duration;
  Family<Counter>& requests;
  Family<Counter>& prompt_tokens;
  Family<Counter>& reused_tokens;
  Family<Counter>& generated_tokens;
  Family<Counter>& limited;
};

// Families that are made at a scrape.
class Scrape {
 public:
  void add(std::string_view name, double value, const Labels& labels = {}) {
    if (families_.empty() || families_.back().name != name) {
      const MetricInfo& info = info_of(name);
      families_.push_back({.name = std::string(info.name),
                           .help = std::string(info.help),
                           .type = info.kind == MetricKind::kCounter ? prometheus::MetricType::Counter
                                                                     : prometheus::MetricType::Gauge});
    }
    prometheus::ClientMetric metric;
    for (const auto& [label, text] : labels) metric.label.push_back({label, text});
    metric.counter.value = value;
    metric.gauge.value = value;
    families_.back().metric.push_back(std::move(metric));
  }
  template <typename Number>
  void add_count(std::string_view name, Number value, const Labels& labels = {}) {
    add(name, static_cast<double>(value), labels);
  }
  [[nodiscard]] std::vector<MetricFamily> take() { return std::move(families_); }

 private:
  std::vector<MetricFamily> families_;
};

void add_tenants(Scrape& scrape, std::span<const MetricsSnapshot::OfTenant> tenants) {
  using OfTenant = MetricsSnapshot::OfTenant;
  tenants = tenants.first(std::min(tenants.size(), Metrics::kMostTenantLabels));
  const auto add_each = [&](std::string_view name, const auto& value_of) {
    for (const OfTenant& tenant : tenants) {
      const std::optional<double> value = value_of(tenant);
      if (value.has_value()) scrape.add(name, *value, {{"tenant", tenant.name}});
    }
  };
  const auto number = [](auto value) { return std::optional(static_cast<double>(value)); };
  add_each("cairn_tenant_open_texts", [&](const OfTenant& of) { return number(of.open_texts); });
  add_each("cairn_tenant_kv_used_bytes", [&](const OfTenant& of) { return number(of.kv_used_bytes); });
  add_each("cairn_tenant_kv_quota_bytes", [&](const OfTenant& of) {
    return of.kv_quota_bytes.has_value() ? number(*of.kv_quota_bytes) : std::nullopt;
  });
}

void add_tiers(Scrape& scrape, const BlockTierCounts& tiers) {
  const auto add_by_tier = [&](std::string_view name, const auto& counts) {
    for (const Tier tier : {Tier::kDisk, Tier::kRemote}) {
      scrape.add_count(name, counts[static_cast<size_t>(tier)], {{"tier", std::string(tier_name(tier))}});
    }
  };
  add_by_tier("cairn_kv_tier_kept_blocks_total", tiers.writer.kept);
  add_by_tier("cairn_kv_tier_loaded_blocks_total", tiers.loader.blocks);
  constexpr std::string_view kLost = "cairn_kv_tier_lost_blocks_total";
  scrape.add_count(kLost, tiers.writer.dropped, {{"reason", "too_fast"}});
  scrape.add_count(kLost, tiers.writer.failed[static_cast<size_t>(Tier::kDisk)], {{"reason", "disk"}});
  scrape.add_count(kLost, tiers.writer.failed[static_cast<size_t>(Tier::kRemote)], {{"reason", "remote"}});
  const DiskStoreCounts disk = tiers.disk.value_or(DiskStoreCounts());
  add_by_tier("cairn_kv_tier_bad_blocks_total",
              std::array{disk.bad_record_count + disk.read_error_count, tiers.remote_bad_count});
  constexpr std::string_view kLoads = "cairn_kv_tier_loads_total";
  scrape.add_count(kLoads, tiers.loader.loads - tiers.loader.cut_short, {{"outcome", "whole"}});
  scrape.add_count(kLoads, tiers.loader.cut_short, {{"outcome", "cut_short"}});
  scrape.add_count(kLoads, tiers.loader.computed_instead, {{"outcome", "computed"}});
  scrape.add_count("cairn_kv_disk_bytes", disk.disk_bytes, {{"state", "used"}});
  scrape.add_count("cairn_kv_disk_bytes", disk.live_bytes, {{"state", "live"}});
  scrape.add_count("cairn_kv_disk_bytes", disk.size_bytes, {{"state", "limit"}});
  scrape.add_count("cairn_kv_remote_failures_total", tiers.remote.value_or(RedisCounts()).failures);
}

std::vector<MetricFamily> families_of(const MetricsSnapshot& now, const MetricsOptions& options) {
  Scrape scrape;
  scrape.add_count("cairn_waiting_requests", now.waiting_requests);
  scrape.add_count("cairn_running_requests", now.running_requests);
  scrape.add_count("cairn_running_streams", now.running_streams);
  scrape.add_count("cairn_open_connections", now.open_connections);
  scrape.add_count("cairn_connections_total", now.connections_total);
  scrape.add_count("cairn_kv_blocks", now.free_blocks, {{"state", "free"}});
  scrape.add_count("cairn_kv_blocks", now.open_blocks, {{"state", "open"}});
  scrape.add_count("cairn_kv_blocks", now.held_blocks, {{"state", "held"}});
  scrape.add_count("cairn_kv_blocks", now.idle_blocks, {{"state", "idle"}});
  scrape.add_count("cairn_kv_pool_bytes", now.kv_pool_bytes);
  scrape.add_count("cairn_kv_used_bytes", now.kv_used_bytes);
  scrape.add_count("cairn_kv_evicted_blocks_total", now.evicted_blocks_total);
  add_tiers(scrape, now.tiers.value_or(BlockTierCounts()));
  scrape.add_count("cairn_preemptions_total", now.preemptions_total);
  scrape.add_count("cairn_steps_total", now.steps_total);
  scrape.add_count("cairn_rows_total", now.prompt_rows_total, {{"kind", "prompt"}});
  scrape.add_count("cairn_rows_total", now.decode_rows_total, {{"kind", "decode"}});
  scrape.add_count("cairn_draft_tokens_total", now.accepted_drafts_total, {{"outcome", "accepted"}});
  scrape.add_count("cairn_draft_tokens_total", now.rejected_drafts_total, {{"outcome", "rejected"}});
  if (options.by_tenant == MetricsByTenant::kOn) add_tenants(scrape, now.tenants);
  scrape.add_count("cairn_log_lines_dropped_total", now.log_lines_dropped_total);
  scrape.add_count("cairn_process_resident_memory_bytes", now.resident_bytes);
  scrape.add("cairn_process_start_time_seconds", options.start_time_s);
  scrape.add("cairn_build_info", 1,
             {{"version", options.version}, {"model", options.model}, {"isa", options.isa}});
  return scrape.take();
}

}  // namespace

struct Metrics::Impl {
  explicit Impl(MetricsOptions given) : options(std::move(given)), families(registry) {
    // What nobody has caused yet is there as 0, so that the first event is seen as a rise.
    const bool by_tenant = options.by_tenant == MetricsByTenant::kOn;
    others = families.series(by_tenant ? Labels{{"tenant", std::string(kOtherNames)}} : Labels{});
  }

  // The series stay where they are, so they are used without the lock.
  const Series& of(std::string_view tenant) {
    if (options.by_tenant == MetricsByTenant::kOff || tenant.empty()) return others;
    const std::lock_guard lock(mutex);
    const auto found = tenants.find(tenant);
    if (found != tenants.end()) return found->second;
    if (tenants.size() == kMostTenantLabels || tenant == kOtherNames) return others;
    const std::string name(tenant);
    return tenants.emplace(name, families.series({{"tenant", name}})).first->second;
  }

  MetricsOptions options;
  prometheus::Registry registry;
  Families families;
  Series others{};   // without by_tenant: all
  std::mutex mutex;  // of tenants
  std::map<std::string, Series, std::less<>> tenants;
};

Metrics::Metrics(MetricsOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Metrics::~Metrics() = default;

MetricsByTenant Metrics::by_tenant() const { return impl_->options.by_tenant; }

void Metrics::note_request(const RequestFacts& facts) {
  const Series& series = impl_->of(facts.tenant);
  series.requests.at(facts.outcome)->Increment();
  const auto count = [](int64_t value) { return static_cast<double>(std::max<int64_t>(value, 0)); };
  series.prompt_tokens->Increment(count(facts.prompt_tokens));
  series.reused_tokens->Increment(count(facts.reused_tokens));
  series.generated_tokens->Increment(count(facts.generated_tokens));
  if (facts.ttft_s.has_value()) series.first_token->Observe(*facts.ttft_s);
  if (facts.tpot_s.has_value()) series.each_token->Observe(*facts.tpot_s);
  if (facts.outcome != RequestOutcome::kRefused) series.duration->Observe(facts.duration_s);
}

void Metrics::note_rate_limited(std::string_view tenant, RateLimit limit) {
  if (limit != RateLimit::kNone) impl_->of(tenant).limited.at(limit)->Increment();
}

std::string Metrics::text(const MetricsSnapshot& snapshot) const {
  std::vector<MetricFamily> families = impl_->registry.Collect();
  for (MetricFamily& made : families_of(snapshot, impl_->options)) families.push_back(std::move(made));
  return prometheus::TextSerializer().Serializer::Serialize(families);
}

}  // namespace cairn
