// make_tokenizer from a tokenizer.json.
#include <algorithm>
#include <cmath>
#include <set>
#include <unordered_set>

#include "base/printable.h"
#include "text/tokenizer/bpe.h"
#include "text/tokenizer/byte_level.h"
#include "text/tokenizer/end_tokens.h"
#include "text/tokenizer/impl.h"
#include "text/tokenizer/json_affixes.h"
#include "text/tokenizer/json_fields.h"
#include "text/tokenizer/json_steps.h"
#include "text/tokenizer/pre_names.h"
#include "text/tokenizer/unigram.h"

namespace cairn {
namespace {

using namespace json_fields;  // NOLINT: this file does nothing else

constexpr size_t kMaxUnusedIds = 1 << 16;  // how many ids beyond twice the tokens may be gaps

class JsonReader {
 public:
  JsonReader(const json::object& root, const TokenizerOptions& options)
      : root_(root), options_(options), impl_(std::make_shared<Tokenizer::Impl>()) {
    for (const std::string_view name : end_names()) special_.emplace(name);
  }

  Result<Tokenizer> read(const TokenizerCompanions& companions) {
    CAIRN_ASSIGN_OR_RETURN(model_, need_object(root_, "the top level", "model"));
    CAIRN_ASSIGN_OR_RETURN(auto normalize, read_normalizer(find(root_, "normalizer")));
    CAIRN_ASSIGN_OR_RETURN(pre_, read_pre_tokenizer(find(root_, "pre_tokenizer")));
    CAIRN_ASSIGN_OR_RETURN(decoder_, read_decoder(find(root_, "decoder")));
    if (options_.pre) CAIRN_RETURN_IF_ERROR(replace_pre_tokenizer(*options_.pre));
    impl_->normalizer = Normalizer(std::move(normalize));
    impl_->drop_leading_spaces = decoder_.drop_leading_spaces;
    CAIRN_RETURN_IF_ERROR(read_added_tokens());
    CAIRN_ASSIGN_OR_RETURN(std::string_view type, string_or(*model_, "the model", "type", ""));
    if (type.empty() && model_->contains("merges")) type = "BPE";  // files of early versions
    if (type == "BPE") {
      CAIRN_RETURN_IF_ERROR(read_bpe());
    } else if (type == "Unigram") {
      CAIRN_RETURN_IF_ERROR(read_unigram());
    } else {
      return unsupported("tokenizer.json holds a model of type \"" + printable(type) +
                         "\", which Cairn does not support; it supports BPE and Unigram");
    }
    impl_->pre_tokenizer = PreTokenizer(std::move(pre_.steps));
    CAIRN_RETURN_IF_ERROR(place_added_tokens());
    CAIRN_RETURN_IF_ERROR(read_affixes(root_, companions, *impl_));
    return Tokenizer(std::move(impl_));
  }

 private:
  Status replace_pre_tokenizer(const std::string& name) {
    if (!pre_.byte_level) return no_pre_tokenizer("tokenizer.json");
    CAIRN_ASSIGN_OR_RETURN(PreTokenization pre, make_chosen_pre_tokenization(name));
    pre_.steps = std::move(pre.split);
    return {};
  }

  struct Added {
    AddedToken token;
    bool normalized;
  };

  Status read_added_tokens() {
    const json::value* list = find(root_, "added_tokens");
    if (list == nullptr) return {};
    if (!list->is_array()) return wrong("the top level", "added_tokens", "a list");
    for (const json::value& entry : list->get_array()) {
      if (!entry.is_object()) return wrong("the top level", "added_tokens", "a list of objects");
      const json::object& object = entry.get_object();
      const std::string where = "added token " + std::to_string(added_.size());
      Added added;
      CAIRN_ASSIGN_OR_RETURN(const std::string_view text, string_or(object, where, "content", ""));
      const json::value* id = find(object, "id");
      const std::optional<int64_t> number = id == nullptr ? std::nullopt : as_integer(*id);
      if (text.empty()) return wrong(where, "content", "a string that is not empty");
      if (!number || *number < 0) return wrong(where, "id", "a number that is not negative");
      added.token.text = std::string(text);
      added.token.id = static_cast<TokenId>(std::min<int64_t>(*number, INT32_MAX));
      CAIRN_ASSIGN_OR_RETURN(added.token.special, bool_or(object, where, "special", false));
      CAIRN_ASSIGN_OR_RETURN(added.token.strip_left, bool_or(object, where, "lstrip", false));
      CAIRN_ASSIGN_OR_RETURN(added.token.strip_right, bool_or(object, where, "rstrip", false));
      CAIRN_ASSIGN_OR_RETURN(added.token.single_word, bool_or(object, where, "single_word", false));
      CAIRN_ASSIGN_OR_RETURN(added.normalized, bool_or(object, where, "normalized", !added.token.special));
      if (added.token.special) special_.insert(added.token.text);
      added_.push_back(std::move(added));
    }
    return {};
  }

  // Sets what an id of the model's own vocabulary adds to a text, and keeps its text for the segmenter.
  Status place_token(std::string_view text, int64_t id, size_t token_count) {
    if (id < 0 || static_cast<size_t>(id) >= 2 * token_count + kMaxUnusedIds) {
      return invalid_data("the token \"" + printable(text) + "\" of tokenizer.json has the id " +
                          std::to_string(id) + ", which is out of range for " + std::to_string(token_count) +
                          " tokens");
    }
    if (text.size() > kMaxTokenBytes) {
      return invalid_data("token " + std::to_string(id) + " of tokenizer.json is " +
                          std::to_string(text.size()) + " bytes long; at most " +
                          std::to_string(kMaxTokenBytes) + " are allowed");
    }
    const auto token = static_cast<TokenId>(id);
    if (impl_->vocabulary.has(token)) {
      return invalid_data("tokenizer.json gives the id " + std::to_string(id) +
                          " to two tokens, one of them \"" + printable(text) + "\"");
    }
    const bool special = special_.contains(text);
    impl_->vocabulary.set(token, special ? std::string(text) : decoded(text),
                          special ? TokenSort::kSpecial : TokenSort::kOrdinary);
    vocabulary_.emplace(impl_->texts.emplace_back(text), token);
    return {};
  }

  std::string decoded(std::string_view text) const {
    if (decoder_.byte_level) return bytes_of_byte_level(text).value_or(std::string(text));
    if (decoder_.byte_fallback) {
      if (const auto byte = parse_byte_token(text)) return std::string(1, static_cast<char>(*byte));
    }
    std::string out(text);
    for (const auto& [from, to] : decoder_.replacements) {
      for (size_t at = out.find(from); at != std::string::npos; at = out.find(from, at + to.size())) {
        out.replace(at, from.size(), to);
      }
    }
    return out;
  }

  Result<Fallback> read_fallback(std::optional<TokenId> unknown, bool bytes_allowed, bool fuse) const {
    Fallback fallback;
    fallback.unknown = unknown;
    fallback.fuse_unknown = fuse;
    if (!bytes_allowed) return fallback;
    std::array<TokenId, 256> bytes{};
    for (size_t byte = 0; byte < 256; ++byte) {
      static constexpr std::string_view kHex = "0123456789ABCDEF";
      const std::string text = {'<', '0', 'x', kHex[byte / 16], kHex[byte % 16], '>'};
      const auto id = find_token(vocabulary_, text);
      if (!id) return fallback;
      bytes[byte] = *id;
    }
    fallback.bytes = bytes;
    return fallback;
  }

  Status read_bpe_vocabulary() {
    CAIRN_ASSIGN_OR_RETURN(const json::object* vocabulary, need_object(*model_, "the model", "vocab"));
    if (vocabulary->empty()) return invalid_data("the vocabulary of tokenizer.json (model.vocab) is empty");
    vocabulary_.reserve(vocabulary->size());
    for (const auto& [text, value] : *vocabulary) {
      const auto id = as_integer(value);
      if (!id) return wrong("model.vocab", text, "a whole number");
      CAIRN_RETURN_IF_ERROR(place_token(text, *id, vocabulary->size()));
    }
    return {};
  }

  // A token's text for the segmenter: for a byte-level model, the bytes. nullopt: no text becomes this token.
  std::optional<std::string> segment_text(std::string_view text) const {
    if (text.empty() || special_.contains(text)) return std::nullopt;
    if (pre_.byte_level) return bytes_of_byte_level(text);
    return std::string(text);
  }

  Status read_bpe() {
    for (const std::string_view field : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      CAIRN_ASSIGN_OR_RETURN(const std::string_view text, string_or(*model_, "the model", field, ""));
      if (!text.empty())
        return unsupported("tokenizer.json sets \"" + std::string(field) +
                           "\", which Cairn does not support");
    }
    if (const json::value* dropout = find(*model_, "dropout"); dropout != nullptr) {
      if (!dropout->is_number() || dropout->to_number<double>() != 0) {
        return unsupported("tokenizer.json sets \"dropout\", with which a text has no fixed tokens");
      }
    }
    CAIRN_RETURN_IF_ERROR(read_bpe_vocabulary());
    RankedBpeTables tables;
    tables.unit = pre_.byte_level ? BpeUnit::kBytes : BpeUnit::kCharacters;
    tables.index.reserve(vocabulary_.size());
    std::unordered_set<std::string_view> added;
    for (const Added& one : added_) added.insert(one.token.text);
    for (const auto& [text, id] : vocabulary_) {
      if (const auto plain = segment_text(text)) {
        const std::string_view kept = impl_->texts.emplace_back(*plain);
        tables.index.emplace(kept, id);
        if (added.contains(text)) tables.cut_out.insert(kept);
      } else if (!text.empty()) {
        const auto bytes = pre_.byte_level ? bytes_of_byte_level(text) : std::nullopt;
        tables.reserved.emplace(impl_->texts.emplace_back(bytes.value_or(std::string(text))), id);
      }
    }
    CAIRN_RETURN_IF_ERROR(read_merges(tables));
    CAIRN_ASSIGN_OR_RETURN(const std::string_view unknown, string_or(*model_, "the model", "unk_token", ""));
    const auto unknown_id = unknown.empty() ? std::nullopt : find_token(vocabulary_, unknown);
    if (!unknown.empty() && !unknown_id) {
      impl_->notes.push_back("the unknown token \"" + printable(unknown) +
                             "\" of tokenizer.json is not in its vocabulary: it is ignored");
    }
    CAIRN_ASSIGN_OR_RETURN(const bool bytes, bool_or(*model_, "the model", "byte_fallback", false));
    CAIRN_ASSIGN_OR_RETURN(const bool fuse, bool_or(*model_, "the model", "fuse_unk", false));
    CAIRN_ASSIGN_OR_RETURN(tables.fallback, read_fallback(unknown_id, bytes, fuse));
    CAIRN_ASSIGN_OR_RETURN(tables.whole_words_first, bool_or(*model_, "the model", "ignore_merges", false));
    if (tables.merges.empty() && !tables.whole_words_first) CAIRN_RETURN_IF_ERROR(check_merges(tables));
    impl_->kind = pre_.byte_level ? "byte-level-bpe" : "bpe";
    CAIRN_ASSIGN_OR_RETURN(impl_->segmenter, RankedBpe::make(std::move(tables)));
    return {};
  }

  // Without merges, each character of a text would become a token of its own.
  static Status check_merges(const RankedBpeTables& tables) {
    for (const auto& [text, id] : tables.index) {
      const bool joined = tables.unit == BpeUnit::kBytes ? text.size() > 1 : characters_of(text).size() > 1;
      if (!joined || parse_byte_token(text)) continue;
      return invalid_data(
          "\"merges\" of the model in tokenizer.json is empty, but BPE needs it to make tokens like \"" +
          printable(text) + "\"");
    }
    return {};
  }

  // Merges are "a b" or ["a", "b"].
  Status read_merges(RankedBpeTables& tables) const {
    CAIRN_ASSIGN_OR_RETURN(const json::array* merges, need_array(*model_, "the model", "merges"));
    tables.merges.reserve(merges->size());
    for (const json::value& merge : *merges) {
      std::string_view left;
      std::string_view right;
      if (merge.is_string()) {
        const std::string_view both = merge.get_string();
        const size_t space = both.find(' ');
        if (space != std::string_view::npos && both.find(' ', space + 1) == std::string_view::npos) {
          left = both.substr(0, space);
          right = both.substr(space + 1);
        }
      } else if (merge.is_array() && merge.get_array().size() == 2 && merge.get_array()[0].is_string() &&
                 merge.get_array()[1].is_string()) {
        left = merge.get_array()[0].get_string();
        right = merge.get_array()[1].get_string();
      }
      const auto left_text = merge_half(left);
      const auto right_text = merge_half(right);
      if (!left_text || !right_text) {
        return invalid_data(
            "merge " + std::to_string(tables.merges.size()) +
            " of tokenizer.json is not two texts that can be tokens (\"a b\" or [\"a\", \"b\"])");
      }
      tables.merges.emplace_back(*left_text, *right_text);
    }
    return {};
  }

  std::optional<std::string> merge_half(std::string_view text) const {
    if (text.empty()) return std::nullopt;
    return pre_.byte_level ? bytes_of_byte_level(text) : std::string(text);
  }

  Status read_unigram() {
    if (pre_.byte_level)
      return unsupported("tokenizer.json has a byte-level Unigram model, which Cairn does not support");
    CAIRN_ASSIGN_OR_RETURN(const json::array* vocabulary, need_array(*model_, "the model", "vocab"));
    if (vocabulary->empty()) return invalid_data("the vocabulary of tokenizer.json (model.vocab) is empty");
    UnigramTables tables;
    for (size_t i = 0; i < vocabulary->size(); ++i) {
      const json::array* pair = (*vocabulary)[i].if_array();
      if (pair == nullptr || pair->size() != 2 || !(*pair)[0].is_string() || !(*pair)[1].is_number()) {
        return wrong("model.vocab", std::to_string(i), "a pair of a text and a score");
      }
      tables.scores.push_back((*pair)[1].to_number<double>());
      if (!std::isfinite(tables.scores.back()))
        return wrong("model.vocab", std::to_string(i), "scored by a finite number");
      CAIRN_RETURN_IF_ERROR(
          place_token((*pair)[0].get_string(), static_cast<int64_t>(i), vocabulary->size()));
    }
    std::optional<TokenId> unknown;
    if (const json::value* value = find(*model_, "unk_id"); value != nullptr) {
      const auto id = as_integer(*value);
      if (id && *id >= 0 && *id < static_cast<int64_t>(vocabulary->size())) {
        unknown = static_cast<TokenId>(*id);
      } else {
        impl_->notes.push_back("\"unk_id\" of tokenizer.json is " + printable(json::serialize(*value)) +
                               ", which is not the id of a token: it is ignored");
      }
    }
    CAIRN_ASSIGN_OR_RETURN(const bool bytes, bool_or(*model_, "the model", "byte_fallback", false));
    CAIRN_ASSIGN_OR_RETURN(tables.fallback, read_fallback(unknown, bytes, true));
    for (size_t i = 0; i < vocabulary->size(); ++i) {
      const std::string_view text = (*vocabulary)[i].get_array()[0].get_string();
      const auto id = static_cast<TokenId>(i);
      if (id == unknown || !segment_text(text) || (bytes && parse_byte_token(text))) continue;
      tables.tokens.emplace_back(impl_->texts.emplace_back(text), id);
    }
    impl_->kind = "unigram";
    impl_->segmenter = std::make_unique<Unigram>(std::move(tables));
    return {};
  }

  Status place_added_tokens() {
    const size_t token_count = vocabulary_.size() + added_.size();
    for (Added& added : added_) {
      AddedToken& token = added.token;
      if (const auto id = find_token(vocabulary_, token.text)) {
        token.id = *id;
      } else {
        CAIRN_RETURN_IF_ERROR(place_token(token.text, token.id, token_count));
        impl_->vocabulary.set(token.id, token.text,
                              token.special ? TokenSort::kSpecial : TokenSort::kOrdinary);
      }
      if (!added.normalized) {
        impl_->added.add(std::move(token));
        continue;
      }
      CAIRN_ASSIGN_OR_RETURN(token.text, impl_->normalizer.apply(token.text));
      impl_->normalized_added.add(std::move(token));
    }
    return {};
  }

  const json::object& root_;
  const TokenizerOptions& options_;
  const json::object* model_ = nullptr;
  std::shared_ptr<Tokenizer::Impl> impl_;
  PreTokenizerSection pre_;
  DecoderSection decoder_;
  std::vector<Added> added_;
  std::set<std::string, std::less<>> special_;
  TokenIndex vocabulary_;  // every token as the file writes it
};

}  // namespace

Result<Tokenizer> make_tokenizer(const json::object& tokenizer_json, const TokenizerCompanions& companions,
                                 const TokenizerOptions& options) {
  return JsonReader(tokenizer_json, options).read(companions);
}

}  // namespace cairn
