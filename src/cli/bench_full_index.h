// FullIndex: a cache whose every block is named, for measuring what the prefix index costs as it grows. No model: nobody
// computes the rows, so the pages of its pool are never touched. Of `cairn bench growth`.
//
// Always true: it holds block_count() named blocks, of texts of kTextBlocks each, none of which is in use. The cache
// evicts what has been idle for longest, so its texts come round in the order in which they were looked up or inserted.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "cairn/ids.h"
#include "cairn/status.h"
#include "kv/kv_cache.h"

namespace cairn {

class FullIndex {
 public:
  static constexpr int64_t kTextBlocks = 50;

  // Without a block yet: insert_next fills it. `block_count`: a multiple of kTextBlocks. Errors: those of
  // KvCache::create.
  static Result<FullIndex> create(int64_t block_count);
  // What that takes at most, blocks that are never touched too.
  static Result<uint64_t> most_bytes(int64_t block_count);

  // Seconds.
  struct Insertion {
    double unknown = 0;  // looking the text up before, which finds nothing
    double insert =
        0;  // its blocks get memory (evicting others, where it is full) and are named and committed
  };
  // Inserts a text that was never there. Errors: kInternal, where something was found of it (a bug).
  Result<Insertion> insert_next();
  // Seconds of looking up the text that has been idle for longest, and of letting it go. Errors: kInternal, where it was not
  // found as a whole (a bug).
  Result<double> look_up_oldest();

  [[nodiscard]] int64_t block_count() const { return block_count_; }
  [[nodiscard]] int64_t inserted_blocks() const { return next_ * kTextBlocks; }
  [[nodiscard]] const KvCache& cache() const { return *cache_; }

 private:
  FullIndex(int64_t block_count, std::unique_ptr<KvCache> cache)
      : block_count_(block_count), cache_(std::move(cache)) {}

  int64_t block_count_;
  std::unique_ptr<KvCache> cache_;
  int64_t next_ = 0;           // the number of the next text
  std::deque<int64_t> texts_;  // those that are there, the one that has been idle for longest first
};

}  // namespace cairn
