// cairn cache list: the texts of which blocks are kept.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/json/array.hpp>

#include "base/printable.h"
#include "base/unix_time.h"
#include "cli/cache.h"
#include "cli/cache_places.h"
#include "cli/console.h"
#include "cli/output_format.h"
#include "engine/identity_words.h"

namespace cairn {
namespace {

constexpr size_t kNameDigitsShown = 12;
constexpr size_t kModelDigitsShown = 8;
constexpr size_t kTextCharacters = 60;
constexpr size_t kIdsShown = 8;
constexpr size_t kBlocksDecoded = 4;  // more than a line's text needs

struct Listing {
  const BlockCatalogue& catalogue;
  const std::map<OwnerTag, std::string>& names;
  const std::optional<TextModel>& model;
  uint64_t now_ms;
};

struct Text {
  std::vector<size_t> blocks;
  const KeptBlock* first = nullptr;
  const KeptBlock* last = nullptr;
  uint64_t bytes = 0;
  bool is_pinned = true;
};

Text text_of(const BlockCatalogue& catalogue, size_t leaf) {
  Text text{.blocks = catalogue.chain_of(leaf)};
  text.first = &catalogue.block(text.blocks.front());
  text.last = &catalogue.block(text.blocks.back());
  for (const size_t at : text.blocks) {
    text.bytes += catalogue.block(at).bytes;
    text.is_pinned &= catalogue.block(at).is_pinned;
  }
  return text;
}

std::vector<TokenId> first_tokens(const Listing& listing, const Text& text) {
  std::vector<TokenId> tokens;
  for (size_t i = 0; i < std::min(kBlocksDecoded, text.blocks.size()); ++i) {
    const BlockTokens& block = listing.catalogue.block(text.blocks[i]).tokens;
    tokens.insert(tokens.end(), block.begin(), block.end());
  }
  return tokens;
}

// The text where its model is known; nothing: only its ids are.
std::optional<std::string> words_of(const Listing& listing, const Text& text) {
  const std::string& identity = listing.catalogue.identities()[text.last->identity];
  if (!listing.model.has_value() || !listing.model->is_of(identity)) return std::nullopt;
  return listing.model->tokenizer.decode(first_tokens(listing, text));
}

std::string beginning(const Listing& listing, const Text& text) {
  const std::string gap = text.first->index == 0 ? "" : "... ";
  if (const auto words = words_of(listing, text)) return gap + printable(*words, kTextCharacters);
  const auto ids = std::span(text.first->tokens).first(kIdsShown);
  return gap + fmt::format("{},...", fmt::join(ids, ","));
}

std::string shown_name(const BlockName& name) { return to_hex(name).substr(0, kNameDigitsShown); }

void write_table(const Listing& listing, std::span<const size_t> leaves, Console& console) {
  Table table({{"name"},
               {"model"},
               {"kv"},
               {"owner"},
               {"tokens", Align::kRight},
               {"blocks", Align::kRight},
               {"size", Align::kRight},
               {"made", Align::kRight},
               {"used", Align::kRight},
               {"uses", Align::kRight},
               {"pinned"},
               {"begins with"}});
  for (const size_t leaf : leaves) {
    const Text text = text_of(listing.catalogue, leaf);
    const IdentityWords words = identity_words(listing.catalogue.identities()[text.last->identity]);
    table.add_row(
        {shown_name(text.last->name), words.family + " " + words.model.substr(0, kModelDigitsShown), words.kv,
         printable(owner_text(text.last->owner, listing.names)).substr(0, kNameDigitsShown),
         fmt::format("{}", (text.last->index + 1) * kBlockSize), fmt::format("{}", text.blocks.size()),
         human_bytes(text.bytes), age_text(text.last->created_ms, listing.now_ms),
         age_text(text.last->last_used_ms, listing.now_ms), fmt::format("{}", text.last->hits),
         text.is_pinned ? "yes" : "-", beginning(listing, text)});
  }
  if (table.row_count() > 0) console.write(table.aligned());
}

void write_json(const Listing& listing, std::span<const size_t> leaves, Console& console) {
  for (const size_t leaf : leaves) {
    const Text text = text_of(listing.catalogue, leaf);
    const IdentityWords words = identity_words(listing.catalogue.identities()[text.last->identity]);
    boost::json::array ids;
    for (const TokenId token : text.first->tokens) ids.emplace_back(token);
    const auto said = words_of(listing, text);
    const auto tenant = listing.names.find(text.last->owner);
    const bool is_nobodys = text.last->owner == OwnerTag{};
    console.write(json_line(
        {{"name", to_hex(text.last->name)},
         {"model", words.model},
         {"family", words.family},
         {"arithmetic", words.arithmetic},
         {"kv", words.kv},
         {"owner", is_nobodys ? boost::json::value() : boost::json::value(owner_digits(text.last->owner))},
         {"tenant",
          tenant == listing.names.end() ? boost::json::value() : boost::json::value(tenant->second)},
         {"tokens", (text.last->index + 1) * kBlockSize},
         {"first_kept_token", text.first->index * kBlockSize},
         {"blocks", text.blocks.size()},
         {"bytes", text.bytes},
         {"created_ms", text.last->created_ms},
         {"last_used_ms", text.last->last_used_ms},
         {"uses", text.last->hits},
         {"pinned", text.is_pinned},
         {"first_tokens", std::move(ids)},
         {"text", said.has_value() ? boost::json::value(json_text(*said)) : boost::json::value()}}));
  }
}

}  // namespace

Result<ExitCode> run_cache_list(const CacheOptions& options, Console& console) {
  CAIRN_ASSIGN_OR_RETURN(const std::optional<OwnerTag> owner, wanted_owner(options, console));
  CAIRN_ASSIGN_OR_RETURN(const auto names, owner_names(options));
  std::optional<TextModel> model;
  if (options.model_path.has_value()) {
    CAIRN_ASSIGN_OR_RETURN(model, read_text_model(*options.model_path, options.tokenizer, console));
  }
  CAIRN_ASSIGN_OR_RETURN(const auto store, open_kept_blocks(options, IfAbsent::kRefuse));
  CAIRN_ASSIGN_OR_RETURN(const auto catalogue, read_catalogue(*store, options, console));
  if (!catalogue.has_value()) return ExitCode::kInterrupted;
  std::vector<size_t> leaves = catalogue->leaves();
  std::erase_if(leaves, [&](size_t at) { return owner.has_value() && catalogue->block(at).owner != *owner; });
  const Listing listing{*catalogue, names, model, unix_ms()};
  if (options.output_form == OutputForm::kJson) {
    write_json(listing, leaves, console);
    return ExitCode::kDone;
  }
  write_table(listing, leaves, console);
  const uint64_t block_count = std::ranges::count_if(catalogue->blocks(), [&](const KeptBlock& block) {
    return !owner.has_value() || block.owner == *owner;
  });
  console.note(fmt::format("{} of {}{}", leaves.size() == 1 ? "1 text" : grouped(leaves.size()) + " texts",
                           block_count_text(block_count),
                           leaves.size() > 1 ? "; texts that begin alike share their first blocks" : ""));
  return ExitCode::kDone;
}

}  // namespace cairn
