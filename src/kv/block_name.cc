#include "kv/block_name.h"

#include <algorithm>

namespace cairn {
namespace {

// The format of names and of what they cover.
constexpr std::string_view kFormat = "cairn block 2\n";

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace

int64_t common_blocks(const PrefixNames& a, const PrefixNames& b) {
  const size_t most = std::min(a.blocks.size(), b.blocks.size());
  if (a.root != b.root) return 0;
  size_t same = 0;
  for (size_t differs = most + 1; same + 1 < differs;) {
    const size_t middle = same + (differs - same) / 2;
    (a.blocks[middle - 1] == b.blocks[middle - 1] ? same : differs) = middle;
  }
  return static_cast<int64_t>(same);
}

BlockNamer::BlockNamer(std::string_view identity) {
  sha_.update(bytes_of(kFormat));
  sha_.update(bytes_of(identity));
  identity_ = sha_.finish();
}

BlockName BlockNamer::root(std::string_view salt) {
  sha_.update(std::as_bytes(std::span(identity_)));
  sha_.update(bytes_of(salt));
  return sha_.finish();
}

BlockName BlockNamer::child(const BlockName& parent, std::span<const TokenId> tokens) {
  sha_.update(std::as_bytes(std::span(parent)));
  sha_.update(std::as_bytes(tokens));
  return sha_.finish();
}

void BlockNamer::extend(PrefixNames& names, std::span<const TokenId> tokens) {
  const size_t block_count = tokens.size() / kBlockSize;
  names.blocks.reserve(block_count);
  for (size_t b = names.blocks.size(); b < block_count; ++b) {
    const BlockName& parent = b == 0 ? names.root : names.blocks[b - 1];
    names.blocks.push_back(child(parent, tokens.subspan(b * kBlockSize, kBlockSize)));
  }
}

}  // namespace cairn
