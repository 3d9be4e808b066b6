// NumberRange: JSON numbers between two bounds, as an automaton over their digits. For the compiler's files.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>

#include "cairn/status.h"
#include "text/grammar/graph.h"
#include "text/grammar/json_text.h"

namespace cairn::grammar {

// A number as its digits. Zero is not negative.
struct Decimal {
  bool is_negative = false;
  std::string whole = "0";    // no zeros before it
  std::string fraction = {};  // no zeros behind it

  // Of a JSON number, exactly as it is written.
  static Decimal of(const boost::json::value& number);
  [[nodiscard]] bool is_zero() const { return whole == "0" && fraction.empty(); }
  [[nodiscard]] Decimal negated() const;
  // Negative, zero or positive as this number is below, equal to or above `other`.
  [[nodiscard]] int compare(const Decimal& other) const;
};

struct Bound {
  Decimal value;
  bool is_excluded = false;  // the bound itself is not allowed
};

struct NumberRange {
  std::optional<Bound> low, high;
};

// Without an exponent, up to kDigitsMax digits before the point and behind it. kInvalidArgument: no such number lies
// between the bounds, or one of them has too many digits. Both bounds absent: as JsonText's.
Status add_integers(Graph& graph, JsonText& text, State from, const NumberRange& range, State to);
Status add_numbers(Graph& graph, JsonText& text, State from, const NumberRange& range, State to);

}  // namespace cairn::grammar
