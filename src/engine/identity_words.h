// What the identity of a block says (KvCache::identity(): block_identity and what the cache adds), taken apart for people.
// It is read for no decision: whether a block may be used is decided by comparing all of it.
#pragma once

#include <string>
#include <string_view>

namespace cairn {

struct IdentityWords {
  std::string model;       // the fingerprint, 64 hexadecimal digits; empty: not said
  std::string family;      // "llama"
  std::string arithmetic;  // of the kernels
  std::string kv;  // the codecs: "f16"; "k=int8,v=int4"; of layers that differ, each with "; " between
};
// Parts that are not found are empty.
[[nodiscard]] IdentityWords identity_words(std::string_view identity);

}  // namespace cairn
