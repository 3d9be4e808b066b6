#include "store/redis_counts.h"

namespace cairn {

void add(RedisCounts& sum, const RedisCounts& counts) {
  sum.hits += counts.hits;
  sum.misses += counts.misses;
  sum.stored += counts.stored;
  sum.failures += counts.failures;
  sum.skipped += counts.skipped;
  sum.refused_sizes += counts.refused_sizes;
  sum.error_replies += counts.error_replies;
  sum.connect_errors += counts.connect_errors;
  sum.closed_errors += counts.closed_errors;
  sum.garbage_errors += counts.garbage_errors;
  sum.timeouts += counts.timeouts;
  sum.moved += counts.moved;
  sum.asked += counts.asked;
  sum.map_loads += counts.map_loads;
  sum.breaker_opens += counts.breaker_opens;
  sum.sent_bytes += counts.sent_bytes;
  sum.received_bytes += counts.received_bytes;
}

}  // namespace cairn
