#include "text/grammar/json_text.h"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>

#include "base/utf8.h"
#include "text/grammar/limits.h"

namespace cairn::grammar {
namespace {

constexpr uint32_t kFirstSurrogate = 0xD800, kLastSurrogate = 0xDFFF, kLastCodePoint = 0x10FFFF;

void add_hex(Graph& graph, State from, State to) {
  graph.add_bytes(from, '0', '9', to);
  graph.add_bytes(from, 'a', 'f', to);
  graph.add_bytes(from, 'A', 'F', to);
}

void add_hexes(Graph& graph, State from, int count, State to) {
  for (int i = 0; i < count; ++i) {
    const State next = i + 1 == count ? to : graph.add_state();
    add_hex(graph, from, next);
    from = next;
  }
}

std::string hex_escape(uint32_t code) {
  constexpr char kHex[] = "0123456789abcdef";
  return {'\\', 'u', '0', '0', kHex[code >> 4 & 15], kHex[code & 15]};
}

// The way that a character that may not stand for itself is written.
std::string escape_of(uint32_t code) {
  switch (code) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\b': return "\\b";
    case '\f': return "\\f";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    default: return hex_escape(code);
  }
}

}  // namespace

std::string json_string(std::string_view text) {
  return boost::json::serialize(boost::json::string_view(text.data(), text.size()));
}

// The rule is known before it is filled: a value has values in it.
Rule JsonText::shared(std::optional<Rule>& rule, void (JsonText::*fill)(State, State)) {
  if (!rule.has_value()) {
    const Rule before = graph_.current_rule();
    rule = graph_.add_rule();
    (this->*fill)(graph_.begin(*rule), graph_.end(*rule));
    graph_.go_on_with(before);
  }
  return *rule;
}

void JsonText::add_space(State from, State to) {
  graph_.add_empty(from, to);
  graph_.add_call(from, shared(space_, &JsonText::fill_space), to);
}

void JsonText::add_colon_space(State from, State to) {
  graph_.add_empty(from, to);
  graph_.add_byte(from, ' ', to);
}

void JsonText::add_string(State from, State to) {
  graph_.add_call(from, shared(string_, &JsonText::fill_string), to);
}

void JsonText::add_character(State from, State to) {
  graph_.add_call(from, shared(character_, &JsonText::fill_character), to);
}

void JsonText::add_number(State from, State to) {
  graph_.add_call(from, shared(number_, &JsonText::fill_number), to);
}

void JsonText::add_value(State from, State to) {
  graph_.add_call(from, shared(value_, &JsonText::fill_value), to);
}

void JsonText::add_object(State from, State to) {
  graph_.add_call(from, shared(object_, &JsonText::fill_object), to);
}

void JsonText::add_array(State from, State to) {
  graph_.add_call(from, shared(array_, &JsonText::fill_array), to);
}

void JsonText::fill_space(State from, State to) {
  graph_.add_byte(from, ' ', to);
  State at = graph_.add_state();
  graph_.add_byte(from, '\n', at);
  for (int i = 0; i <= kIndentMax; ++i) {
    graph_.add_empty(at, to);
    if (i == kIndentMax) break;
    const State next = graph_.add_state();
    graph_.add_byte(at, ' ', next);
    at = next;
  }
}

void JsonText::add_utf8(State from, uint32_t low, uint32_t high, State to) {
  constexpr uint32_t kLastOfLength[] = {0x7F, 0x7FF, 0xFFFF, kLastCodePoint};
  for (const uint32_t last : kLastOfLength) {
    if (low > high) return;
    if (low > last) continue;
    const uint32_t end = std::min(high, last);
    std::string first_bytes, last_bytes;
    append_utf8(first_bytes, static_cast<char32_t>(low));
    append_utf8(last_bytes, static_cast<char32_t>(end));
    // Where first and last byte strings differ below their first byte, the range falls into a beginning, whole blocks
    // of the lower bytes, and an end.
    const size_t length = first_bytes.size();
    uint32_t block = 1;
    bool is_whole = true;
    for (size_t i = length - 1; i > 0; --i) {
      block <<= 6;
      if (low / block != end / block && (low % block != 0 || end % block != block - 1)) {
        is_whole = false;
        if (low % block != 0) {
          const uint32_t cut = low / block * block + block - 1;
          add_utf8(from, low, cut, to);
          add_utf8(from, cut + 1, high, to);
        } else {
          const uint32_t cut = end / block * block - 1;
          add_utf8(from, low, cut, to);
          add_utf8(from, cut + 1, high, to);
        }
        break;
      }
    }
    if (!is_whole) return;
    State at = from;
    for (size_t i = 0; i < length; ++i) {
      const State next = i + 1 == length ? to : graph_.add_state();
      graph_.add_bytes(at, static_cast<uint8_t>(first_bytes[i]), static_cast<uint8_t>(last_bytes[i]), next);
      at = next;
    }
    low = end + 1;
  }
}

void JsonText::add_code_points(State from, const CodeRanges& ranges, State to) {
  const auto add_plain = [&](uint32_t low, uint32_t high) {
    if (low < kFirstSurrogate) add_utf8(from, low, std::min(high, kFirstSurrogate - 1), to);
    if (high > kLastSurrogate) add_utf8(from, std::max(low, kLastSurrogate + 1), high, to);
  };
  for (const auto& [first, last] : ranges) {
    uint32_t low = first;
    for (const uint32_t special : {uint32_t{'"'}, uint32_t{'\\'}}) {
      if (special < low || special > last) continue;
      for (; low < 0x20 && low < special; ++low) graph_.add_text(from, escape_of(low), to);
      if (low < special) add_plain(low, special - 1);
      graph_.add_text(from, escape_of(special), to);
      low = special + 1;
    }
    for (; low < 0x20 && low <= last; ++low) graph_.add_text(from, escape_of(low), to);
    if (low <= last) add_plain(low, std::min(last, kLastCodePoint));
  }
}

void JsonText::add_unicode_escape(State from, State to) {
  const State three = graph_.add_state(), d = graph_.add_state(), two = graph_.add_state();
  for (const auto& [low, high] : {std::pair('0', '9'), {'a', 'c'}, {'e', 'f'}, {'A', 'C'}, {'E', 'F'}}) {
    graph_.add_bytes(from, static_cast<uint8_t>(low), static_cast<uint8_t>(high), three);
  }
  add_hexes(graph_, three, 3, to);
  // \uD...: below D800 a character like any other, else the first half of a pair.
  graph_.add_byte(from, 'd', d);
  graph_.add_byte(from, 'D', d);
  graph_.add_bytes(d, '0', '7', two);
  add_hexes(graph_, two, 2, to);
  const State first_half = graph_.add_state(), pair = graph_.add_state(), second_d = graph_.add_state(),
              second = graph_.add_state(), last_two = graph_.add_state();
  graph_.add_bytes(d, '8', '9', first_half);
  graph_.add_bytes(d, 'a', 'b', first_half);
  graph_.add_bytes(d, 'A', 'B', first_half);
  add_hexes(graph_, first_half, 2, pair);
  graph_.add_text(pair, "\\u", second_d);
  graph_.add_byte(second_d, 'd', second);
  graph_.add_byte(second_d, 'D', second);
  graph_.add_bytes(second, 'c', 'f', last_two);
  graph_.add_bytes(second, 'C', 'F', last_two);
  add_hexes(graph_, last_two, 2, to);
}

void JsonText::fill_character(State from, State to) {
  graph_.add_bytes(from, 0x20, 0x21, to);
  graph_.add_bytes(from, 0x23, 0x5B, to);
  graph_.add_bytes(from, 0x5D, 0x7F, to);
  const State one = graph_.add_state(), two = graph_.add_state(), three = graph_.add_state();
  graph_.add_bytes(from, 0xC2, 0xDF, one);
  graph_.add_bytes(one, 0x80, 0xBF, to);
  graph_.add_bytes(two, 0x80, 0xBF, one);
  graph_.add_bytes(three, 0x80, 0xBF, two);
  // Unicode's table 3-7: no overlong forms, no surrogates, nothing past U+10FFFF.
  const auto add_lead = [&](uint8_t lead, uint8_t low, uint8_t high, State then) {
    const State at = graph_.add_state();
    graph_.add_bytes(from, lead, lead, at);
    graph_.add_bytes(at, low, high, then);
  };
  add_lead(0xE0, 0xA0, 0xBF, one);
  graph_.add_bytes(from, 0xE1, 0xEC, two);
  add_lead(0xED, 0x80, 0x9F, one);
  graph_.add_bytes(from, 0xEE, 0xEF, two);
  add_lead(0xF0, 0x90, 0xBF, two);
  graph_.add_bytes(from, 0xF1, 0xF3, three);
  add_lead(0xF4, 0x80, 0x8F, two);
  const State escape = graph_.add_state(), unicode = graph_.add_state();
  graph_.add_byte(from, '\\', escape);
  for (const char byte : std::string_view("\"\\/bfnrt")) graph_.add_byte(escape, byte, to);
  graph_.add_byte(escape, 'u', unicode);
  add_unicode_escape(unicode, to);
}

// Its characters are its own states rather than calls, so that the many tokens that stay in a string leave no rule.
void JsonText::fill_string(State from, State to) {
  const State inside = graph_.add_state();
  graph_.add_byte(from, '"', inside);
  fill_character(inside, inside);
  graph_.add_byte(inside, '"', to);
}

void JsonText::add_counted_string(State from, int64_t least, std::optional<int64_t> most, State to) {
  State at = graph_.add_state();
  graph_.add_byte(from, '"', at);
  const int64_t counted = most.value_or(least);
  for (int64_t count = 0; !graph_.is_full(); ++count) {
    if (count >= least) graph_.add_byte(at, '"', to);
    if (count == counted) break;
    const State next = graph_.add_state();
    add_character(at, next);
    at = next;
  }
  if (!most.has_value()) add_character(at, at);
}

void JsonText::add_digits(State from, int least, int most, State to) {
  for (int count = 0; count < most; ++count) {
    const State next = graph_.add_state();
    graph_.add_bytes(from, '0', '9', next);
    if (count + 1 >= least) graph_.add_empty(next, to);
    from = next;
  }
}

void JsonText::add_integer(State from, State to) {
  const State unsigned_part = graph_.add_state(), more = graph_.add_state();
  graph_.add_empty(from, unsigned_part);
  graph_.add_byte(from, '-', unsigned_part);
  graph_.add_byte(unsigned_part, '0', to);
  graph_.add_bytes(unsigned_part, '1', '9', more);
  graph_.add_empty(more, to);
  add_digits(more, 1, kDigitsMax - 1, to);
}

void JsonText::fill_number(State from, State to) {
  const State whole = graph_.add_state(), point = graph_.add_state(), fraction = graph_.add_state();
  add_integer(from, whole);
  graph_.add_empty(whole, fraction);
  graph_.add_byte(whole, '.', point);
  add_digits(point, 1, kDigitsMax, fraction);
  const State exponent = graph_.add_state(), exponent_digits = graph_.add_state();
  graph_.add_empty(fraction, to);
  graph_.add_byte(fraction, 'e', exponent);
  graph_.add_byte(fraction, 'E', exponent);
  for (const char sign : {'+', '-'}) graph_.add_byte(exponent, sign, exponent_digits);
  graph_.add_empty(exponent, exponent_digits);
  add_digits(exponent_digits, 1, kExponentDigitsMax, to);
}

void JsonText::fill_value(State from, State to) {
  add_string(from, to);
  add_number(from, to);
  for (const std::string_view word : {"true", "false", "null"}) graph_.add_text(from, word, to);
  fill_object(from, to);
  fill_array(from, to);
}

void JsonText::fill_object(State from, State to) {
  const State inside = graph_.add_state(), key = graph_.add_state(), colon = graph_.add_state(),
              before = graph_.add_state(), value = graph_.add_state(), behind = graph_.add_state(),
              comma = graph_.add_state(), close = graph_.add_state();
  graph_.add_byte(from, '{', inside);
  graph_.add_byte(inside, '}', to);
  add_space(inside, key);
  add_string(key, colon);
  graph_.add_byte(colon, ':', before);
  add_colon_space(before, value);
  add_value(value, behind);
  graph_.add_byte(behind, ',', comma);
  add_space(comma, key);
  add_space(behind, close);
  graph_.add_byte(close, '}', to);
}

void JsonText::fill_array(State from, State to) {
  const State inside = graph_.add_state(), value = graph_.add_state(), behind = graph_.add_state(),
              comma = graph_.add_state(), close = graph_.add_state();
  graph_.add_byte(from, '[', inside);
  graph_.add_byte(inside, ']', to);
  add_space(inside, value);
  add_value(value, behind);
  graph_.add_byte(behind, ',', comma);
  add_space(comma, value);
  add_space(behind, close);
  graph_.add_byte(close, ']', to);
}

}  // namespace cairn::grammar
