// What paged storage finds again: a text's blocks, where every layer group can go on, and why no farther.
#include <algorithm>
#include <array>
#include <utility>

#include "base/check.h"
#include "kv/paged_storage.h"

namespace cairn {
namespace {

std::span<const TokenId> block_tokens(std::span<const TokenId> tokens, int64_t block) {
  return tokens.subspan(static_cast<size_t>(block * kBlockSize), kBlockSize);
}

const BlockName& parent_of(const PrefixNames& names, int64_t block) {
  return block == 0 ? names.root : names.blocks[static_cast<size_t>(block - 1)];
}

// Of one group, while blocks are looked at in order: which are there.
class BlockRun {
 public:
  void add(bool is_there) {
    ++count_;
    if (is_there && leading_ + 1 == count_) ++leading_;
    trailing_ = is_there ? trailing_ + 1 : 0;
  }
  // Whether a sequence can go on behind the blocks that were looked at.
  [[nodiscard]] bool can_go_on(const BlockWindow& window) const {
    const int64_t recent = count_ - window.first_needed(count_ * kBlockSize);
    return leading_ >= std::min(window.sink_blocks(), count_) && trailing_ >= std::min(recent, count_);
  }

 private:
  int64_t count_ = 0;
  int64_t leading_ = 0;
  int64_t trailing_ = 0;
};

}  // namespace

// `resident_groups` of a block: a bit for each group whose block is in memory, nothing where the block is not known.
template <typename ResidentGroups>
PagedStorage::Found PagedStorage::find(int64_t block_count, const ResidentGroups& resident_groups) const {
  uint64_t keeping_all = 0;
  for (int32_t g = 0; g < group_count(); ++g) {
    if (window(g).keeps_all()) keeping_all |= uint64_t{1} << g;
  }
  std::array<BlockRun, KvGeometry::kMaxGroups> runs;
  Found found;
  for (int64_t block = 0; block < block_count; ++block) {
    const std::optional<uint64_t> known = resident_groups(block);
    const uint64_t resident = known.value_or(0);
    if ((resident & keeping_all) != keeping_all) break;
    if (known.has_value()) found.known = block + 1;
    bool can_go_on = known.has_value();
    for (int32_t g = 0; g < group_count(); ++g) {
      if (window(g).keeps_all()) continue;
      BlockRun& run = runs[static_cast<size_t>(g)];
      run.add((resident >> g & 1U) != 0);
      can_go_on = can_go_on && run.can_go_on(window(g));
    }
    if (can_go_on) found.resumable = block + 1;
  }
  return found;
}

PagedStorage::Found PagedStorage::find(const NamedText& text, int64_t block_count) const {
  return find(block_count, [&](int64_t block) {
    const BlockName& name = text.names.blocks[static_cast<size_t>(block)];
    return index_.resident_groups(name, block_tokens(text.tokens, block));
  });
}

template <typename ResidentGroups>
PagedStorage::Found PagedStorage::find_affordable(AccountId by, std::span<const BlockName> names,
                                                  int64_t block_count,
                                                  const ResidentGroups& resident_groups) const {
  Found found = find(block_count, resident_groups);
  if (!accounts_.has_quota(by)) return found;
  for (;;) {
    const Takeover takeover = takeover_of(by, names.first(static_cast<size_t>(found.resumable)));
    if (takeover.bytes == 0 || accounts_.may_take(by, takeover.bytes)) return found;
    found = find(takeover.first_block, resident_groups);
    found.known = found.resumable;  // what lies behind is not said
  }
}

int64_t PagedStorage::findable(std::span<const TokenId> tokens, const PrefixNames& names) const {
  return shares() ? find({tokens, names}, findable_blocks(std::ssize(tokens))).resumable * kBlockSize : 0;
}

// The sequence, which has none, gets the blocks of these names that every group needs.
void PagedStorage::pin_prefix(SequenceId sequence, std::span<const BlockName> names) {
  const int64_t count = std::ssize(names);
  for (int32_t g = 0; g < group_count(); ++g) {
    KvBlockTable& to = own_table(sequence, g);
    CHECK(to.blocks.empty());
    to.first_block = window(g).first_needed(count * kBlockSize);
    for (int64_t b = to.begin(); b < count; b = to.next(b)) {
      const BlockName& name = names[static_cast<size_t>(b)];
      const std::optional<BlockId> block = index_.find(g, name, index_.tokens_of(name));
      CHECK(block.has_value());
      group(g).pin(account(sequence), *block);
      to.blocks.push_back(*block);
    }
  }
  chain(sequence).sealed_count = chain(sequence).room_blocks = count;
}

KvMatchReport PagedStorage::match(SequenceId sequence, std::span<const TokenId> tokens,
                                  const PrefixNames& names) {
  const KvEventLog::Scope scope(events_, sequence);
  CHECK(end_block(sequence) == 0);
  KvMatchReport report{.text_positions = std::ssize(tokens)};
  if (!shares()) return report;
  chain(sequence).root = names.root;
  const auto resident_groups = [&](int64_t block) {
    return index_.resident_groups(names.blocks[static_cast<size_t>(block)], block_tokens(tokens, block));
  };
  const Found found =
      find_affordable(account(sequence), names.blocks, findable_blocks(std::ssize(tokens)), resident_groups);
  pin_prefix(sequence, std::span(names.blocks).first(static_cast<size_t>(found.resumable)));
  // Texts part where the known one ends, and others may go on from this one's end.
  keep_tail(sequence, found.known * kBlockSize);
  keep_tail(sequence, std::ssize(tokens));
  report.found_positions = found.resumable * kBlockSize;
  explain_end(tokens, names, found, report);
  return report;
}

void PagedStorage::explain_end(std::span<const TokenId> tokens, const PrefixNames& names, const Found& found,
                               KvMatchReport& report) const {
  if (tokens.empty()) return;
  if (findable_blocks(std::ssize(tokens)) == 0) {
    report.end = KvMatchEnd::kShorterThanBlock;
    return;
  }
  if (found.resumable < found.known) {
    report.end = KvMatchEnd::kOutOfWindow;
    report.known_positions = found.known * kBlockSize;
    return;
  }
  const int64_t block = found.resumable;
  if (block == findable_blocks(std::ssize(tokens))) {
    report.end = KvMatchEnd::kComplete;
    return;
  }
  report.end = KvMatchEnd::kNothingKnown;
  const auto wanted = block_tokens(tokens, block);
  const auto nearest = index_.nearest(parent_of(names, block), wanted);
  if (!nearest.has_value()) return;
  if (nearest->eviction.has_value()) {
    report.end = KvMatchEnd::kEvicted;
    report.evicted_steps_ago = events_.step() - nearest->eviction->step;
    report.is_evicted_by_quota = nearest->eviction->cause == KvEviction::Cause::kQuota;
    report.wanted_blocks = nearest->eviction->wanted_blocks;
    report.idle_blocks = nearest->eviction->idle_blocks;
  } else if (nearest->known.has_value()) {
    report.end = KvMatchEnd::kTokensDiffer;
    report.differs_at = report.found_positions + nearest->common;
    report.wanted_token = wanted[static_cast<size_t>(nearest->common)];
    report.known_token = *nearest->known;
  }
}

// Whether every group still has what queries from `positions` on see.
bool PagedStorage::can_go_on(SequenceId sequence, int64_t positions) const {
  for (int32_t g = 0; g < group_count(); ++g) {
    const KvBlockTable& of = table(sequence, g);
    const bool is_in_sinks = KvGeometry::blocks_for(positions) <= of.sink_blocks;
    if (!is_in_sinks && window(g).first_needed(positions) < of.first_block) return false;
  }
  return true;
}

// To the last block end from which every group can go on, by what tails have left; else to the beginning.
int64_t PagedStorage::go_back(SequenceId sequence, int64_t positions, const NamedText* text) {
  const int64_t most = positions / kBlockSize;
  std::vector<BlockName> known;
  if (shares() && text == nullptr) {
    known = index_.names_up_to({0, table(sequence, 0).at(chain(sequence).sealed_count - 1)});
  }
  release_all(sequence);
  if (!shares()) return 0;
  const std::span<const BlockName> names = text == nullptr ? known : text->names.blocks;
  const int64_t block_count = text == nullptr ? std::min<int64_t>(std::ssize(known), most) : most;
  const Found found = find_affordable(account(sequence), names, block_count, [&](int64_t block) {
    const BlockName& name = names[static_cast<size_t>(block)];
    return text == nullptr ? index_.resident_groups(name, index_.tokens_of(name))
                           : index_.resident_groups(name, block_tokens(text->tokens, block));
  });
  pin_prefix(sequence, names.first(static_cast<size_t>(found.resumable)));
  keep_tail(sequence, positions);
  return found.resumable * kBlockSize;
}

void PagedStorage::keep_tail(SequenceId sequence, int64_t positions) {
  Chain& c = chain(sequence);
  const int64_t end = positions / kBlockSize;
  const auto to_come = std::span(c.tails).first(c.tail_count);
  if (end < c.sealed_count || std::ranges::find(to_come, end) != to_come.end()) return;
  if (end == c.sealed_count) return keep_tail_here(sequence);
  if (c.tail_count == Chain::kMostTails) return;  // it is only ever a loss of time
  c.tails[c.tail_count++] = end;
  std::ranges::sort(std::span(c.tails).first(c.tail_count));
}

// Of the blocks that are sealed now, the last ones are a tail.
void PagedStorage::keep_tail_here(SequenceId sequence) {
  const int64_t end = chain(sequence).sealed_count;
  for (int32_t g = 0; g < group_count(); ++g) {
    if (window(g).keeps_all()) continue;
    const KvBlockTable& of = table(sequence, g);
    const int64_t begin = std::max(of.first_block, window(g).tail_begin(end));
    for (int64_t b = begin; b < end; ++b) group(g).keep(of.at(b));
  }
}

}  // namespace cairn
