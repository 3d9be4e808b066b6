// The keys file: who may use the server, and what each may take of it. One key a line; what stands behind # is for people.
//
//   NAME sha256:HEX [weight=2] [kv=2GiB] [requests=60/min] [tokens=100000/min] [concurrent=8] [metrics=yes]
//
//   NAME        1 to 64 of A-Z a-z 0-9 . _ -, each name once, not anonymous nor other: the tenant. Its id and its
//               counts live by this name
//   sha256:HEX  the SHA-256 of the key. The key itself is nowhere in the file
//   weight      share of the machine beside other tenants, 1 to 1000 (default 1)
//   kv          most bytes of the cache that it holds, idle blocks included (default: no limit of its own)
//   requests    most requests in a time: N/s, N/min, N/h or N/day; as many may come at once (default: no limit)
//   tokens      the same for tokens of prompts and replies together
//   concurrent  most requests that wait or run at once (default: no limit)
//   metrics     yes: this key may read the server's metrics, which count all tenants together (default no)
//
// Always true: a KeyTable never changes, so threads share one. Errors name the file, the line and what to write instead; no
// message repeats a word of the file but the names of settings: any other may be a key that was pasted there. For the server and for `cairn key`.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/sha256.h"
#include "cairn/status.h"

namespace cairn {

// Names that no key may have: in the metrics they are who needs no key, and all tenants beyond those with labels.
inline constexpr std::string_view kAnonymousName = "anonymous";
inline constexpr std::string_view kOtherNames = "other";

// `amount` in each period, all of which may come at once.
struct Rate {
  int64_t amount = 1;     // 1 to kMostOfARate
  int64_t period_s = 60;  // 1, 60, 3600 or 86400

  friend bool operator==(const Rate&, const Rate&) = default;
};
inline constexpr int64_t kMostOfARate = 1'000'000'000'000;

// Whether a key may read what is counted over all tenants.
enum class MetricsAccess : uint8_t { kNone, kAll };

// What the file says of one key.
struct TenantConfig {
  std::string name;
  Sha256Digest key_hash{};
  int64_t weight = 1;
  std::optional<uint64_t> kv_quota_bytes;
  std::optional<Rate> requests;
  std::optional<Rate> tokens;
  std::optional<int64_t> concurrent;
  MetricsAccess metrics = MetricsAccess::kNone;

  friend bool operator==(const TenantConfig&, const TenantConfig&) = default;
};

class KeyTable;

struct LoadedKeys {
  std::shared_ptr<const KeyTable> table;
  std::vector<std::string> notes;  // a sentence each: the file can be read by others
};

class KeyTable {
 public:
  static constexpr size_t kMostKeys = 10'000;
  static constexpr size_t kMostFileBytes = size_t{4} << 20;
  static constexpr size_t kMostKeyBytes = 512;  // of a key that is presented; ours have 46

  // Reads a regular file. Errors: kNotFound, kInvalidArgument (no regular file, not allowed to read it), kInvalidData
  // (a line; too large; no key at all).
  static Result<LoadedKeys> load(const std::string& path);
  // `file_name` is for messages.
  static Result<KeyTable> parse(std::string_view text, std::string_view file_name);

  // Whose key this is; null: nobody's. Every entry is compared in full whatever the key, so the time that it takes says
  // nothing of how near a guess is.
  [[nodiscard]] const TenantConfig* find(std::string_view key) const;
  [[nodiscard]] std::span<const TenantConfig> tenants() const {
    return tenants_;
  }  // in the order of the file

 private:
  std::vector<TenantConfig> tenants_;
};

// A sentence for each tenant whose quota is below `least_bytes`, what the shortest text takes: all of its requests would be
// refused.
[[nodiscard]] std::vector<std::string> small_quota_notes(const KeyTable& keys, uint64_t least_bytes);

// A new key: 32 bytes of the system's random source as ck_ and 43 letters and digits. kInternal: the system gave none.
Result<std::string> make_key();
[[nodiscard]] Sha256Digest hash_of_key(std::string_view key);

// Takes one NAME=VALUE of a line, such as "weight=2". kInvalidArgument says what could stand there.
Status take_key_setting(std::string_view setting, TenantConfig& config);
// Whether `name` can be a tenant's; kInvalidArgument says what can, but not the name, which may be a key in the wrong place.
Status check_tenant_name(std::string_view name);
// "60/min", as the file has it.
[[nodiscard]] std::string rate_text(const Rate& rate);
// The line of the file, without its line end.
[[nodiscard]] std::string key_line(const TenantConfig& config);

// The secret part of the names of a tenant's blocks: a pure function of its name and its key's hash, so that blocks that
// are kept beyond a restart are found again, and unlike any other tenant's. Never shown or logged.
[[nodiscard]] std::string salt_of(const TenantConfig& config);

}  // namespace cairn
