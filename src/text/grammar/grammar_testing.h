// For tests of guides: vocabularies, texts fed byte by byte, replies drawn at random, and a validator of JSON Schema that
// shares no code with the compiler.
#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"
#include "text/grammar/guide.h"

namespace cairn {

// All 256 bytes, then one end token.
std::shared_ptr<const TokenTrie> byte_vocabulary();
// Bytes, pieces of JSON, words, characters of two to four bytes and parts of them, tokens that are equal; special tokens
// <a>, <b>; two end tokens. Random words make up `count`.
std::shared_ptr<const TokenTrie> mixed_vocabulary(int64_t count, uint64_t seed);

boost::json::value json_of(std::string_view text);  // of a test: valid
GuideSpec schema_spec(std::string_view schema);

// Whether the guide, compiled with byte_vocabulary, reads this whole text and no token of it was refused by a mask.
bool reads(const std::shared_ptr<const Guide>& guide, std::string_view text);

struct RandomReply {
  std::string text;
  std::vector<TokenId> tokens;
  bool has_ended = false;     // by an end token; else by `tokens_max`
  bool was_stuck = false;     // no token was allowed: always a bug
  bool was_closable = false;  // at its beginning, within tokens_max
};
// A reply of at most `tokens_max` picks, each drawn from what the mask allows.
RandomReply random_reply(const std::shared_ptr<const Guide>& guide, int64_t tokens_max, uint64_t seed);

// Whether the value fits the schema; nullopt: yes, else the reason.
std::optional<std::string> misfit(const boost::json::value& value, const boost::json::value& schema,
                                  const boost::json::value& root);
// Of a whole reply: parsed by Boost.JSON, then as above.
std::optional<std::string> misfit_of_text(std::string_view text, const boost::json::value& schema);

}  // namespace cairn
