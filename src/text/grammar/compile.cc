#include "text/grammar/compile.h"

#include <utility>
#include <vector>

#include "text/grammar/reply_compiler.h"

namespace cairn::grammar {
namespace {

// The rules that `rule` calls before it reads anything.
std::vector<Rule> calls_at_start(const Graph& graph, Rule rule, std::vector<Rule>& seen_by) {
  std::vector<Rule> calls;
  std::vector<State> states{graph.begin(rule)};
  seen_by[graph.begin(rule)] = rule + 1;
  while (!states.empty()) {
    const State state = states.back();
    states.pop_back();
    for (const Edge* edge = graph.first(state); edge != nullptr; edge = graph.next(*edge)) {
      if (edge->kind == EdgeKind::kCall) calls.push_back(edge->what);
      if (edge->kind != EdgeKind::kEmpty || seen_by[edge->target] == rule + 1) continue;
      seen_by[edge->target] = rule + 1;
      states.push_back(edge->target);
    }
  }
  return calls;
}

// A rule that calls itself before it reads anything has no text of its own to tell its ways apart.
Status check_recursion(const Graph& graph) {
  std::vector<std::vector<Rule>> calls(graph.rule_count());
  std::vector<size_t> callers(graph.rule_count(), 0);
  std::vector<Rule> seen_by(graph.state_count(), 0);
  for (Rule rule = 0; rule < graph.rule_count(); ++rule) {
    calls[rule] = calls_at_start(graph, rule, seen_by);
    for (const Rule called : calls[rule]) ++callers[called];
  }
  std::vector<Rule> ready;
  for (Rule rule = 0; rule < graph.rule_count(); ++rule) {
    if (callers[rule] == 0) ready.push_back(rule);
  }
  size_t done = 0;
  while (!ready.empty()) {
    const Rule rule = ready.back();
    ready.pop_back();
    ++done;
    for (const Rule called : calls[rule]) {
      if (--callers[called] == 0) ready.push_back(called);
    }
  }
  if (done == graph.rule_count()) return {};
  return invalid_argument("a \"$ref\" of the schema leads back to itself with no text in between");
}

}  // namespace

Result<Graph> compile_spec(const GuideSpec& spec) {
  CompileState state;
  CAIRN_RETURN_IF_ERROR(ReplyCompiler(state).add_reply(spec));
  if (state.graph.is_full())
    return invalid_argument("the reply's form is too large: its automaton has too many states");
  CAIRN_RETURN_IF_ERROR(check_recursion(state.graph));
  return std::move(state.graph);
}

}  // namespace cairn::grammar
