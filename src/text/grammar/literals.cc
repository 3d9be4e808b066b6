#include "text/grammar/literals.h"

#include <charconv>
#include <cmath>
#include <map>
#include <utility>

#include "text/grammar/json_text.h"
#include "text/grammar/limits.h"

namespace cairn::grammar {
namespace {

Status append(const boost::json::value& value, int nesting, std::string& out) {
  if (nesting > kNestingMax) {
    return invalid_argument("a value of an enum or const is nested more than " + std::to_string(kNestingMax) +
                            " deep");
  }
  if (const auto* object = value.if_object()) {
    out += '{';
    for (const auto& [key, item] : *object) {
      if (out.back() != '{') out += ',';
      out += json_string(key) + ':';
      CAIRN_RETURN_IF_ERROR(append(item, nesting + 1, out));
    }
    out += '}';
  } else if (const auto* array = value.if_array()) {
    out += '[';
    for (const auto& item : *array) {
      if (out.back() != '[') out += ',';
      CAIRN_RETURN_IF_ERROR(append(item, nesting + 1, out));
    }
    out += ']';
  } else if (const auto* text = value.if_string()) {
    out += json_string(*text);
  } else if (value.is_double()) {
    // An integer that no 64 bits hold came as a double: it is still written as one, unless it is astronomical.
    constexpr double kWrittenOut = 1e21;
    const double number = value.get_double();
    const bool is_whole = std::abs(number) < kWrittenOut && number == std::trunc(number);
    char buffer[64];
    const auto end =
        is_whole ? std::to_chars(buffer, buffer + sizeof(buffer), number, std::chars_format::fixed, 0).ptr
                 : std::to_chars(buffer, buffer + sizeof(buffer), number).ptr;
    out.append(buffer, end);
  } else if (value.is_bool()) {
    out += value.get_bool() ? "true" : "false";
  } else if (value.is_int64()) {
    out += std::to_string(value.get_int64());
  } else if (value.is_uint64()) {
    out += std::to_string(value.get_uint64());
  } else {
    out += "null";
  }
  return {};
}

}  // namespace

void add_literals(Graph& graph, State from, std::vector<std::string> texts, State to) {
  std::map<std::pair<State, char>, State> nodes;
  for (const std::string& text : texts) {
    State at = from;
    for (const char byte : text) {
      if (graph.is_full()) return;
      const auto [node, is_new] = nodes.try_emplace({at, byte}, State{});
      if (is_new) {
        node->second = graph.add_state();
        graph.add_byte(at, byte, node->second);
      }
      at = node->second;
    }
    graph.add_empty(at, to);
  }
}

Result<std::string> compact_json(const boost::json::value& value) {
  std::string out;
  CAIRN_RETURN_IF_ERROR(append(value, 0, out));
  return out;
}

}  // namespace cairn::grammar
