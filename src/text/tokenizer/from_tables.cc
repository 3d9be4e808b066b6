// make_tokenizer from GGUF's tables.
#include <cmath>
#include <limits>

#include "base/printable.h"
#include "base/utf8.h"
#include "text/tokenizer/bpe.h"
#include "text/tokenizer/byte_level.h"
#include "text/tokenizer/end_tokens.h"
#include "text/tokenizer/impl.h"
#include "text/tokenizer/pre_names.h"
#include "text/tokenizer/spm.h"
#include "text/tokenizer/unigram.h"

namespace cairn {
namespace {

constexpr std::string_view kMetaspace = "\xE2\x96\x81";  // U+2581, SentencePiece's space
constexpr size_t kMaxTokens = size_t{1} << 26;

std::string at_token(size_t id) { return "of token " + std::to_string(id); }

std::string with_spaces(std::string_view text) {
  std::string out;
  size_t at = 0;
  for (size_t hit = text.find(kMetaspace); hit != std::string_view::npos; hit = text.find(kMetaspace, at)) {
    out.append(text.substr(at, hit - at)).append(" ");
    at = hit + kMetaspace.size();
  }
  return out.append(text.substr(at));
}

Status check_lengths(const TokenizerTables& tables) {
  const size_t count = tables.tokens.size();
  if (count == 0) return invalid_data("the tokenizer's vocabulary (tokenizer.ggml.tokens) is empty");
  if (count > kMaxTokens) return invalid_data("the tokenizer has more than 67 million tokens");
  if (!tables.types.empty() && tables.types.size() != count) {
    return invalid_data("tokenizer.ggml.token_type has " + std::to_string(tables.types.size()) +
                        " entries for " + std::to_string(count) + " tokens");
  }
  if (!tables.scores.empty() && tables.scores.size() != count) {
    return invalid_data("tokenizer.ggml.scores has " + std::to_string(tables.scores.size()) +
                        " entries for " + std::to_string(count) + " tokens");
  }
  return {};
}

Status check_entries(const TokenizerTables& tables) {
  for (size_t i = 0; i < tables.tokens.size(); ++i) {
    if (tables.tokens[i].size() > kMaxTokenBytes) {
      return invalid_data("the text " + at_token(i) + " is " + std::to_string(tables.tokens[i].size()) +
                          " bytes long; at most " + std::to_string(kMaxTokenBytes) + " are allowed");
    }
  }
  for (size_t i = 0; i < tables.types.size(); ++i) {
    if (tables.types[i] < 0 || tables.types[i] > static_cast<int64_t>(TokenType::kByte)) {
      return invalid_data("the type " + at_token(i) + " is " + std::to_string(tables.types[i]) +
                          ", which is not a token type");
    }
  }
  for (size_t i = 0; i < tables.scores.size(); ++i) {
    if (!std::isfinite(tables.scores[i]))
      return invalid_data("the score " + at_token(i) + " is not a finite number");
  }
  return {};
}

// The defaults of SentencePiece models whose file does not have the keys.
void set_sentencepiece_defaults(TokenizerTables& tables) {
  const auto set = [&](std::optional<int64_t>& id, int64_t usual) {
    if (!id && usual < static_cast<int64_t>(tables.tokens.size())) id = usual;
  };
  set(tables.unk, 0);
  set(tables.bos, 1);
  set(tables.eos, 2);
}

class TableReader {
 public:
  explicit TableReader(TokenizerTables tables)
      : t_(std::move(tables)), impl_(std::make_shared<Tokenizer::Impl>()) {}

  Result<Tokenizer> read() {
    const bool scored = t_.model == "llama";
    const bool unigram = t_.model == "t5" || t_.model == "unigram";
    const bool byte_level = t_.model == "gpt2";
    if (!scored && !unigram && !byte_level) {
      return unsupported(
          "tokenizer.ggml.model is \"" + printable(t_.model) +
          "\", a kind of tokenizer that Cairn does not support; it supports llama, gpt2, t5 and unigram");
    }
    CAIRN_RETURN_IF_ERROR(check_lengths(t_));
    CAIRN_RETURN_IF_ERROR(check_entries(t_));
    impl_->notes = std::move(t_.notes);
    if (scored) set_sentencepiece_defaults(t_);
    impl_->bos = usable_id(t_.bos, "tokenizer.ggml.bos_token_id");
    impl_->eos = usable_id(t_.eos, "tokenizer.ggml.eos_token_id");
    unknown_ = usable_id(t_.unk, "tokenizer.ggml.unknown_token_id");
    set_types();
    CAIRN_RETURN_IF_ERROR(byte_level ? read_byte_level() : read_sentencepiece());
    add_added_tokens();
    set_affixes(unigram);
    set_ends();
    return Tokenizer(std::move(impl_));
  }

 private:
  TokenType type(size_t id) const { return static_cast<TokenType>(t_.types[id]); }
  bool is_special(size_t id) const {
    return type(id) == TokenType::kControl || type(id) == TokenType::kUnknown;
  }

  // nullopt, with a note, for an id that is no token's: one wrong key does not make a model useless.
  std::optional<TokenId> usable_id(std::optional<int64_t> id, std::string_view key) {
    if (!id) return std::nullopt;
    if (*id >= 0 && *id < static_cast<int64_t>(t_.tokens.size())) return static_cast<TokenId>(*id);
    impl_->notes.push_back(std::string(key) + " is " + std::to_string(*id) + ", but the vocabulary has " +
                           std::to_string(t_.tokens.size()) + " tokens: it is ignored");
    return std::nullopt;
  }

  // Tokens whose name ends a turn are control tokens, whatever type the file gives them.
  void set_types() {
    if (t_.types.empty()) set_usual_types();
    for (size_t i = 0; i < t_.tokens.size(); ++i) {
      if (is_end_name(t_.tokens[i])) t_.types[i] = static_cast<int64_t>(TokenType::kControl);
    }
  }

  void set_usual_types() {
    t_.types.assign(t_.tokens.size(), static_cast<int64_t>(TokenType::kNormal));
    const auto set = [&](std::optional<TokenId> id, TokenType kind) {
      if (id) t_.types[static_cast<size_t>(*id)] = static_cast<int64_t>(kind);
    };
    for (size_t i = 0; i < t_.tokens.size(); ++i) {
      if (t_.model != "gpt2" && parse_byte_token(t_.tokens[i]))
        t_.types[i] = static_cast<int64_t>(TokenType::kByte);
    }
    set(impl_->bos, TokenType::kControl);
    set(impl_->eos, TokenType::kControl);
    set(unknown_, TokenType::kUnknown);
  }

  // Keeps `text` for the segmenter's index.
  std::string_view keep(std::string text) { return impl_->texts.emplace_back(std::move(text)); }

  void set_token(size_t id, std::string text) {
    impl_->vocabulary.set(static_cast<TokenId>(id), std::move(text),
                          is_special(id) ? TokenSort::kSpecial : TokenSort::kOrdinary);
  }

  Status read_sentencepiece() {
    const bool scored = t_.model == "llama";
    if (t_.scores.empty()) {
      return invalid_data("tokenizer.ggml.scores is missing, which a tokenizer of kind \"" + t_.model +
                          "\" needs");
    }
    TokenIndex index;
    UnigramTables unigram;
    CAIRN_ASSIGN_OR_RETURN(const Fallback fallback, read_bytes());
    index.reserve(t_.tokens.size());
    for (size_t i = 0; i < t_.tokens.size(); ++i) {
      const bool plain = !is_special(i) && type(i) != TokenType::kByte;
      if (type(i) != TokenType::kByte) {
        set_token(i, plain && type(i) != TokenType::kUserDefined ? with_spaces(t_.tokens[i]) : t_.tokens[i]);
      }
      if (!plain || t_.tokens[i].empty() || find_invalid_utf8(t_.tokens[i])) continue;
      const auto id = static_cast<TokenId>(i);
      const std::string_view text = keep(t_.tokens[i]);
      if (scored) {
        index.emplace(text, id);
      } else {
        unigram.tokens.emplace_back(text, id);
        if (type(i) == TokenType::kUserDefined) unigram.user_defined.push_back(id);
      }
    }
    set_space_rules();
    if (scored) {
      impl_->kind = "sentencepiece-bpe";
      impl_->segmenter =
          std::make_unique<ScoredBpe>(ScoredBpeTables{std::move(index), std::move(t_.scores), fallback});
    } else {
      impl_->kind = "unigram";
      unigram.scores.assign(t_.scores.begin(), t_.scores.end());
      unigram.fallback = fallback;
      impl_->segmenter = std::make_unique<Unigram>(std::move(unigram));
    }
    return {};
  }

  // The byte tokens. An incomplete set does not count: only the unknown token is left, if there is one.
  Result<Fallback> read_bytes() {
    Fallback fallback;
    fallback.unknown = unknown_;
    std::array<TokenId, 256> bytes{};
    bytes.fill(-1);
    for (size_t i = 0; i < t_.tokens.size(); ++i) {
      if (type(i) != TokenType::kByte) continue;
      const auto byte = parse_byte_token(t_.tokens[i]);
      if (!byte) {
        return invalid_data("the type " + at_token(i) + " is byte, but its text \"" +
                            printable(t_.tokens[i]) + "\" is not of the form <0x41>");
      }
      if (bytes[*byte] < 0) bytes[*byte] = static_cast<TokenId>(i);
      set_token(i, std::string(1, static_cast<char>(*byte)));
    }
    const bool complete = std::find(bytes.begin(), bytes.end(), -1) == bytes.end();
    if (complete) fallback.bytes = bytes;
    return fallback;
  }

  void set_space_rules() {
    std::vector<NormalizeStep> steps;
    if (t_.remove_extra_spaces.value_or(false)) steps.emplace_back(CollapseSpacesStep{});
    if (t_.add_space_prefix.value_or(true)) {
      steps.emplace_back(PrependStep{" "});
      impl_->drop_leading_spaces = 1;
    }
    steps.emplace_back(ReplaceStep{" ", std::string(kMetaspace)});
    impl_->normalizer = Normalizer(std::move(steps));
  }

  // Without merges, each byte of a text would become a token of its own.
  Status check_merges() const {
    if (!t_.merges.empty()) return {};
    for (size_t i = 0; i < t_.tokens.size(); ++i) {
      if (is_special(i) || type(i) != TokenType::kNormal) continue;
      const auto bytes = bytes_of(t_.tokens[i]);
      if (!bytes || bytes->size() < 2) continue;
      return invalid_data(
          "tokenizer.ggml.merges is missing or empty, but byte-level BPE (tokenizer.ggml.model \"gpt2\") "
          "needs "
          "it to make tokens like \"" +
          printable(t_.tokens[i]) + "\": the file was converted without them; convert it again");
    }
    return {};
  }

  Result<PreTokenization> pre_tokenization() {
    if (t_.pre.empty()) {
      impl_->notes.push_back("tokenizer.ggml.pre is missing, so \"" + std::string(kAssumedPre) +
                             "\" is assumed for how text is split into words; if that is wrong, so are the "
                             "tokens: `pre` names the right one");
    }
    return make_pre_tokenization(t_.pre.empty() ? kAssumedPre : std::string_view(t_.pre));
  }

  Status read_byte_level() {
    CAIRN_RETURN_IF_ERROR(check_merges());
    CAIRN_ASSIGN_OR_RETURN(PreTokenization pre, pre_tokenization());
    impl_->kind = "byte-level-bpe";
    RankedBpeTables tables;
    tables.unit = BpeUnit::kBytes;
    tables.whole_words_first = pre.whole_words_first;
    tables.fallback.unknown = unknown_;
    tables.index.reserve(t_.tokens.size());
    for (size_t i = 0; i < t_.tokens.size(); ++i) add_byte_level_token(i, tables);
    for (size_t i = 0; i < t_.merges.size(); ++i) {
      const std::string& merge = t_.merges[i];
      const size_t space = merge.find(' ', 1);
      const auto left = space == std::string::npos ? std::nullopt : bytes_of(merge.substr(0, space));
      const auto right = space == std::string::npos ? std::nullopt : bytes_of(merge.substr(space + 1));
      if (!left || !right) {
        return invalid_data("merge " + std::to_string(i) + " of tokenizer.ggml.merges, \"" +
                            printable(merge) +
                            "\", is not two texts of the byte-level alphabet with a space between them");
      }
      tables.merges.emplace_back(*left, *right);
    }
    CAIRN_ASSIGN_OR_RETURN(impl_->segmenter, RankedBpe::make(std::move(tables)));
    impl_->normalizer = Normalizer(std::move(pre.normalize));
    impl_->pre_tokenizer = PreTokenizer(std::move(pre.split));
    if (!t_.add_bos) t_.add_bos = pre.add_bos && impl_->bos;
    return {};
  }

  static std::optional<std::string> bytes_of(std::string_view text) {
    if (text.empty() || find_invalid_utf8(text)) return std::nullopt;
    return bytes_of_byte_level(text);
  }

  void add_byte_level_token(size_t i, RankedBpeTables& tables) {
    const bool written_out = is_special(i) || type(i) == TokenType::kUserDefined;
    const auto bytes = written_out ? std::nullopt : bytes_of(t_.tokens[i]);
    set_token(i, bytes ? *bytes : t_.tokens[i]);
    const auto id = static_cast<TokenId>(i);
    if (bytes) {
      tables.index.emplace(keep(*bytes), id);
    } else {
      tables.reserved.emplace(keep(bytes_of(t_.tokens[i]).value_or(t_.tokens[i])), id);
    }
  }

  void add_added_tokens() {
    for (size_t i = 0; i < t_.tokens.size(); ++i) {
      if (!is_special(i) && type(i) != TokenType::kUserDefined) continue;
      AddedToken token{t_.tokens[i], static_cast<TokenId>(i)};
      token.special = is_special(i);
      token.strip_right = std::find(t_.swallow_space_after.begin(), t_.swallow_space_after.end(),
                                    token.text) != t_.swallow_space_after.end();
      impl_->added.add(std::move(token));
    }
  }

  void set_affixes(bool unigram) {
    const bool scored = t_.model == "llama";
    if (t_.add_bos.value_or(scored)) add_affix(impl_->bos, "bos", impl_->prefix);
    if (t_.add_eos.value_or(unigram)) add_affix(impl_->eos, "eos", impl_->suffix);
  }

  void add_affix(std::optional<TokenId> id, const std::string& name, std::vector<TokenId>& ids) {
    if (id) {
      ids.push_back(*id);
    } else {
      impl_->notes.push_back("texts should have the tokenizer's " + name +
                             " token around them, but it has none: they are used without");
    }
  }

  void set_ends() {
    std::vector<EndToken> ends;
    const auto add = [&](std::optional<TokenId> id, std::string_view key) {
      if (id) ends.push_back({*id, std::string(key)});
    };
    add(impl_->eos, "tokenizer.ggml.eos_token_id");
    add(usable_id(t_.eot, "tokenizer.ggml.eot_token_id"), "tokenizer.ggml.eot_token_id");
    add(usable_id(t_.eom, "tokenizer.ggml.eom_token_id"), "tokenizer.ggml.eom_token_id");
    for (const int64_t id : t_.end_tokens) add(usable_id(id, "an end-of-turn token"), "an end-of-turn token");
    set_end_tokens(*impl_, ends);
  }

  TokenizerTables t_;
  std::shared_ptr<Tokenizer::Impl> impl_;
  std::optional<TokenId> unknown_;
};

}  // namespace

Result<Tokenizer> make_tokenizer(TokenizerTables tables) { return TableReader(std::move(tables)).read(); }

}  // namespace cairn
