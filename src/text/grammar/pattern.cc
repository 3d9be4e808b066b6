#include "text/grammar/pattern.h"

#include <utility>

#include "text/grammar/pattern_syntax.h"

namespace cairn::grammar {
namespace {

// February has 28 days here: which years are longer, digits do not show.
#define CAIRN_DATE \
  "\\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)|02-(0[1-9]|1\\d|2[0-8]))"
#define CAIRN_TIME "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,9})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)"
#define CAIRN_BYTE "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
#define CAIRN_LABEL "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"

constexpr std::pair<std::string_view, std::string_view> kFormats[] = {
    {"date", "^" CAIRN_DATE "$"},
    {"time", "^" CAIRN_TIME "$"},
    {"date-time", "^" CAIRN_DATE "T" CAIRN_TIME "$"},
    {"uuid", "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"},
    {"ipv4", "^" CAIRN_BYTE "(\\." CAIRN_BYTE "){3}$"},
    {"hostname", "^" CAIRN_LABEL "(\\." CAIRN_LABEL "){0,3}$"},
    {"email", "^[A-Za-z0-9_+-]+(\\.[A-Za-z0-9_+-]+)*@" CAIRN_LABEL "(\\." CAIRN_LABEL "){1,3}$"},
};

class Writer {
 public:
  Writer(Graph& graph, JsonText& text) : graph_(graph), text_(text) {}

  void add(const PatternNode& node, State from, State to) {
    if (graph_.is_full()) return;
    switch (node.kind) {
      case PatternNode::Kind::kClass: return text_.add_code_points(from, node.ranges, to);
      case PatternNode::Kind::kSequence: return add_sequence(node, from, to);
      case PatternNode::Kind::kAlternatives:
        for (const PatternNode& child : node.children) add(child, from, to);
        return;
      case PatternNode::Kind::kRepeat: return add_repeat(node, from, to);
    }
  }

 private:
  void add_sequence(const PatternNode& node, State from, State to) {
    for (const PatternNode& child : node.children) {
      const State next = graph_.add_state();
      add(child, from, next);
      from = next;
    }
    graph_.add_empty(from, to);
  }

  void add_repeat(const PatternNode& node, State from, State to) {
    // A state of its own at the beginning: the loop must not lead back to what stands before it.
    State at = graph_.add_state();
    graph_.add_empty(from, at);
    const int64_t copies = node.most.value_or(node.least);
    for (int64_t count = 0; !graph_.is_full(); ++count) {
      if (count >= node.least) graph_.add_empty(at, to);
      if (count == copies) break;
      const State next = graph_.add_state();
      add(node.children[0], at, next);
      at = next;
    }
    if (!node.most.has_value()) add(node.children[0], at, at);
  }

  Graph& graph_;
  JsonText& text_;
};

}  // namespace

Status add_pattern(Graph& graph, JsonText& text, State from, std::string_view pattern, State to) {
  CAIRN_ASSIGN_OR_RETURN(const auto branches, parse_pattern(pattern));
  const State open = graph.add_state(), close = graph.add_state();
  graph.add_byte(from, '"', open);
  graph.add_byte(close, '"', to);
  for (const PatternBranch& branch : branches) {
    const State begin = graph.add_state(), end = graph.add_state();
    graph.add_empty(open, begin);
    graph.add_empty(end, close);
    if (!branch.from_start) text.add_character(begin, begin);
    if (!branch.to_end) text.add_character(end, end);
    Writer(graph, text).add(branch.node, begin, end);
  }
  return {};
}

std::string_view pattern_of_format(std::string_view format) {
  for (const auto& [name, pattern] : kFormats) {
    if (name == format) return pattern;
  }
  return {};
}

}  // namespace cairn::grammar
