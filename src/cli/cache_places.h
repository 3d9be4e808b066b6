// What the subcommands of `cairn cache` share: opening what keeps blocks, whose blocks are meant, and which texts.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cairn/status.h"
#include "cli/cache.h"
#include "kv/tiers/block_catalogue.h"
#include "store/disk_store.h"
#include "store/redis_store.h"
#include "text/tokenizer.h"

namespace cairn {

class Console;

enum class IfAbsent : uint8_t { kRefuse, kMake };
// The store in --kv-disk. It keeps whatever is there: nothing leaves it for want of room. Errors: those of DiskStore::open;
// with kRefuse kNotFound where there is no folder, or none that ever kept blocks.
Result<std::unique_ptr<DiskStore>> open_kept_blocks(const CacheOptions& options, IfAbsent if_absent);

// The store in --kv-remote.
Result<std::unique_ptr<RedisStore>> open_remote_store(const CacheOptions& options);

// The catalogue, with a progress bar. Records that are no blocks are noted. Nothing where Ctrl-C came.
Result<std::optional<BlockCatalogue>> read_catalogue(DiskStore& store, const CacheOptions& options,
                                                     Console& console);

// What turns a model's texts into ids and back, and knows its blocks.
struct TextModel {
  Tokenizer tokenizer;
  std::string config;
  // Whether blocks of this identity are of a model of its shape.
  [[nodiscard]] bool is_of(const std::string& identity) const {
    return identity.find(config) != std::string::npos;
  }
};
Result<TextModel> read_text_model(const std::string& path, const TokenizerOptions& options, Console& console);

// --tenant or --owner; nothing: everybody's. kInvalidArgument: both, or no keys file, or none of that name in it.
Result<std::optional<OwnerTag>> wanted_owner(const CacheOptions& options, Console& console);
// The names of --api-keys by their tags; none without it.
Result<std::map<OwnerTag, std::string>> owner_names(const CacheOptions& options);
// A name where one is known, else the tag's digits; "-": nobody's.
[[nodiscard]] std::string owner_text(const OwnerTag& owner, const std::map<OwnerTag, std::string>& names);
// 32 digits.
[[nodiscard]] std::string owner_digits(const OwnerTag& owner);
[[nodiscard]] Result<OwnerTag> parse_owner(const std::string& digits);

// The last block of each text that --name or a prompt names: of a prompt what is kept of it, once for each model of its shape,
// KV plan and salt. Never empty. kNotFound: nothing of it is kept; kInvalidArgument: no text is named, or two are.
Result<std::vector<size_t>> wanted_texts(const BlockCatalogue& catalogue, const CacheOptions& options,
                                         Console& console);

// "1 block", "12 blocks".
[[nodiscard]] std::string block_count_text(uint64_t count);
// How long ago that was: "40 s", "3 min", "5 h", "12 d".
[[nodiscard]] std::string age_text(uint64_t then_ms, uint64_t now_ms);

}  // namespace cairn
