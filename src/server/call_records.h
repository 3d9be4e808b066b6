// CallRecords: what is remembered of requests that are over: counted, logged, and explained to whoever made them.
//
// Always true: an explanation is found only by the tenant whose request it was; another's id is as unknown as one that never
// was. At most kMostOfATenant are kept for each of at most kMostTenants tenants, the latest. Any thread.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "engine/tenant.h"
#include "server/log.h"
#include "server/metrics.h"
#include "server/request_facts.h"

namespace cairn {

class CallRecords {
 public:
  static constexpr size_t kMostOfATenant = 256;
  static constexpr size_t kMostTenants = 1024;

  // Both must outlive it.
  CallRecords(Metrics& metrics, Log& log) : metrics_(metrics), log_(log) {}

  // A request is over. `prompt` and `reply` only where the log asks for them.
  void note(const RequestFacts& facts, std::string_view prompt = {}, std::string_view reply = {});
  [[nodiscard]] bool wants_text() const { return log_.prompts() == LogPrompts::kLogged; }

  void keep_explanation(TenantId tenant, std::string id, boost::json::object explanation);
  // `id`: of a reply, or "last".
  [[nodiscard]] std::optional<boost::json::object> explanation(TenantId tenant, std::string_view id);

 private:
  struct Explained {
    std::string id;
    boost::json::object explanation;
  };
  struct OfTenant {
    std::deque<Explained> latest;           // the newest last
    std::list<TenantId>::iterator used_at;  // in by_use_
  };

  Metrics& metrics_;
  Log& log_;
  std::mutex mutex_;
  std::map<TenantId, OfTenant> tenants_;
  std::list<TenantId> by_use_;  // the one that was used last stands last
};

}  // namespace cairn
