// CallRecords: what is remembered of requests that are over: counted, logged, and explained to whoever made them.
//
// Always true: an explanation is found only by the tenant whose request it was; another's id is as unknown as one that never
// was. At most kMostOfATenant are kept for each of at most kMostTenants tenants, the latest. Any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "engine/tenant.h"
#include "kv/match_report.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/request_facts.h"

namespace cairn {

// What explains how a request's prompt was met.
struct CallRecord {
  std::string id;
  std::string endpoint;
  int64_t created_s = 0;  // Unix time
  KvMatchReport match;
  bool rewrites_earlier_turns = false;
};

class CallRecords {
 public:
  static constexpr size_t kMostOfATenant = 256;
  static constexpr size_t kMostTenants = 1024;

  // Both must outlive it.
  CallRecords(Metrics& metrics, Log& log) : metrics_(metrics), log_(log) {}

  // A request is over. `prompt` and `reply` only where the log asks for them.
  void note(const RequestFacts& facts, std::string_view prompt = {}, std::string_view reply = {});
  [[nodiscard]] bool wants_text() const { return log_.prompts() == LogPrompts::kLogged; }

  void keep(TenantId tenant, CallRecord record);
  // `id`: of a reply, or "last".
  [[nodiscard]] std::optional<CallRecord> find(TenantId tenant, std::string_view id);

 private:
  struct OfTenant {
    std::deque<CallRecord> latest;          // the newest last
    std::list<TenantId>::iterator used_at;  // in by_use_
  };

  Metrics& metrics_;
  Log& log_;
  std::mutex mutex_;
  std::map<TenantId, OfTenant> tenants_;
  std::list<TenantId> by_use_;  // the one that was used last stands last
};

}  // namespace cairn
