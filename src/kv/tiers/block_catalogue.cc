#include "kv/tiers/block_catalogue.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/no_throw.h"
#include "base/printable.h"
#include "base/sha256.h"
#include "kv/tiers/disk_tier.h"
#include "kv/tiers/stored_block.h"

namespace cairn {
namespace {

// Digits in lower case; nothing where some are none.
std::optional<std::string> as_digits(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    const char lower = c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    if (std::string_view("0123456789abcdef").find(lower) == std::string_view::npos) return std::nullopt;
    digits += lower;
  }
  return digits;
}

// When it was used, to people: the store counts deep blocks as older, unless it only knows when the record was made.
uint64_t used_at_ms(const StoredRecord& record, int64_t index) {
  if (record.last_used_ms == record.created_ms) return record.created_ms;
  return record.last_used_ms + DiskTier::age_of(index);
}

}  // namespace

Result<BlockCatalogue> BlockCatalogue::read(DiskStore& store, const GoOn& go_on) {
  return no_throw([&]() -> Result<BlockCatalogue> {
    BlockCatalogue catalogue;
    BlockNamer namer{std::string_view()};
    std::vector<StoredRecord> records;
    store.list([&](const StoredRecord& record) { records.push_back(record); });
    std::ranges::sort(records, {}, &StoredRecord::name);
    for (size_t i = 0; i < records.size(); ++i) {
      if (!go_on(i, records.size())) return internal_error("stopped before all blocks were looked at");
      CAIRN_RETURN_IF_ERROR(catalogue.add(store, records[i], namer));
    }
    catalogue.link();
    return catalogue;
  });
}

// Ok also where it is no block: then it is counted. kResourceExhausted.
Status BlockCatalogue::add(DiskStore& store, const StoredRecord& record, BlockNamer& namer) {
  std::vector<std::byte> head(record.head_bytes);
  const auto read = [&]() -> Status {
    CAIRN_ASSIGN_OR_RETURN(RecordReader reader, store.look_at(record.name));
    if (reader.record().head_bytes != head.size()) return not_found("another record has its name now");
    return reader.read_head(head);
  };
  Status status = read();
  if (status.code() == StatusCode::kResourceExhausted) return status;
  const auto parsed = status.ok() ? check_block_head(record.name, head, *record.slice_bytes, namer)
                                  : Result<BlockHead>(status);
  if (!parsed.ok()) {
    ++(parsed.status().code() == StatusCode::kUnsupported ? foreign_count_ : bad_count_);
    return {};
  }
  blocks_.push_back({.name = std::bit_cast<BlockName>(record.name),
                     .parent = parsed->parent,
                     .root = parsed->root,
                     .owner = record.owner,
                     .index = parsed->index,
                     .tokens = parsed->tokens,
                     .identity = identity_of(parsed->identity),
                     .bytes = record.bytes,
                     .created_ms = record.created_ms,
                     .last_used_ms = used_at_ms(record, parsed->index),
                     .hits = record.hits,
                     .is_pinned = record.is_pinned,
                     .parent_at = {},
                     .children = {}});
  return {};
}

size_t BlockCatalogue::identity_of(std::string_view text) {
  const auto found = std::ranges::find(identities_, text);
  const auto at = static_cast<size_t>(found - identities_.begin());
  if (found == identities_.end()) identities_.emplace_back(text);
  return at;
}

// Names are hashes of their parents' names, and were checked: there is no circle.
void BlockCatalogue::link() {
  for (size_t i = 0; i < blocks_.size(); ++i) {
    if (blocks_[i].index == 0) continue;
    const auto parent = std::ranges::lower_bound(blocks_, blocks_[i].parent, {}, &KeptBlock::name);
    if (parent == blocks_.end() || parent->name != blocks_[i].parent ||
        parent->index + 1 != blocks_[i].index) {
      continue;
    }
    parent->children.push_back(i);
    blocks_[i].parent_at = static_cast<size_t>(parent - blocks_.begin());
  }
}

std::vector<size_t> BlockCatalogue::leaves() const {
  std::vector<size_t> leaves;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    if (blocks_[i].children.empty()) leaves.push_back(i);
  }
  // Of those that were used at once, by name: blocks_ is.
  std::ranges::sort(leaves, [&](size_t a, size_t b) {
    return std::tuple(blocks_[b].last_used_ms, a) < std::tuple(blocks_[a].last_used_ms, b);
  });
  return leaves;
}

std::vector<size_t> BlockCatalogue::chain_of(size_t at) const {
  std::vector<size_t> chain;
  for (std::optional<size_t> block = at; block.has_value(); block = blocks_[*block].parent_at) {
    chain.push_back(*block);
  }
  std::ranges::reverse(chain);
  return chain;
}

std::vector<size_t> BlockCatalogue::blocks_only_of(size_t at) const {
  std::vector<size_t> only{at};
  for (size_t i = 0; i < only.size(); ++i) {
    const auto& children = blocks_[only[i]].children;
    only.insert(only.end(), children.begin(), children.end());
  }
  for (auto block = blocks_[at].parent_at; block && blocks_[*block].children.size() == 1;
       block = blocks_[*block].parent_at) {
    only.push_back(*block);
  }
  return only;
}

std::vector<size_t> BlockCatalogue::unpinnable_of(size_t at) const {
  std::vector<size_t> chain = chain_of(at);
  for (size_t i = chain.size(); i-- > 0;) {
    const bool is_needed = std::ranges::any_of(blocks_[chain[i]].children, [&](size_t child) {
      return blocks_[child].is_pinned && (i + 1 == chain.size() || child != chain[i + 1]);
    });
    if (is_needed) {
      chain.erase(chain.begin(), chain.begin() + static_cast<ptrdiff_t>(i) + 1);
      break;
    }
  }
  return chain;
}

Result<size_t> BlockCatalogue::find(std::string_view text) const {
  const auto digits = as_digits(text);
  if (!digits || digits->size() < kNameDigits || digits->size() > 2 * sizeof(BlockName)) {
    return invalid_argument(
        fmt::format("'{}' is no block's name: that has {} hexadecimal digits, of which the first {} will do",
                    printable(text), 2 * sizeof(BlockName), kNameDigits));
  }
  std::optional<size_t> found;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    if (!to_hex(blocks_[i].name).starts_with(*digits)) continue;
    if (found) return invalid_argument("several blocks' names begin with " + *digits + ": write more digits");
    found = i;
  }
  if (!found) return not_found("no block that is kept has a name that begins with " + *digits);
  return *found;
}

std::vector<size_t> BlockCatalogue::find_prefixes(std::span<const TokenId> tokens,
                                                  const std::function<bool(const KeptBlock&)>& wanted) const {
  const auto is_at = [&](const KeptBlock& block) {
    const auto begin = static_cast<size_t>(block.index) * kBlockSize;
    return begin + kBlockSize <= tokens.size() &&
           std::ranges::equal(block.tokens, tokens.subspan(begin, kBlockSize));
  };
  std::vector<size_t> found;
  for (size_t i = 0; i < blocks_.size(); ++i) {
    if (blocks_[i].index != 0 || !is_at(blocks_[i]) || !wanted(blocks_[i])) continue;
    size_t last = i;
    for (;;) {
      const auto& children = blocks_[last].children;
      const auto next = std::ranges::find_if(children, [&](size_t child) { return is_at(blocks_[child]); });
      if (next == children.end()) break;
      last = *next;
    }
    found.push_back(last);
  }
  return found;
}

BlockVerifyReport verify_blocks(DiskStore& store, const GoOn& go_on) {
  BlockVerifyReport report;
  report.erased = no_throw([&]() -> Status {
    BlockNamer namer{std::string_view()};
    const auto is_block = [&](const RecordFront& front) -> Status {
      const auto head = check_block_head(front.name, front.head, front.slice_bytes, namer);
      if (head.ok()) return {};
      if (head.status().code() != StatusCode::kUnsupported) return head.status();
      ++report.foreign_count;
      return {};
    };
    const DiskStore::VerifyReport of_store = store.verify(go_on, is_block);
    report.checked_count = of_store.checked_count;
    report.bad_count = of_store.bad.size();
    report.is_complete = of_store.is_complete;
    return of_store.bad.empty() ? Status() : store.erase(of_store.bad).status();
  });
  return report;
}

std::vector<RecordName> record_names(const BlockCatalogue& catalogue, std::span<const size_t> blocks) {
  std::vector<RecordName> names;
  names.reserve(blocks.size());
  for (const size_t at : blocks) names.push_back(record_name_of(catalogue.block(at).name));
  return names;
}

}  // namespace cairn
