#include "text/tokenizer.h"

#include <algorithm>

#include "base/utf8.h"
#include "text/tokenizer/impl.h"

namespace cairn {
namespace {

constexpr size_t kMaxTextBytes = (size_t{1} << 31) - 1;  // offsets into a text are 32-bit numbers

// Which part of the whole text a plain piece is.
enum class Place { kStart, kLater };

Status encode_plain(const Tokenizer::Impl& impl, std::string_view text, Place place, MergeScratch& scratch,
                    std::vector<TokenId>& ids) {
  Words words;
  words.words.push_back({text, place == Place::kStart});
  CAIRN_RETURN_IF_ERROR(impl.pre_tokenizer.apply(words));
  for (const Word& word : words.words)
    CAIRN_RETURN_IF_ERROR(impl.segmenter->segment(word.text, scratch, ids));
  return {};
}

Status encode_piece(const Tokenizer::Impl& impl, std::string_view text, Place place, SpecialText special,
                    MergeScratch& scratch, std::vector<TokenId>& ids) {
  CAIRN_ASSIGN_OR_RETURN(const std::string normalized, impl.normalizer.apply(text));
  for (const auto& piece : impl.normalized_added.split(normalized, special)) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
      continue;
    }
    const Place here = piece.begin == 0 ? place : Place::kLater;
    const std::string_view plain = std::string_view(normalized).substr(piece.begin, piece.end - piece.begin);
    CAIRN_RETURN_IF_ERROR(encode_plain(impl, plain, here, scratch, ids));
  }
  return {};
}

}  // namespace

Result<std::vector<TokenId>> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  if (text.size() > kMaxTextBytes) return invalid_argument("the text is longer than 2 GiB: shorten it");
  if (const auto broken = find_invalid_utf8(text)) {
    return invalid_argument("the text is not UTF-8 at byte offset " + std::to_string(*broken) +
                            ": convert it to UTF-8 first");
  }
  std::vector<TokenId> ids;
  MergeScratch scratch;
  if (options.bos_eos != BosEos::kNone) ids = impl_->prefix;
  for (const auto& piece : impl_->added.split(text, options.special_text)) {
    if (piece.id >= 0) {
      ids.push_back(piece.id);
      continue;
    }
    const Place place = piece.begin == 0 ? Place::kStart : Place::kLater;
    const std::string_view plain = text.substr(piece.begin, piece.end - piece.begin);
    CAIRN_RETURN_IF_ERROR(encode_piece(*impl_, plain, place, options.special_text, scratch, ids));
  }
  if (options.bos_eos == BosEos::kAsModelSays)
    ids.insert(ids.end(), impl_->suffix.begin(), impl_->suffix.end());
  return ids;
}

std::string Tokenizer::decode(std::span<const TokenId> ids, DecodeOptions options) const {
  StreamDecoder decoder(*this, options);
  std::string text;
  for (const TokenId id : ids) text += decoder.push(id);
  return text += decoder.flush();
}

std::string_view Tokenizer::token_text(TokenId id) const { return impl_->vocabulary.text(id); }
int64_t Tokenizer::vocab_size() const { return impl_->vocabulary.size(); }
std::optional<TokenId> Tokenizer::bos() const { return impl_->bos; }
std::optional<TokenId> Tokenizer::eos() const { return impl_->eos; }
std::span<const EndToken> Tokenizer::end_tokens() const { return impl_->end_tokens; }
std::span<const std::string> Tokenizer::notes() const { return impl_->notes; }
std::optional<TokenId> Tokenizer::find(std::string_view text) const { return impl_->vocabulary.find(text); }
std::string_view Tokenizer::kind() const { return impl_->kind; }

bool Tokenizer::is_end(TokenId id) const {
  return std::ranges::binary_search(impl_->end_tokens, id, {}, &EndToken::id);
}

bool Tokenizer::is_special(TokenId id) const { return impl_->vocabulary.sort(id) == TokenSort::kSpecial; }

StreamDecoder::StreamDecoder(Tokenizer tokenizer, DecodeOptions options)
    : tokenizer_(std::move(tokenizer)), options_(options) {
  flush();
}

std::string StreamDecoder::push(TokenId id) {
  const Tokenizer::Impl& impl = *tokenizer_.impl_;
  if (options_.special_output == SpecialOutput::kHide && tokenizer_.is_special(id)) return {};
  std::string_view text = impl.vocabulary.text(id);
  while (drop_spaces_ > 0 && text.starts_with(' ')) {
    text.remove_prefix(1);
    --drop_spaces_;
  }
  if (text.empty()) return {};
  drop_spaces_ = 0;
  pending_ += text;
  std::string out;
  const size_t used = take_utf8(pending_, out);
  pending_.erase(0, used);
  return out;
}

std::string StreamDecoder::flush() {
  std::string out;
  if (!pending_.empty()) append_utf8(out, 0xFFFD);
  pending_.clear();
  drop_spaces_ = options_.position == TextPosition::kStart ? tokenizer_.impl_->drop_leading_spaces : 0;
  return out;
}

}  // namespace cairn
