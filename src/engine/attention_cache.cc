#include "cairn/attention_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/no_throw.h"
#include "engine/attention_cache_impl.h"
#include "engine/cache_statistics.h"

namespace cairn {

Result<AttentionCache> AttentionCache::create(const AttentionCacheOptions& options) {
  return no_throw([&]() -> Result<AttentionCache> {
    CAIRN_ASSIGN_OR_RETURN(AttentionCachePlan plan, plan_attention_cache(options));
    CAIRN_ASSIGN_OR_RETURN(auto cache, KvCache::create(plan.kv));
    return AttentionCache(std::make_unique<Impl>(std::move(plan), std::move(cache)));
  });
}

AttentionCache::AttentionCache(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AttentionCache::~AttentionCache() = default;
AttentionCache::AttentionCache(AttentionCache&&) noexcept = default;
AttentionCache& AttentionCache::operator=(AttentionCache&&) noexcept = default;

KvLease* AttentionCache::Impl::find(CachedSequenceId id) {
  Slot& slot = slots[id.value % slots.size()];
  return slot.lease && slot.use_count == id.value / slots.size() ? &slot.lease : nullptr;
}

CachedSequenceId AttentionCache::Impl::open(KvLease lease) {
  const auto place =
      std::ranges::find_if(slots, [](const Slot& slot) { return !slot.lease; }) - slots.begin();
  Slot& slot = slots[static_cast<size_t>(place)];
  slot.lease = std::move(lease);
  ++slot.use_count;
  return id_of(static_cast<size_t>(place));
}

Result<BegunSequence> AttentionCache::begin(std::span<const TokenId> tokens, std::string_view salt) {
  return no_throw([&]() -> Result<BegunSequence> {
    if (impl_->is_running()) return step_is_running();
    KvLease lease = impl_->cache->match(tokens, salt);
    if (!lease) {
      return resource_exhausted(
          fmt::format("{} sequences are open already: end one first", impl_->slots.size()));
    }
    const int64_t found = impl_->cache->length(lease);
    return BegunSequence{impl_->open(std::move(lease)), found};
  });
}

Result<CachedSequenceId> AttentionCache::fork(CachedSequenceId sequence) {
  return no_throw([&]() -> Result<CachedSequenceId> {
    if (impl_->is_running()) return step_is_running();
    const KvLease* original = impl_->find(sequence);
    if (original == nullptr) return sequence_not_open();
    KvLease lease = impl_->cache->fork(*original);
    if (!lease) {
      return resource_exhausted("there is no room for a fork: end another sequence first");
    }
    return impl_->open(std::move(lease));
  });
}

Status AttentionCache::end(CachedSequenceId sequence) {
  return no_throw([&]() -> Status {
    if (impl_->is_running()) return step_is_running();
    KvLease* lease = impl_->find(sequence);
    if (lease == nullptr) return sequence_not_open();
    *lease = {};
    return {};
  });
}

Result<int64_t> AttentionCache::truncate(CachedSequenceId sequence, int64_t positions) {
  return no_throw([&]() -> Result<int64_t> {
    if (impl_->is_running()) return step_is_running();
    const KvLease* lease = impl_->find(sequence);
    if (lease == nullptr) return sequence_not_open();
    const int64_t length = impl_->cache->length(*lease);
    if (positions < 0 || positions > length) {
      return invalid_argument(
          fmt::format("a sequence of {} positions cannot end before position {}", length, positions));
    }
    return impl_->cache->truncate(*lease, positions);
  });
}

Result<int64_t> AttentionCache::length(CachedSequenceId sequence) const {
  return no_throw([&]() -> Result<int64_t> {
    const KvLease* lease = impl_->find(sequence);
    if (lease == nullptr) return sequence_not_open();
    return impl_->cache->length(*lease);
  });
}

Status AttentionCache::reserve(CachedSequenceId sequence, int64_t positions) {
  return no_throw([&]() -> Status {
    if (impl_->is_running()) return step_is_running();
    const KvLease* lease = impl_->find(sequence);
    if (lease == nullptr) return sequence_not_open();
    if (positions < 0 || positions > impl_->cache->context()) {
      return invalid_argument(fmt::format("room for {} positions is not possible: the context has {}",
                                          positions, impl_->cache->context()));
    }
    if (impl_->cache->reserve(*lease, positions) == Room::kOk) return {};
    return resource_exhausted(fmt::format(
        "the cache's memory is full: there is no room for {} positions; end or truncate another sequence, "
        "or give the cache more",
        positions));
  });
}

CacheStatistics AttentionCache::statistics() const { return cache_statistics_of(*impl_->cache); }

}  // namespace cairn
