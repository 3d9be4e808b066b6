#include "text/grammar/grammar_testing.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cmath>
#include <regex>
#include <stdexcept>

#include "base/utf8.h"

namespace cairn {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

bool type_fits(const value& item, const std::string& type) {
  if (type == "integer") {
    return item.is_number() && std::floor(item.to_number<double>()) == item.to_number<double>();
  }
  return (type == "string" && item.is_string()) || (type == "number" && item.is_number()) ||
         (type == "boolean" && item.is_bool()) || (type == "null" && item.is_null()) ||
         (type == "array" && item.is_array()) || (type == "object" && item.is_object());
}

std::optional<std::string> misfit_type(const value& item, const object& schema) {
  const value* type = schema.if_contains("type");
  if (type == nullptr) return std::nullopt;
  const array types = type->is_array() ? type->get_array() : array{*type};
  const bool fits = std::ranges::any_of(
      types, [&](const value& one) { return type_fits(item, std::string(one.get_string())); });
  if (fits) return std::nullopt;
  return "type";
}

std::optional<std::string> misfit_number(const value& item, const object& schema) {
  const double number = item.to_number<double>();
  if (!std::isfinite(number)) return "a number that is none";
  const auto fails = [&](const char* keyword, auto compare) {
    const value* bound = schema.if_contains(keyword);
    return bound != nullptr && bound->is_number() && !compare(number, bound->to_number<double>());
  };
  if (fails("minimum", std::greater_equal<>())) return "minimum";
  if (fails("maximum", std::less_equal<>())) return "maximum";
  if (fails("exclusiveMinimum", std::greater<>())) return "exclusiveMinimum";
  if (fails("exclusiveMaximum", std::less<>())) return "exclusiveMaximum";
  return std::nullopt;
}

std::optional<std::string> misfit_string(const value& item, const object& schema) {
  const std::string text(item.get_string());
  if (find_invalid_utf8(text).has_value()) return "UTF-8";
  const auto length = static_cast<double>(count_characters(text));
  if (const value* least = schema.if_contains("minLength"); least && length < least->to_number<double>())
    return "minLength";
  if (const value* most = schema.if_contains("maxLength"); most && length > most->to_number<double>())
    return "maxLength";
  if (const value* pattern = schema.if_contains("pattern")) {
    if (!std::regex_search(text, std::regex(std::string(pattern->get_string())))) return "pattern";
  }
  return std::nullopt;
}

std::optional<std::string> misfit_array(const array& items, const object& schema, const value& root) {
  const auto count = static_cast<double>(items.size());
  if (const value* least = schema.if_contains("minItems"); least && count < least->to_number<double>())
    return "minItems";
  if (const value* most = schema.if_contains("maxItems"); most && count > most->to_number<double>())
    return "maxItems";
  const value* prefix = schema.if_contains("prefixItems");
  const value* rest = schema.if_contains("items");
  if (rest != nullptr && rest->is_array()) {  // as older drafts have it
    prefix = rest;
    rest = schema.if_contains("additionalItems");
  }
  for (size_t i = 0; i < items.size(); ++i) {
    const bool is_named = prefix != nullptr && i < prefix->get_array().size();
    const value* one = is_named ? &prefix->get_array()[i] : rest;
    if (one == nullptr) continue;
    if (auto reason = misfit(items[i], *one, root)) return "item: " + *reason;
  }
  return std::nullopt;
}

std::optional<std::string> misfit_object(const object& fields, const object& schema, const value& root) {
  const value* properties = schema.if_contains("properties");
  const value* additional = schema.if_contains("additionalProperties");
  for (const auto& field : fields) {
    const value* one = properties != nullptr ? properties->get_object().if_contains(field.key()) : nullptr;
    if (one == nullptr) one = additional;
    if (one == nullptr) continue;
    if (auto reason = misfit(field.value(), *one, root)) return std::string(field.key()) + ": " + *reason;
  }
  if (const value* required = schema.if_contains("required")) {
    for (const value& name : required->get_array()) {
      if (!fields.contains(name.get_string())) return "required " + std::string(name.get_string());
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> misfit(const value& item, const value& schema_value, const value& root) {
  if (schema_value.is_bool())
    return schema_value.get_bool() ? std::nullopt : std::optional<std::string>("false");
  const object& schema = schema_value.get_object();
  if (const value* nullable = schema.if_contains("nullable");
      nullable && nullable->get_bool() && item.is_null())
    return std::nullopt;
  if (const value* reference = schema.if_contains("$ref")) {
    const std::string text(reference->get_string());
    boost::system::error_code error;
    const value* target = root.find_pointer(text.substr(1), error);
    if (target == nullptr) return "a $ref to nothing";
    if (auto reason = misfit(item, *target, root)) return reason;
  }
  if (const value* all = schema.if_contains("allOf")) {
    for (const value& one : all->get_array()) {
      if (auto reason = misfit(item, one, root)) return "allOf: " + *reason;
    }
  }
  for (const char* keyword : {"anyOf", "oneOf"}) {
    const value* any = schema.if_contains(keyword);
    if (any == nullptr) continue;
    const bool fits = std::ranges::any_of(
        any->get_array(), [&](const value& one) { return !misfit(item, one, root).has_value(); });
    if (!fits) return keyword;
  }
  if (const value* one = schema.if_contains("const"); one && *one != item) return "const";
  if (const value* list = schema.if_contains("enum")) {
    if (std::ranges::find(list->get_array(), item) == list->get_array().end()) return "enum";
  }
  if (auto reason = misfit_type(item, schema)) return reason;
  if (item.is_number()) return misfit_number(item, schema);
  if (item.is_string()) return misfit_string(item, schema);
  if (item.is_array()) return misfit_array(item.get_array(), schema, root);
  if (item.is_object()) return misfit_object(item.get_object(), schema, root);
  return std::nullopt;
}

std::optional<std::string> misfit_of_text(std::string_view text, const value& schema) {
  boost::system::error_code error;
  boost::json::parse_options options;
  options.max_depth = 1000;
  const value item = boost::json::parse({text.data(), text.size()}, error, {}, options);
  if (error) return "not JSON: " + error.message();
  return misfit(item, schema, schema);
}

std::shared_ptr<const TokenTrie> byte_vocabulary() {
  PlainVocabulary vocabulary;
  for (int byte = 0; byte < 256; ++byte) vocabulary.texts.emplace_back(1, static_cast<char>(byte));
  vocabulary.texts.emplace_back();
  vocabulary.end_tokens = {256};
  return TokenTrie::build(vocabulary).value();
}

std::shared_ptr<const TokenTrie> mixed_vocabulary(int64_t count, uint64_t seed) {
  PlainVocabulary vocabulary;
  vocabulary.texts = {"<end>", "<a>", "<b>", "<stop>", ""};
  vocabulary.end_tokens = {0, 3};
  vocabulary.special = {1, 2};
  for (int byte = 0; byte < 256; ++byte) vocabulary.texts.emplace_back(1, static_cast<char>(byte));
  for (const char* text :
       {"{\"",     "\":",      "\": ",     "\",",         "\", \"", "\"}",        "},{",  "{}",
        "[]",      "[[",       "]]",       "}}",          "}}\n",   "null",       "true", "false",
        "tru",     "e,",       "123",      "1.5",         "e10",    "-1",         "0.",   "00",
        "\n  ",    "\n    ",   "  ",       " \"",         ",\"",    ",\n",        "\\\"", "\\\\",
        "\\n",     "\\u",      "\\ud",     "\\u00",       "d83d",   "ä",          "é\"",  "\xC3",
        "\xA4\"",  "€",        "\xE2\x82", "\xAC",        "😀",     "\xF0\x9F",   "name", "a\":",
        "\"a\"",   "\"b\":",   "value",    "the ",        " and",   "hello",      "o w",  "ab\"",
        "a\",\"b", "<tool",    "_call>",   "<tool_call>", "</",     "{\"name\":", " {",   "{\"name\": \"",
        "<think>", "</think>", "\n\n",     "2024-",       "-01",    "T",          ":",    "aaaaaaaa",
        "a",       "{"}) {
    vocabulary.texts.emplace_back(text);
  }
  for (uint64_t i = 0; std::ssize(vocabulary.texts) < count; ++i) {
    std::string word;
    const auto draw = [&](uint64_t place, uint64_t below) { return random_bits(seed, i, place) % below; };
    const uint64_t length = 2 + draw(0, 8);
    for (uint64_t at = 1; at <= length; ++at) {
      word +=
          draw(at, 12) == 0 ? "\"{}[],: \\0."[draw(at + 20, 12)] : static_cast<char>('a' + draw(at + 20, 26));
    }
    vocabulary.texts.push_back(word);
  }
  return TokenTrie::build(vocabulary).value();
}

value json_of(std::string_view text) { return boost::json::parse({text.data(), text.size()}); }

GuideSpec schema_spec(std::string_view schema) {
  GuideSpec spec;
  spec.answer = {AnswerSpec::Kind::kJsonSchema, json_of(schema)};
  return spec;
}

bool reads(const std::shared_ptr<const Guide>& guide, std::string_view text) {
  GuideWalk walk(guide);
  TokenMask mask(guide->trie().vocab_size());
  for (const char byte : text) {
    mask.allow_all();
    walk.restrict(mask, 1'000'000);
    const auto token = static_cast<TokenId>(static_cast<uint8_t>(byte));
    const bool is_allowed = mask.allows(token);
    if (walk.take(token) != is_allowed) throw std::logic_error("mask and walk differ");
    if (!is_allowed) return false;
  }
  return walk.may_end();
}

RandomReply random_reply(const std::shared_ptr<const Guide>& guide, int64_t tokens_max, uint64_t seed) {
  GuideWalk walk(guide);
  const TokenTrie& trie = guide->trie();
  TokenMask mask(trie.vocab_size());
  RandomReply reply;
  reply.was_closable = walk.closing_tokens() <= tokens_max;
  for (int64_t i = 0; i < tokens_max; ++i) {
    mask.allow_all();
    walk.restrict(mask, tokens_max - i);
    std::vector<TokenId> allowed;
    for (TokenId token = 0; token < trie.vocab_size(); ++token) {
      if (mask.allows(token)) allowed.push_back(token);
    }
    reply.was_stuck = allowed.empty();
    if (reply.was_stuck) return reply;
    const TokenId token = allowed[random_bits(seed, static_cast<uint64_t>(i), 7) % allowed.size()];
    reply.tokens.push_back(token);
    reply.was_stuck = !walk.take(token);
    if (reply.was_stuck) return reply;
    reply.has_ended = walk.has_ended();
    if (reply.has_ended) return reply;
    reply.text += trie.is_special(token) ? std::string("<special>") : std::string(trie.text(token));
  }
  return reply;
}

}  // namespace cairn
