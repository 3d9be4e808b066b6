#include "text/grammar/number_range.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

#include "text/grammar/limits.h"

namespace cairn::grammar {
namespace {

const std::string kNines(kDigitsMax, '9');

int compare_digits(const std::string& a, const std::string& b) {
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  return a.compare(b);
}

int64_t number_of(const std::string& digits) {  // at most kDigitsMax of them
  int64_t number = 0;
  for (const char digit : digits) number = number * 10 + (digit - '0');
  return number;
}

// Whole numbers of one length between two bounds of that length.
void add_same_length(Graph& graph, State from, const std::string& low, const std::string& high, State to) {
  const size_t length = low.size();
  std::map<std::pair<size_t, int>, State> states;  // by position and by which bounds are still equal
  const auto state_at = [&](size_t at, int equal) {
    if (at == length) return to;
    const auto [found, is_new] = states.try_emplace({at, equal}, State{});
    if (is_new) found->second = graph.add_state();
    return found->second;
  };
  states[{0, 3}] = from;
  for (size_t at = 0; at < length; ++at) {
    for (int equal = 0; equal < 4; ++equal) {
      const auto found = states.find({at, equal});
      if (found == states.end()) continue;
      const char least = (equal & 1) != 0 ? low[at] : '0';
      const char most = (equal & 2) != 0 ? high[at] : '9';
      for (char digit = least; digit <= most; ++digit) {
        const int still =
            ((equal & 1) != 0 && digit == least ? 1 : 0) | ((equal & 2) != 0 && digit == most ? 2 : 0);
        graph.add_byte(found->second, digit, state_at(at + 1, still));
      }
    }
  }
}

// low <= high, not negative, at most kDigitsMax digits.
void add_whole(Graph& graph, State from, const std::string& low, const std::string& high, State to) {
  for (size_t length = low.size(); length <= high.size(); ++length) {
    std::string least = "1" + std::string(length - 1, '0'), most(length, '9');
    if (length == low.size()) least = low;
    if (length == high.size()) most = high;
    add_same_length(graph, from, least, most, to);
  }
}

// What may stand behind a whole number: nothing, or a point and digits, between the bounds' fractions where they are set.
void add_fraction(Graph& graph, State from, const std::optional<Bound>& low, const std::optional<Bound>& high,
                  State to) {
  const auto may_end = [&](size_t count, int equal) {  // after so many digits
    if ((equal & 1) != 0 && (count < low->value.fraction.size() || low->is_excluded)) return false;
    return (equal & 2) == 0 || count < high->value.fraction.size() || !high->is_excluded;
  };
  const auto digit_of = [](const std::string& digits, size_t at) {
    return at < digits.size() ? digits[at] : '0';
  };
  const int all_equal = (low.has_value() ? 1 : 0) | (high.has_value() ? 2 : 0);
  if (may_end(0, all_equal)) graph.add_empty(from, to);
  std::map<int, State> states{{all_equal, graph.add_state()}};
  graph.add_byte(from, '.', states[all_equal]);
  for (size_t at = 0; at < static_cast<size_t>(kDigitsMax); ++at) {
    std::map<int, State> next;
    for (const auto& [equal, state] : states) {
      const char least = (equal & 1) != 0 ? digit_of(low->value.fraction, at) : '0';
      const char most = (equal & 2) != 0 ? digit_of(high->value.fraction, at) : '9';
      for (char digit = least; digit <= most; ++digit) {
        const int still =
            ((equal & 1) != 0 && digit == least ? 1 : 0) | ((equal & 2) != 0 && digit == most ? 2 : 0);
        const auto [found, is_new] = next.try_emplace(still, State{});
        if (is_new) {
          found->second = graph.add_state();
          if (may_end(at + 1, still)) graph.add_empty(found->second, to);
        }
        graph.add_byte(state, digit, found->second);
      }
    }
    states = std::move(next);
  }
}

// Numbers that are not negative. False: there are none.
bool add_unsigned(Graph& graph, State from, const Bound& low, const Bound& high, State to) {
  const int order = low.value.compare(high.value);
  if (order > 0 || (order == 0 && (low.is_excluded || high.is_excluded))) return false;
  if (low.value.whole == high.value.whole) {
    const State behind = graph.add_state();
    graph.add_text(from, low.value.whole, behind);
    add_fraction(graph, behind, low, high, to);
    return true;
  }
  const State first = graph.add_state(), middle = graph.add_state(), last = graph.add_state();
  graph.add_text(from, low.value.whole, first);
  add_fraction(graph, first, low, {}, to);
  const int64_t after = number_of(low.value.whole) + 1, before = number_of(high.value.whole) - 1;
  if (after <= before) {
    add_whole(graph, from, std::to_string(after), std::to_string(before), middle);
    add_fraction(graph, middle, {}, {}, to);
  }
  graph.add_text(from, high.value.whole, last);
  add_fraction(graph, last, {}, high, to);
  return true;
}

Status check_digits(const std::optional<Bound>& bound) {
  if (!bound.has_value() || bound->value.fraction.size() <= static_cast<size_t>(kDigitsMax)) return {};
  return invalid_argument("a bound has more than " + std::to_string(kDigitsMax) + " digits behind its point");
}

// Bounds that numbers of kDigitsMax digits never meet are moved to the last of those numbers.
NumberRange within_digits(NumberRange range) {
  const Bound last{{.whole = kNines, .fraction = kNines}};
  const Bound first{last.value.negated()};
  if (!range.high.has_value() || range.high->value.compare(last.value) > 0) range.high = last;
  if (!range.low.has_value() || range.low->value.compare(first.value) < 0) range.low = first;
  return range;
}

Status no_number(std::string_view kind) {
  return invalid_argument("no " + std::string(kind) + " of at most " + std::to_string(kDigitsMax) +
                          " digits lies between the bounds");
}

// The nearest integer that is not below the bound; as a whole number with its sign.
int64_t least_integer(const Bound& low) {
  const int64_t whole = number_of(low.value.whole);
  const bool is_integer = low.value.fraction.empty();
  if (low.value.is_negative) return -whole + (is_integer && low.is_excluded ? 1 : 0);
  return whole + (!is_integer || low.is_excluded ? 1 : 0);
}

}  // namespace

Decimal Decimal::of(const boost::json::value& number) {
  char buffer[512];  // a double without an exponent has up to 309 digits, and 324 zeros behind the point
  char* end = buffer;
  if (number.is_int64()) {
    end = std::to_chars(buffer, buffer + sizeof(buffer), number.get_int64()).ptr;
  } else if (number.is_uint64()) {
    end = std::to_chars(buffer, buffer + sizeof(buffer), number.get_uint64()).ptr;
  } else if (number.is_double()) {
    end = std::to_chars(buffer, buffer + sizeof(buffer), number.get_double(), std::chars_format::fixed).ptr;
  }
  std::string_view text(buffer, static_cast<size_t>(end - buffer));
  Decimal decimal;
  decimal.is_negative = text.starts_with('-');
  if (decimal.is_negative) text.remove_prefix(1);
  const size_t point = std::min(text.find('.'), text.size());
  decimal.whole = text.substr(0, point);
  if (point < text.size()) decimal.fraction = text.substr(point + 1);
  while (decimal.fraction.ends_with('0')) decimal.fraction.pop_back();
  if (decimal.whole.empty()) decimal.whole = "0";
  if (decimal.is_zero()) decimal.is_negative = false;
  return decimal;
}

Decimal Decimal::negated() const {
  Decimal other = *this;
  other.is_negative = !is_negative && !is_zero();
  return other;
}

int Decimal::compare(const Decimal& other) const {
  if (is_negative != other.is_negative) return is_negative ? -1 : 1;
  int order = compare_digits(whole, other.whole);
  if (order == 0) order = fraction.compare(other.fraction);  // no zeros behind: in the order of their values
  return is_negative ? -order : order;
}

Status add_integers(Graph& graph, JsonText& text, State from, const NumberRange& range, State to) {
  if (!range.low.has_value() && !range.high.has_value()) {
    text.add_integer(from, to);
    return {};
  }
  const NumberRange bounds = within_digits(range);
  const Decimal last{.whole = kNines};
  if (bounds.low->value.compare(last) > 0 || bounds.high->value.compare(last.negated()) < 0)
    return no_number("integer");
  const int64_t low = least_integer(*bounds.low);
  const int64_t high = -least_integer({bounds.high->value.negated(), bounds.high->is_excluded});
  if (low > high) return no_number("integer");
  if (high >= 0) add_whole(graph, from, std::to_string(std::max<int64_t>(low, 0)), std::to_string(high), to);
  if (low < 0) {
    const State digits = graph.add_state();
    graph.add_byte(from, '-', digits);
    add_whole(graph, digits, std::to_string(std::max<int64_t>(-high, 1)), std::to_string(-low), to);
  }
  return {};
}

Status add_numbers(Graph& graph, JsonText& text, State from, const NumberRange& range, State to) {
  if (!range.low.has_value() && !range.high.has_value()) {
    text.add_number(from, to);
    return {};
  }
  const NumberRange bounds = within_digits(range);
  CAIRN_RETURN_IF_ERROR(check_digits(bounds.low));
  CAIRN_RETURN_IF_ERROR(check_digits(bounds.high));
  const Bound &low = *bounds.low, &high = *bounds.high;
  if (low.value.whole.size() > static_cast<size_t>(kDigitsMax) ||
      high.value.whole.size() > static_cast<size_t>(kDigitsMax)) {
    return no_number("number");
  }
  bool has_any = false;
  if (!high.value.is_negative) {
    has_any = add_unsigned(graph, from, low.value.is_negative ? Bound{} : low, high, to);
  }
  if (low.value.is_negative) {
    const State digits = graph.add_state();
    graph.add_byte(from, '-', digits);
    Bound nearest{{}, true};  // "-0" is not written
    if (high.value.is_negative) nearest = {high.value.negated(), high.is_excluded};
    has_any = add_unsigned(graph, digits, nearest, {low.value.negated(), low.is_excluded}, to) || has_any;
  }
  return has_any ? Status() : no_number("number");
}

}  // namespace cairn::grammar
