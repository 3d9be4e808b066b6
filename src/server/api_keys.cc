#include "server/api_keys.h"

#include <fmt/format.h>
#include <openssl/crypto.h>
#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <set>

#include "base/byte_count.h"
#include "base/printable.h"
#include "base/text_file.h"

namespace cairn {
namespace {

constexpr std::string_view kBlanks = " \t\r";
constexpr size_t kMostNameBytes = 64;
constexpr std::string_view kKeyBegin = "ck_";
constexpr size_t kKeyDigits = 43;  // 62^43 > 2^256
constexpr size_t kKeyBytes = kKeyBegin.size() + kKeyDigits;

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

std::optional<int64_t> count_of(std::string_view text, int64_t most) {
  int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const bool is_number = error == std::errc() && end == text.data() + text.size();
  return is_number && count >= 1 && count <= most ? std::optional(count) : std::nullopt;
}

struct Period {
  std::string_view name;
  int64_t seconds;
};
constexpr std::array<Period, 4> kPeriods{{{"s", 1}, {"min", 60}, {"h", 3600}, {"day", 86400}}};

std::optional<Rate> rate_of(std::string_view text) {
  const size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto amount = count_of(text.substr(0, slash), kMostOfARate);
  const auto* period = std::ranges::find(kPeriods, text.substr(slash + 1), &Period::name);
  if (!amount.has_value() || period == kPeriods.end()) return std::nullopt;
  return Rate{*amount, period->seconds};
}

std::optional<Sha256Digest> digest_of_hex(std::string_view hex) {
  Sha256Digest digest{};
  if (hex.size() != 2 * digest.size()) return std::nullopt;
  for (size_t i = 0; i < digest.size(); ++i) {
    const char* begin = hex.data() + 2 * i;
    const auto [end, error] = std::from_chars(begin, begin + 2, digest[i], 16);
    if (error != std::errc() || end != begin + 2) return std::nullopt;
  }
  return digest;
}

// The words of a line up to a #.
std::vector<std::string_view> words_of(std::string_view line) {
  line = line.substr(0, line.find('#'));
  std::vector<std::string_view> words;
  for (size_t at = line.find_first_not_of(kBlanks); at != std::string_view::npos;) {
    const size_t end = std::min(line.find_first_of(kBlanks, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(kBlanks, end);
  }
  return words;
}

constexpr std::array<std::string_view, 6> kSettings{"weight", "kv",         "requests",
                                                    "tokens", "concurrent", "metrics"};

// No word of a line that is not one of ours is repeated: what somebody pasted there may be a key.
Status bad_setting(std::string_view setting, std::string_view wanted) {
  const std::string_view name = setting.substr(0, setting.find('='));
  if (std::ranges::find(kSettings, name) == kSettings.end())
    return invalid_argument(fmt::format("a setting is not understood: write {}", wanted));
  return invalid_argument(fmt::format("'{}' is not understood: write {}", name, wanted));
}

// What a line says, or what is wrong with it.
Result<TenantConfig> config_of(std::span<const std::string_view> words) {
  constexpr std::string_view kScheme = "sha256:";
  CAIRN_RETURN_IF_ERROR(check_tenant_name(words.front()));
  TenantConfig config{.name = std::string(words.front())};
  if (words.size() < 2 || !words[1].starts_with(kScheme)) {
    return invalid_argument("behind the name stands sha256: and the key's hash; no key itself is kept here");
  }
  const auto digest = digest_of_hex(words[1].substr(kScheme.size()));
  if (!digest.has_value()) return invalid_argument("a hash has 64 hexadecimal digits behind sha256:");
  config.key_hash = *digest;
  std::set<std::string_view> given;
  for (const std::string_view setting : words.subspan(2)) {
    CAIRN_RETURN_IF_ERROR(take_key_setting(setting, config));
    const std::string_view name = setting.substr(0, setting.find('='));
    if (!given.insert(name).second) {
      return invalid_argument(fmt::format("'{}' is given twice on this line: leave one out", name));
    }
  }
  return config;
}

}  // namespace

std::string rate_text(const Rate& rate) {
  const auto* period = std::ranges::find(kPeriods, rate.period_s, &Period::seconds);
  return fmt::format("{}/{}", rate.amount, period == kPeriods.end() ? "?" : period->name);
}

Status check_tenant_name(std::string_view name) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  if (name.empty() || name.size() > kMostNameBytes || !std::ranges::all_of(name, is_allowed)) {
    return invalid_argument("that is no name: 1 to 64 letters, digits, '.', '_' and '-' are one");
  }
  if (name.size() >= kKeyBytes && name.starts_with(kKeyBegin)) {
    return invalid_argument("that is no name but a key: a key itself is never kept, only its hash");
  }
  for (const std::string_view taken : {kAnonymousName, kOtherNames}) {
    if (name == taken) {
      return invalid_argument(
          fmt::format("that is no name for a key: the metrics mean somebody else by '{}'", taken));
    }
  }
  return {};
}

Status take_key_setting(std::string_view setting, TenantConfig& config) {
  constexpr int64_t kMostWeight = 1000;
  constexpr int64_t kMostConcurrent = 1'000'000;
  const size_t equals = setting.find('=');
  const std::string_view name = setting.substr(0, equals);
  const std::string_view value = equals == std::string_view::npos ? "" : setting.substr(equals + 1);
  if (name == "weight") {
    const auto weight = count_of(value, kMostWeight);
    if (!weight.has_value()) return bad_setting(setting, "weight=2, a number from 1 to 1000");
    config.weight = *weight;
  } else if (name == "kv") {
    const auto bytes = parse_byte_count(value);
    if (!bytes.ok()) return bad_setting(setting, "kv=2GiB, a number of bytes");
    config.kv_quota_bytes = *bytes;
  } else if (name == "requests" || name == "tokens") {
    const auto rate = rate_of(value);
    if (!rate.has_value()) {
      return bad_setting(setting, fmt::format("{}=600/min, a number and one of /s, /min, /h, /day", name));
    }
    (name == "requests" ? config.requests : config.tokens) = rate;
  } else if (name == "concurrent") {
    const auto most = count_of(value, kMostConcurrent);
    if (!most.has_value()) return bad_setting(setting, "concurrent=8, a number from 1 to 1000000");
    config.concurrent = most;
  } else if (name == "metrics") {
    if (value != "yes" && value != "no") return bad_setting(setting, "metrics=yes or metrics=no");
    config.metrics = value == "yes" ? MetricsAccess::kAll : MetricsAccess::kNone;
  } else {
    return bad_setting(setting, "weight=, kv=, requests=, tokens=, concurrent= or metrics=");
  }
  return {};
}

std::string key_line(const TenantConfig& config) {
  const TenantConfig plain;
  std::string line = fmt::format("{} sha256:{}", config.name, to_hex(config.key_hash));
  if (config.weight != plain.weight) line += fmt::format(" weight={}", config.weight);
  if (config.kv_quota_bytes.has_value()) line += fmt::format(" kv={}", *config.kv_quota_bytes);
  if (config.requests.has_value()) line += " requests=" + rate_text(*config.requests);
  if (config.tokens.has_value()) line += " tokens=" + rate_text(*config.tokens);
  if (config.concurrent.has_value()) line += fmt::format(" concurrent={}", *config.concurrent);
  if (config.metrics == MetricsAccess::kAll) line += " metrics=yes";
  return line;
}

std::string salt_of(const TenantConfig& config) {
  // A name has no blank, so what is hashed can be read in one way only.
  constexpr std::string_view kPurpose = "cairn, salt of a tenant, version 1 ";
  Sha256 hash;
  hash.update(bytes_of(kPurpose));
  hash.update(bytes_of(config.name));
  hash.update(bytes_of(" "));
  hash.update(std::as_bytes(std::span(config.key_hash)));
  return to_hex(hash.finish());
}

Result<KeyTable> KeyTable::parse(std::string_view text, std::string_view file_name) {
  KeyTable table;
  std::set<std::string, std::less<>> names;
  std::set<Sha256Digest> hashes;
  const auto wrong = [&](int64_t line, const std::string& what) {
    return invalid_data(fmt::format("{}:{}: {}", printable_path(file_name), line, what));
  };
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // some editors write a byte order mark
  for (int64_t line = 1; !text.empty(); ++line) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::vector<std::string_view> words = words_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.empty()) continue;
    auto config = config_of(words);
    if (!config.ok()) return wrong(line, config.status().message());
    if (!names.insert(config->name).second) {
      return wrong(line, "the name is there already: each name stands on one line");
    }
    if (!hashes.insert(config->key_hash).second) {
      return wrong(line, "this key has another name already: each tenant has a key of its own");
    }
    if (table.tenants_.size() == kMostKeys) {
      return wrong(line, fmt::format("there are more than {} keys", kMostKeys));
    }
    table.tenants_.push_back(std::move(*config));
  }
  return table;
}

Result<LoadedKeys> KeyTable::load(const std::string& path) {
  CAIRN_ASSIGN_OR_RETURN(const TextFile file, read_text_file(path, kMostFileBytes));
  CAIRN_ASSIGN_OR_RETURN(KeyTable table, parse(file.text, path));
  const std::string name = printable_path(path);
  if (table.tenants_.empty()) {
    return invalid_data(name + " has no key: make one with cairn key new");
  }
  LoadedKeys loaded{.table = std::make_shared<const KeyTable>(std::move(table))};
  // A group that may read is how a service of another user gets at it, so that is left to the owner.
  constexpr uint32_t kTooWide = 0037;
  if ((file.mode & kTooWide) != 0) {
    loaded.notes.push_back(
        fmt::format("{} can be changed by its group, or read by all (mode {:04o}): chmod 600, or 640 for a "
                    "group that may read it",
                    name, file.mode));
  }
  return loaded;
}

const TenantConfig* KeyTable::find(std::string_view key) const {
  if (key.size() > kMostKeyBytes) return nullptr;
  const Sha256Digest digest = hash_of_key(key);
  const TenantConfig* found = nullptr;
  for (const TenantConfig& tenant : tenants_) {
    if (CRYPTO_memcmp(tenant.key_hash.data(), digest.data(), digest.size()) == 0) found = &tenant;
  }
  return found;
}

std::vector<std::string> small_quota_notes(const KeyTable& keys, uint64_t least_bytes) {
  std::vector<std::string> notes;
  for (const TenantConfig& tenant : keys.tenants()) {
    if (tenant.kv_quota_bytes.value_or(least_bytes) >= least_bytes) continue;
    notes.push_back(
        fmt::format("the quota of '{}' is kv={}, but the shortest text of this model takes {} bytes of the "
                    "cache: all requests of it will be refused, so give it more",
                    tenant.name, *tenant.kv_quota_bytes, least_bytes));
  }
  return notes;
}

Sha256Digest hash_of_key(std::string_view key) { return sha256(bytes_of(key)); }

Result<std::string> make_key() {
  constexpr std::string_view kDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  std::array<uint8_t, 32> number{};
  for (size_t done = 0; done < number.size();) {
    const ssize_t got = ::getrandom(number.data() + done, number.size() - done, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      return internal_error(std::string("the system gave no random bytes: ") + std::strerror(errno));
    done += static_cast<size_t>(got);
  }
  std::string key = std::string(kKeyBegin) + std::string(kKeyDigits, '0');
  for (size_t i = key.size(); i-- > key.size() - kKeyDigits;) {
    uint32_t rest = 0;  // of the number, divided by 62 from its first byte on
    for (uint8_t& byte : number) {
      rest = rest << 8 | byte;
      byte = static_cast<uint8_t>(rest / kDigits.size());
      rest %= kDigits.size();
    }
    key[i] = kDigits[rest];
  }
  return key;
}

}  // namespace cairn
