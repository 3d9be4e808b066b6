// Access: who asks, and whether they may: keys, rates, and a place among the texts that run or wait.
//
// Always true: at most `texts_max` texts are inside at once, however they came. Half of the places are parted among the
// tenants by their weights, the other half is for whoever comes first: so no tenant's burst keeps another out, and one alone
// can use all but the others' parts. What is taken (places, rates) is given back when the Place is dropped.
// Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <variant>

#include "base/clock.h"
#include "server/http/message.h"
#include "server/metrics.h"
#include "server/openai/error.h"
#include "server/rate_limit.h"
#include "server/tenants.h"

namespace cairn {

class Access {
 public:
  // All must outlive it.
  struct Parts {
    const Tenants& tenants;
    RateLimiter& rates;
    Metrics& metrics;
    const Clock& clock;
  };
  Access(const Parts& parts, int64_t texts_max) : parts_(parts), texts_max_(texts_max) {}

  // Whose key the request carries (Authorization: Bearer KEY, or X-Api-Key: KEY). 401 where it is nobody's.
  [[nodiscard]] ApiResult<TenantRef> who(const HttpHead& head) const;

  // What a call asks for: its texts, and the tokens that its tenant's rate must have room for when it begins.
  struct Wish {
    int64_t texts = 1;
    int64_t tokens = 0;
  };
  // Places for all texts of a call. Move-only; gives back what it holds when it is dropped.
  class Place {
   public:
    Place(Access& access, TenantRef tenant, const Wish& wish)
        : access_(&access), tenant_(std::move(tenant)), wish_(wish) {}
    Place(Place&& other) noexcept
        : access_(std::exchange(other.access_, nullptr)),
          tenant_(std::move(other.tenant_)),
          wish_(other.wish_) {}
    Place& operator=(Place&&) = delete;
    ~Place() {
      if (access_ != nullptr) access_->leave(*this);
    }
    // So many tokens were really used: the tenant's rate is charged for these.
    void set_used_tokens(int64_t tokens) { used_tokens_ = tokens; }

   private:
    friend class Access;
    Access* access_;
    TenantRef tenant_;
    Wish wish_;
    int64_t used_tokens_ = 0;
  };
  struct Refusal {
    ApiError error;
    std::optional<int64_t> retry_after_s;
  };
  [[nodiscard]] std::variant<Place, Refusal> enter(TenantRef tenant, const Wish& wish);

  [[nodiscard]] int64_t texts_inside() const;
  [[nodiscard]] int64_t texts_inside(TenantId tenant) const;

 private:
  [[nodiscard]] int64_t share_of(const ServedTenant& tenant) const;
  [[nodiscard]] bool has_room(const ServedTenant& tenant, int64_t texts) const;
  void leave(const Place& place);

  const Parts parts_;
  const int64_t texts_max_;
  struct Inside {
    int64_t texts = 0;
    int64_t share = 0;  // of the parted half, when somebody of the tenant came last
  };
  mutable std::mutex mutex_;
  std::map<TenantId, Inside> inside_;
  int64_t texts_inside_ = 0;
};

}  // namespace cairn
