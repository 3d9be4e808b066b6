#include "cli/cache_places.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/printable.h"
#include "cli/console.h"
#include "cli/open_model.h"
#include "cli/output_format.h"
#include "cli/terminal_input.h"
#include "kv/tiers/block_record.h"
#include "model/fingerprint.h"
#include "server/api_keys.h"
#include "store/disk_store_folder.h"
#include "store/segment.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOwnerDigits = "0123456789abcdef";

// As much as nobody has: what a folder may take is said by whoever computes with it, and here nothing is to be evicted.
constexpr uint64_t kNoLimitBytes = uint64_t{1} << 60;
constexpr uint64_t kSegmentBytes = uint64_t{64} << 20;

// So that no folder is locked, and closed to others, that was named by mistake.
bool has_kept_blocks(const std::string& folder) {
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (segment_number(name).has_value() || name == "usage") return true;
  }
  return false;
}

Status check_folder(const std::string& folder) {
  std::error_code error;
  const fs::file_status status = fs::status(folder, error);
  if (!fs::exists(status)) {
    return not_found(fmt::format("there is no folder {} (--kv-disk)", printable_path(folder)));
  }
  if (!fs::is_directory(status))
    return invalid_argument(printable_path(folder) + " is no folder (--kv-disk)");
  if (!has_kept_blocks(folder)) {
    return not_found(fmt::format("{} has no blocks of the cache: name a folder that was --kv-disk of a run",
                                 printable_path(folder)));
  }
  return {};
}

std::string without_last_slashes(std::string folder) {
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  return folder;
}

}  // namespace

Result<std::unique_ptr<DiskStore>> open_kept_blocks(const CacheOptions& options, IfAbsent if_absent) {
  if (!options.disk.has_value()) return invalid_argument("name the folder of kept blocks: --kv-disk DIR");
  const std::string folder = without_last_slashes(*options.disk);
  if (if_absent == IfAbsent::kRefuse) CAIRN_RETURN_IF_ERROR(check_folder(folder));
  return DiskStore::open({.folder = folder, .size_bytes = kNoLimitBytes, .segment_bytes = kSegmentBytes});
}

Result<std::unique_ptr<RedisStore>> open_remote_store(const CacheOptions& options) {
  return RedisStore::create({.urls = options.remote, .certificates = options.certificates});
}

Result<TextModel> read_text_model(const std::string& path, const TokenizerOptions& options,
                                  Console& console) {
  CAIRN_ASSIGN_OR_RETURN(const ModelFile file, ModelFile::open(path));
  CAIRN_ASSIGN_OR_RETURN(Tokenizer tokenizer, file.tokenizer(options));
  print_notes(tokenizer.notes(), console);
  CAIRN_ASSIGN_OR_RETURN(const ModelPlan plan, file.plan());
  return TextModel{.tokenizer = std::move(tokenizer), .config = config_text(plan.config)};
}

Result<std::optional<BlockCatalogue>> read_catalogue(DiskStore& store, const CacheOptions& options,
                                                     Console& console) {
  const Interrupt interrupt(Interrupt::SecondTime::kEndsTheProgram);
  ProgressBar bar(console, "looking");
  auto catalogue = BlockCatalogue::read(store, [&](uint64_t done, uint64_t of) {
    bar.update(done, of);
    return !interrupt.is_raised();
  });
  bar.clear();
  if (!catalogue.ok() && interrupt.is_raised()) return std::optional<BlockCatalogue>();
  if (!catalogue.ok()) return catalogue.status();
  if (catalogue->bad_count() > 0) {
    console.note(fmt::format(
        "note: {} damaged; cairn cache verify --kv-disk {} finds and erases them",
        catalogue->bad_count() == 1 ? "1 record is" : fmt::format("{} records are", catalogue->bad_count()),
        printable_path(*options.disk)));
  }
  if (catalogue->foreign_count() > 0) {
    console.note(fmt::format("note: {} of another version of Cairn are left out",
                             block_count_text(catalogue->foreign_count())));
  }
  return std::optional<BlockCatalogue>(std::move(*catalogue));
}

Result<std::optional<OwnerTag>> wanted_owner(const CacheOptions& options, Console& console) {
  if (options.tenant.has_value() && options.owner.has_value()) {
    return invalid_argument("--tenant and --owner both say whose blocks: choose one");
  }
  if (!options.tenant.has_value()) return options.owner;
  if (!options.api_keys.has_value()) {
    return invalid_argument("--tenant is a name in a keys file: say which with --api-keys FILE");
  }
  CAIRN_ASSIGN_OR_RETURN(const LoadedKeys loaded, KeyTable::load(*options.api_keys));
  for (const std::string& note : loaded.notes) console.note(note);
  const auto tenants = loaded.table->tenants();
  const auto found = std::ranges::find(tenants, *options.tenant, &TenantConfig::name);
  if (found == tenants.end()) {
    return invalid_argument(
        fmt::format("{} has no key of a tenant {}; where it had one, --owner takes the tag that cairn cache "
                    "stats shows",
                    printable_path(*options.api_keys), printable(*options.tenant)));
  }
  return std::optional(owner_tag_of(salt_of(*found)));
}

Result<std::map<OwnerTag, std::string>> owner_names(const CacheOptions& options) {
  std::map<OwnerTag, std::string> names;
  if (!options.api_keys.has_value()) return names;
  CAIRN_ASSIGN_OR_RETURN(const LoadedKeys loaded, KeyTable::load(*options.api_keys));
  for (const TenantConfig& tenant : loaded.table->tenants())
    names.emplace(owner_tag_of(salt_of(tenant)), tenant.name);
  return names;
}

std::string owner_digits(const OwnerTag& owner) {
  std::string digits;
  for (const std::byte byte : owner) {
    digits += kOwnerDigits[std::to_integer<size_t>(byte >> 4)];
    digits += kOwnerDigits[std::to_integer<size_t>(byte & std::byte{15})];
  }
  return digits;
}

Result<OwnerTag> parse_owner(const std::string& digits) {
  OwnerTag owner{};
  const std::string_view known(kOwnerDigits);
  const bool all_known = digits.find_first_not_of(known) == std::string::npos;
  if (digits.size() != 2 * owner.size() || !all_known) {
    return invalid_argument(
        fmt::format("'{}' is no owner's tag: that has 32 hexadecimal digits, as cairn cache stats shows them",
                    printable(digits)));
  }
  for (size_t i = 0; i < owner.size(); ++i) {
    owner[i] = static_cast<std::byte>(known.find(digits[2 * i]) * 16 + known.find(digits[2 * i + 1]));
  }
  return owner;
}

std::string owner_text(const OwnerTag& owner, const std::map<OwnerTag, std::string>& names) {
  if (owner == OwnerTag{}) return "-";
  const auto found = names.find(owner);
  return found != names.end() ? found->second : owner_digits(owner);
}

Result<std::vector<size_t>> wanted_texts(const BlockCatalogue& catalogue, const CacheOptions& options,
                                         Console& console) {
  const PromptOptions& prompt = options.prompt;
  const bool has_prompt = prompt.text.has_value() || prompt.file.has_value() || prompt.tokens.has_value();
  if (options.name.has_value() == has_prompt) {
    return invalid_argument(
        "say which text: --name NAME as cairn cache list shows it, or a prompt (-p TEXT, -f FILE)");
  }
  if (options.name.has_value() && (options.tenant.has_value() || options.owner.has_value())) {
    return invalid_argument("--name is one text, whosever it is: leave out --tenant and --owner");
  }
  if (options.name.has_value()) {
    CAIRN_ASSIGN_OR_RETURN(const size_t found, catalogue.find(*options.name));
    return std::vector<size_t>{found};
  }
  CAIRN_ASSIGN_OR_RETURN(const std::optional<OwnerTag> owner, wanted_owner(options, console));
  CAIRN_ASSIGN_OR_RETURN(std::string text, read_prompt_text(options.prompt));
  CAIRN_ASSIGN_OR_RETURN(const std::string path, model_path({.model_path = options.model_path}));
  CAIRN_ASSIGN_OR_RETURN(const TextModel model, read_text_model(path, options.tokenizer, console));
  CAIRN_ASSIGN_OR_RETURN(const Prompt wanted, make_prompt(options.prompt, std::move(text), model.tokenizer));
  const auto is_wanted = [&](const KeptBlock& block) {
    return (!owner.has_value() || block.owner == *owner) &&
           model.is_of(catalogue.identities()[block.identity]);
  };
  std::vector<size_t> found = catalogue.find_prefixes(wanted.tokens, is_wanted);
  if (!found.empty()) return found;
  return not_found(
      fmt::format("nothing of this prompt of {} tokens is kept in {}{}", wanted.tokens.size(),
                  printable_path(*options.disk),
                  wanted.tokens.size() < kBlockSize ? fmt::format(": a block has {}", kBlockSize) : ""));
}

std::string block_count_text(uint64_t count) { return count == 1 ? "1 block" : grouped(count) + " blocks"; }

std::string age_text(uint64_t then_ms, uint64_t now_ms) {
  const uint64_t seconds = (now_ms - std::min(then_ms, now_ms)) / 1000;
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 2 * 3600) return fmt::format("{} min", seconds / 60);
  if (seconds < 2 * 86400) return fmt::format("{} h", seconds / 3600);
  return fmt::format("{} d", seconds / 86400);
}

}  // namespace cairn
