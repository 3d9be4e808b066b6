#include "kv/prefix_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"

namespace cairn {
namespace {

// Half of the places stay empty, so that probes are short.
size_t place_count_for(int64_t block_count) {
  return std::bit_ceil(static_cast<size_t>(std::max<int64_t>(block_count, 1)) * 2);
}

std::span<const std::byte> text_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

PrefixTree::PrefixTree(int64_t block_count)
    : entries_(static_cast<size_t>(block_count)), places_(place_count_for(block_count), kEmpty) {}

BlockName PrefixTree::root_name(std::string_view space, std::string_view salt) {
  sha_.update(text_bytes("cairn block 1\n"));  // the format of names
  const std::array<uint64_t, 2> sizes{space.size(), salt.size()};
  sha_.update(std::as_bytes(std::span(sizes)));
  sha_.update(text_bytes(space));
  sha_.update(text_bytes(salt));
  return sha_.finish();
}

BlockName PrefixTree::name_of(const BlockName& parent, std::span<const TokenId> tokens) {
  sha_.update(std::as_bytes(std::span(parent)));
  sha_.update(std::as_bytes(tokens));
  return sha_.finish();
}

size_t PrefixTree::home_of(const BlockName& name) const {
  size_t hash = 0;
  std::memcpy(&hash, name.data(), sizeof(hash));
  return hash & (places_.size() - 1);
}

size_t PrefixTree::place_of(const BlockName& name) const {
  size_t place = home_of(name);
  while (places_[place] != kEmpty && entry({places_[place]}).name != name) {
    place = (place + 1) & (places_.size() - 1);
  }
  return place;
}

std::optional<BlockId> PrefixTree::find(const BlockName& name, std::span<const TokenId> tokens) const {
  const int32_t block = places_[place_of(name)];
  if (block == kEmpty || !std::ranges::equal(entry({block}).tokens, tokens)) return std::nullopt;
  return BlockId{block};
}

void PrefixTree::insert(BlockId block, const BlockName& name, std::span<const TokenId> tokens) {
  Entry& e = entries_[static_cast<size_t>(block.value)];
  CHECK(!e.is_named);
  CHECK(tokens.size() == e.tokens.size());
  const size_t place = place_of(name);
  CHECK(places_[place] == kEmpty);
  e.name = name;
  e.is_named = true;
  std::ranges::copy(tokens, e.tokens.begin());
  places_[place] = block.value;
  ++size_;
}

// Without gravestones: what stands behind the gap moves up if it may.
void PrefixTree::erase(BlockId block) {
  CHECK(has_name(block));
  const size_t mask = places_.size() - 1;
  size_t gap = place_of(name(block));
  CHECK(places_[gap] == block.value);
  places_[gap] = kEmpty;
  for (size_t at = (gap + 1) & mask; places_[at] != kEmpty; at = (at + 1) & mask) {
    const size_t home = home_of(entry({places_[at]}).name);
    if (((at - home) & mask) < ((at - gap) & mask)) continue;  // its home lies behind the gap
    places_[gap] = places_[at];
    places_[at] = kEmpty;
    gap = at;
  }
  entries_[static_cast<size_t>(block.value)].is_named = false;
  --size_;
}

Status PrefixTree::check() const {
  int64_t named = 0;
  for (size_t i = 0; i < entries_.size(); ++i) {
    if (!entries_[i].is_named) continue;
    ++named;
    if (places_[place_of(entries_[i].name)] != static_cast<int32_t>(i)) {
      return internal_error(fmt::format("block {} is not found by its name", i));
    }
  }
  const auto filled = std::ranges::count_if(places_, [](int32_t block) { return block != kEmpty; });
  if (named != size_ || filled != named) {
    return internal_error(
        fmt::format("{} blocks have names, {} are in the table, {} were counted", named, filled, size_));
  }
  return {};
}

}  // namespace cairn
