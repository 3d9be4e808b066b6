// The interpreter's own class, in two files: expressions, and statements. For interpreter code only.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "text/jinja/arguments.h"
#include "text/jinja/ast.h"
#include "text/jinja/budget.h"
#include "text/jinja/interpreter.h"

namespace cairn::jinja {

// The names of one block. A lookup goes outwards; an assignment stays here. Names point into the syntax
// tree or the environment, which both outlive the rendering.
struct Scope {
  Scope* parent = nullptr;
  std::unordered_map<std::string_view, Value> names;

  [[nodiscard]] const Value* find(std::string_view name) const;
};

class Interpreter {
 public:
  Interpreter(const Template::Environment& environment, uint64_t input_bytes)
      : now_(environment.now), budget_(input_bytes) {}

  Result<std::string> run(const Body& body, Scope& scope);
  [[nodiscard]] int line() const { return line_; }  // of the failure, once run() has failed

 private:
  enum class Flow { kNext, kBreak, kContinue };

  // Statements (execute.cc).
  Result<Flow> execute(const Body& body, Scope& scope);
  Result<Flow> execute(const Statement& statement, Scope& scope);
  Result<Flow> run_statement(const Text& text, Scope& scope);
  Result<Flow> run_statement(const Output& output, Scope& scope);
  Result<Flow> run_statement(const Set& set, Scope& scope);
  Result<Flow> run_statement(const If& branches, Scope& scope);
  Result<Flow> run_statement(const For& loop, Scope& scope);
  Result<Flow> run_statement(const Macro& macro, Scope& scope);
  Result<Flow> run_statement(const CallBlock& block, Scope& scope);
  Result<Flow> run_statement(const FilterBlock& block, Scope& scope);
  Result<Flow> run_statement(const With& with, Scope& scope);
  Result<Flow> run_statement(const Break&, Scope&) { return Flow::kBreak; }
  Result<Flow> run_statement(const Continue&, Scope&) { return Flow::kContinue; }
  Result<Flow> run_loop(const For& loop, const Value& walked, Scope& scope, int depth);
  Result<Items> loop_items(const For& loop, const Value& walked, Scope& scope);
  Result<Value> call_loop(const LoopState& loop, const Arguments& arguments);
  Status assign(const Target& target, Value value, Scope& scope);
  Status emit(const Value& value);
  Result<std::string> capture(const Body& body, Scope& scope);
  static Value macro_value(const Macro& macro, Scope& scope);
  Result<Value> call_macro(const Callable& callable, const Arguments& arguments);

  // Expressions (evaluate.cc).
  Result<Value> evaluate(const Expr& expr, Scope& scope);
  Result<Value> evaluate_node(const Expr& expr, Scope& scope);
  Result<Value> evaluate_name(const Expr& expr, const Scope& scope) const;
  Result<Value> evaluate_collection(const Expr& expr, Scope& scope);
  Result<Value> evaluate_slice(const Expr& expr, Scope& scope);
  Result<Value> evaluate_call(const Expr& expr, Scope& scope);
  Result<Value> evaluate_filter(const Expr& expr, Scope& scope);
  Result<Value> evaluate_test(const Expr& expr, Scope& scope);
  Result<Value> evaluate_compare(const Expr& expr, Scope& scope);
  Result<Value> evaluate_concat(const Expr& expr, Scope& scope);
  Result<Arguments> evaluate_arguments(const Expr& expr, Scope& scope);
  // A filter chain without a subject, over the text of a block.
  Result<Value> filter_text(const Expr& chain, std::string text, Scope& scope);
  Result<Value> call(const Value& callee, const Arguments& arguments);

  const std::optional<CivilTime>& now_;
  Budget budget_;
  std::string* out_ = nullptr;
  const Value* block_text_ = nullptr;  // what a filter without a subject works on
  int line_ = 1;
};

}  // namespace cairn::jinja
