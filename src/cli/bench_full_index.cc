#include "cli/bench_full_index.h"

#include <fmt/format.h>

#include <utility>

#include "base/clock.h"

namespace cairn {
namespace {

constexpr int64_t kTextTokens = FullIndex::kTextBlocks * kBlockSize;

// The smallest rows that there are of one layer, without open rows: 576 bytes a block.
KvCacheOptions options_of(int64_t block_count) {
  return {.shape = {.layer_count = 1, .kv_head_count = 1, .head_dim = 1, .plan = KvPlan(KvFormat::kFp8E4M3)},
          .context = kTextTokens + 1,
          .step_rows = kTextTokens,
          .pool_blocks = {block_count}};
}

// No two texts begin alike. One token more than its blocks have: a match leaves the last one to be run.
std::vector<TokenId> tokens_of_text(int64_t number) {
  std::vector<TokenId> tokens(kTextTokens + 1);
  for (size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<TokenId>(i);
  tokens[0] = static_cast<TokenId>(number);
  return tokens;
}

double seconds_since(uint64_t begin_ns) {
  return static_cast<double>(SteadyClock().now_ns() - begin_ns) * 1e-9;
}

Status wrong_find(int64_t found, int64_t expected) {
  return internal_error(fmt::format(
      "the prefix index finds {} positions of a text of which it has {}: this is a bug, please report it",
      found, expected));
}

}  // namespace

Result<FullIndex> FullIndex::create(int64_t block_count) {
  CAIRN_ASSIGN_OR_RETURN(auto cache, KvCache::create(options_of(block_count)));
  return FullIndex(block_count, std::move(cache));
}

Result<uint64_t> FullIndex::most_bytes(int64_t block_count) {
  CAIRN_ASSIGN_OR_RETURN(const KvMemory memory, KvCache::memory_of(options_of(block_count)));
  return memory.total_bytes() + memory.table_bytes;
}

Result<FullIndex::Insertion> FullIndex::insert_next() {
  const std::vector<TokenId> tokens = tokens_of_text(next_);
  const std::span<const TokenId> rows = std::span(tokens).first(kTextTokens);
  const PrefixNames names = cache_->names_of(tokens, {});
  Insertion seconds;
  uint64_t begin_ns = SteadyClock().now_ns();
  const KvLease lease = cache_->match({.tokens = tokens, .names = names});
  seconds.unknown = seconds_since(begin_ns);
  if (cache_->length(lease) != 0) return wrong_find(cache_->length(lease), 0);

  begin_ns = SteadyClock().now_ns();
  if (cache_->reserve(lease, kTextTokens) != Room::kOk)
    return internal_error("blocks that nobody uses are not evicted: this is a bug, please report it");
  const KvStepRows part{lease.sequence(), kTextTokens};
  KvStep step = cache_->begin_step({&part, 1});
  CAIRN_RETURN_IF_ERROR(step.open(0).status());
  step.close(0);
  step.commit(rows);
  seconds.insert = seconds_since(begin_ns);

  texts_.push_back(next_++);
  if (std::ssize(texts_) * kTextBlocks > block_count_) texts_.pop_front();
  return seconds;
}

Result<double> FullIndex::look_up_oldest() {
  const int64_t number = texts_.front();
  const std::vector<TokenId> tokens = tokens_of_text(number);
  const PrefixNames names = cache_->names_of(tokens, {});
  const uint64_t begin_ns = SteadyClock().now_ns();
  KvLease lease = cache_->match({.tokens = tokens, .names = names});
  const int64_t found = cache_->length(lease);
  lease = {};
  const double seconds = seconds_since(begin_ns);
  if (found != kTextTokens) return wrong_find(found, kTextTokens);
  texts_.pop_front();
  texts_.push_back(number);
  return seconds;
}

}  // namespace cairn
