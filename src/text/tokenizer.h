// Tokenizer: text to token ids and back, exactly as the model's own tokenizer does it.
// Kinds: SentencePiece-style BPE, unigram, byte-level BPE; from GGUF tables or a tokenizer.json.
//
// Always true: a Tokenizer is immutable, cheap to copy and safe to use from several threads at once;
// what encode returns lies in [0, vocab_size()); what decode and StreamDecoder return is valid UTF-8.
// Anyone from the model room upwards may call it.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/detokenizer.h"
#include "cairn/ids.h"
#include "cairn/status.h"

namespace cairn {

class GgufFile;
class HfFolder;

// Whether encode adds the tokens (bos, eos) that the model wants around a text. A prompt, which the model goes on
// with, gets only those before it: behind an end there is nothing to go on with.
enum class BosEos { kAsModelSays, kOfPrompt, kNone };
// How "<|im_end|>" in a text is read: as plain characters (a user's words must not end a turn), or as the
// token (a chat template's output). Tokens that a model defines as ordinary words are found in both.
enum class SpecialText { kLiteral, kParsed };

struct EncodeOptions {
  BosEos bos_eos = BosEos::kAsModelSays;
  SpecialText special_text = SpecialText::kLiteral;
};

// Whether special tokens (bos, end of turn, ...) add their names to the decoded text.
enum class SpecialOutput { kHide, kShow };

struct DecodeOptions {
  SpecialOutput special_output = SpecialOutput::kHide;
  TextPosition position = TextPosition::kStart;
};

// A token that ends a reply, and what says so: keys of the file, or the token's spelling.
struct EndToken {
  TokenId id = 0;
  std::string reason;
};

class Tokenizer {
 public:
  // kInvalidArgument: `text` is not UTF-8 (the message gives the byte offset). A character for which the vocabulary
  // has no token, no byte tokens and no unknown token is left out by ranked BPE, and kInvalidArgument for the other
  // kinds, as in the libraries that these come from.
  [[nodiscard]] Result<std::vector<TokenId>> encode(std::string_view text, EncodeOptions options = {}) const;

  // Invalid UTF-8 becomes U+FFFD, one for each maximal invalid part. Ids outside the vocabulary
  // add nothing (a model's output row may be longer than its vocabulary).
  [[nodiscard]] std::string decode(std::span<const TokenId> ids, DecodeOptions options = {}) const;

  // The bytes that this token adds to a text, which need not be whole characters; for a special token, its
  // name.
  [[nodiscard]] std::string_view token_text(TokenId id) const;

  [[nodiscard]] int64_t vocab_size() const;  // one past the largest id
  [[nodiscard]] std::optional<TokenId> bos() const;
  [[nodiscard]] std::optional<TokenId> eos() const;
  [[nodiscard]] std::span<const EndToken> end_tokens() const;  // all that end a reply, by ascending id
  [[nodiscard]] bool is_end(TokenId id) const;
  [[nodiscard]] bool is_special(TokenId id) const;  // control and unknown tokens: hidden by kHide
  // The token whose text (as token_text gives it) is `text`; a special one before an ordinary one.
  [[nodiscard]] std::optional<TokenId> find(std::string_view text) const;
  [[nodiscard]] std::string_view kind() const;  // "sentencepiece-bpe", "bpe", "byte-level-bpe", "unigram"

  // What was assumed where the file says nothing, and what of it was left out: a sentence each, for the user.
  [[nodiscard]] std::span<const std::string> notes() const;

  struct Impl;  // text/tokenizer/impl.h
  explicit Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

 private:
  friend class StreamDecoder;
  std::shared_ptr<const Impl> impl_;
};

// Decodes ids one at a time. Each call returns the characters that are complete so far; the start of a
// character waits for its remaining bytes. All parts together equal decode of all ids.
class StreamDecoder {
 public:
  explicit StreamDecoder(Tokenizer tokenizer, DecodeOptions options = {});
  std::string push(TokenId id);
  std::string flush();  // at the end: an unfinished character becomes U+FFFD; resets the decoder

 private:
  Tokenizer tokenizer_;
  DecodeOptions options_;
  int drop_spaces_ = 0;  // how many leading spaces of the text are still to be dropped
  std::string pending_;  // the start of a character, at most 3 bytes between calls
};

// The tables of a GGUF file (tokenizer.ggml.*), or of a vocabulary made by hand.
struct TokenizerTables {
  std::string model;  // "llama" (SentencePiece BPE), "t5" or "unigram", "gpt2" (byte-level BPE)
  std::string pre;    // how "gpt2" splits text into words ("llama-bpe", ...); empty: "default", with a note
  std::vector<std::string> tokens;  // by id
  std::vector<float> scores;        // by id; "llama" and "unigram" need them
  std::vector<int64_t> types;       // by id; empty: all normal. GGUF's numbers, see TokenType
  std::vector<std::string> merges;  // "a b", best first; "gpt2" needs them
  // An id outside the vocabulary counts as absent, with a note.
  std::optional<int64_t> bos, eos, unk, eot, eom;
  std::vector<int64_t> end_tokens;                         // further ids that end a reply
  std::optional<bool> add_bos, add_eos, add_space_prefix;  // absent: the usual for `model` and `pre`
  std::optional<bool> remove_extra_spaces;                 // SentencePiece's option; absent: no
  std::vector<std::string> swallow_space_after;  // special tokens that remove the white space after them
  std::vector<std::string> notes;                // Tokenizer::notes begins with these
};

enum class TokenType : int32_t {
  kUndefined = 0,
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

// kInvalidData: the tables contradict themselves (the message names the entry); kUnsupported: a kind, a `pre`
// or a step of tokenizer.json that Cairn does not support (the message names it and those that it does).
Result<Tokenizer> make_tokenizer(TokenizerTables tables);

// The files beside a tokenizer.json; each may be absent.
struct TokenizerCompanions {
  const boost::json::object* tokenizer_config = nullptr;
  const boost::json::object* generation_config = nullptr;
  const boost::json::object* model_config = nullptr;  // config.json
};

struct TokenizerOptions {
  // How byte-level BPE splits text into words, whatever the file says: a value of tokenizer.ggml.pre.
  std::optional<std::string> pre = {};
};

Result<Tokenizer> make_tokenizer(const boost::json::object& tokenizer_json,
                                 const TokenizerCompanions& companions = {},
                                 const TokenizerOptions& options = {});

// kInvalidArgument: `options` name a pre-tokenizer that there is not, or for a tokenizer that has none.
Result<Tokenizer> load_tokenizer(const GgufFile& file, const TokenizerOptions& options = {});
Result<Tokenizer> load_tokenizer(const HfFolder& folder, const TokenizerOptions& options = {});

}  // namespace cairn
