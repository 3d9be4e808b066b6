#include "server/access.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "server/http/http_parse.h"

namespace cairn {
namespace {

std::optional<std::string_view> key_of(const HttpHead& head) {
  if (const auto authorization = head.header("authorization")) {
    if (const auto token = bearer_token(*authorization)) return token;
  }
  return head.header("x-api-key");
}

std::string words_of(RateLimit limit, const ServedTenant& tenant) {
  const std::string& name = tenant.config.name;
  switch (limit) {
    case RateLimit::kRequests: return fmt::format("'{}' has made as many requests as its rate allows", name);
    case RateLimit::kTokens: return fmt::format("'{}' has used as many tokens as its rate allows", name);
    case RateLimit::kConcurrent: return fmt::format("'{}' has as many requests at once as it may", name);
    case RateLimit::kNone: break;
  }
  return fmt::format("'{}' may not begin a request now", name);
}

constexpr int64_t kRetryAfterFullS =
    2;  // places come free every second or so where texts are as long as chats have them

}  // namespace

ApiResult<TenantRef> Access::who(const HttpHead& head) const {
  const auto key = key_of(head);
  if (TenantRef tenant = parts_.tenants.find(key)) return tenant;
  return authentication_error(key.has_value()
                                  ? "this API key is not known here"
                                  : "this server asks for an API key: send Authorization: Bearer KEY");
}

// Of the half that is parted, by weight among all tenants of now; one place at least.
int64_t Access::share_of(const ServedTenant& tenant) const {
  const int64_t weights = std::max(parts_.tenants.weights(), tenant.config.weight);
  return std::max<int64_t>(1, texts_max_ / 2 * tenant.config.weight / weights);
}

// Whoever is within its share has a place, unless the house is full to the last.
bool Access::has_room(const ServedTenant& tenant, int64_t texts) const {
  if (texts_inside_ + texts > texts_max_) return false;
  const auto own = inside_.find(tenant.id);
  if (own != inside_.end() && own->second.texts + texts <= own->second.share) return true;
  int64_t beyond_shares = 0;
  for (const auto& [id, inside] : inside_) {
    const int64_t count = inside.texts + (id == tenant.id ? texts : 0);
    beyond_shares += std::max<int64_t>(0, count - inside.share);
  }
  return beyond_shares <= texts_max_ - texts_max_ / 2;
}

std::variant<Access::Place, Access::Refusal> Access::enter(TenantRef tenant, const Wish& wish) {
  const int64_t share = share_of(*tenant);
  // Alone in the house it would have its share and all of the open half; to ask again for more would never help.
  const int64_t most = std::min(texts_max_, share + texts_max_ - texts_max_ / 2);
  if (wish.texts > most) {
    return Refusal{
        invalid_request("n", fmt::format("a call may have {} texts here at most, not {}", most, wish.texts)),
        std::nullopt};
  }
  const std::lock_guard lock(mutex_);
  Inside& inside = inside_[tenant->id];
  inside.share = share;
  if (!has_room(*tenant, wish.texts)) {
    if (inside.texts == 0) inside_.erase(tenant->id);
    return Refusal{rate_limit_error("as many texts run and wait as this server has room for: try again soon"),
                   kRetryAfterFullS};
  }
  const RateDecision decision = parts_.rates.admit(*tenant, 1, wish.tokens, parts_.clock.now_ns());
  if (!decision.ok) {
    parts_.metrics.note_rate_limited(tenant->config.name, decision.limit);
    ApiError error = rate_limit_error(words_of(decision.limit, *tenant));
    if (inside.texts == 0) inside_.erase(tenant->id);
    return Refusal{std::move(error), decision.retry_after_s};
  }
  inside.texts += wish.texts;
  texts_inside_ += wish.texts;
  return Place(*this, std::move(tenant), wish);
}

void Access::leave(const Place& place) {
  parts_.rates.settle(*place.tenant_, place.wish_.tokens, place.used_tokens_, parts_.clock.now_ns());
  parts_.rates.end(place.tenant_->id);
  const std::lock_guard lock(mutex_);
  texts_inside_ -= place.wish_.texts;
  const auto inside = inside_.find(place.tenant_->id);
  inside->second.texts -= place.wish_.texts;
  if (inside->second.texts == 0) inside_.erase(inside);
}

int64_t Access::texts_inside() const {
  const std::lock_guard lock(mutex_);
  return texts_inside_;
}

int64_t Access::texts_inside(TenantId tenant) const {
  const std::lock_guard lock(mutex_);
  const auto inside = inside_.find(tenant);
  return inside == inside_.end() ? 0 : inside->second.texts;
}

}  // namespace cairn
