// JsonText: the parts of JSON that every schema is made of, added to a graph: white space, strings and their characters,
// numbers, and any value.
//
// Always true of what is read: valid UTF-8, no lone surrogate in \u escapes, no number that overflows a double or has more
// digits than one holds, white space within kIndentMax. Shared parts are rules, made when they are first needed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/grammar/graph.h"

namespace cairn::grammar {

// Code points from .first to .second, both included.
using CodeRanges = std::vector<std::pair<uint32_t, uint32_t>>;

class JsonText {
 public:
  explicit JsonText(Graph& graph) : graph_(graph) {}

  // Each goes from one state to another of the current rule.
  void add_space(State from, State to);  // between values: nothing, a blank, or a line break and an indent
  void add_colon_space(State from, State to);  // behind ":" : nothing or a blank
  void add_string(State from, State to);
  // Between quotes: a string of `least` to `most` characters (absent: any number). least <= most, within kLengthMax.
  void add_counted_string(State from, int64_t least, std::optional<int64_t> most, State to);
  void add_character(State from, State to);  // one character of a string, escaped or not
  void add_number(State from, State to);
  void add_integer(State from, State to);
  void add_digits(State from, int least, int most, State to);
  void add_value(State from, State to);
  void add_object(State from, State to);  // any object
  void add_array(State from, State to);   // any array

  // One of these code points in a string, in the one way that it is usually written: as itself where that is allowed.
  void add_code_points(State from, const CodeRanges& ranges, State to);
  // UTF-8 of the code points in [low, high], none of them a surrogate.
  void add_utf8(State from, uint32_t low, uint32_t high, State to);

 private:
  Rule shared(std::optional<Rule>& rule, void (JsonText::*fill)(State, State));
  void fill_space(State from, State to);
  void fill_string(State from, State to);
  void fill_character(State from, State to);
  void fill_number(State from, State to);
  void fill_value(State from, State to);
  void fill_object(State from, State to);
  void fill_array(State from, State to);
  void add_unicode_escape(State from, State to);

  Graph& graph_;
  std::optional<Rule> space_, string_, character_, number_, value_, object_, array_;
};

// `text` as a JSON string, with its quotes; and a value without any white space.
[[nodiscard]] std::string json_string(std::string_view text);

}  // namespace cairn::grammar
