#include <algorithm>

#include "text/jinja/interpreter_internal.h"
#include "text/jinja/operators.h"
#include "text/jinja/parser.h"
#include "text/jinja/print.h"
#include "text/jinja/subscript.h"
#include "text/jinja/token.h"

namespace cairn::jinja {

Result<Template> Template::parse(std::string_view source) {
  CAIRN_ASSIGN_OR_RETURN(Body body, jinja::parse(source));
  return Template(std::move(body));
}

Result<std::string> Template::render(const Environment& environment) const {
  uint64_t input_bytes = 0;
  Scope given;
  for (const auto& [name, value] : environment.variables) {
    given.names[name] = value;
    input_bytes += value.weight() * 16;
  }
  Scope scope{&given, {}};
  Interpreter interpreter(environment, input_bytes);
  Result<std::string> text = interpreter.run(body_, scope);
  if (text.ok()) return text;
  // A message from the template itself to its user needs no line.
  if (text.status().code() == StatusCode::kInvalidArgument) return text;
  return at_line(interpreter.line(), text.status());
}

Result<std::string> Interpreter::run(const Body& body, Scope& scope) {
  std::string out;
  out_ = &out;
  CAIRN_RETURN_IF_ERROR(execute(body, scope).status());
  return out;
}

Result<Interpreter::Flow> Interpreter::execute(const Body& body, Scope& scope) {
  const DepthGuard guard(budget_);
  CAIRN_RETURN_IF_ERROR(guard.status());
  for (const Statement& statement : body) {
    CAIRN_ASSIGN_OR_RETURN(const Flow flow, execute(statement, scope));
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::execute(const Statement& statement, Scope& scope) {
  const int line_before = std::exchange(line_, statement.line);
  CAIRN_RETURN_IF_ERROR(budget_.spend(1));
  Result<Flow> flow =
      std::visit([&](const auto& what) { return run_statement(what, scope); }, statement.what);
  if (flow.ok()) line_ = line_before;
  return flow;
}

Result<Interpreter::Flow> Interpreter::run_statement(const Text& text, Scope&) {
  CAIRN_RETURN_IF_ERROR(budget_.allocate(text.text.size()));
  *out_ += text.text;
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::run_statement(const Output& output, Scope& scope) {
  CAIRN_ASSIGN_OR_RETURN(const Value value, evaluate(*output.value, scope));
  CAIRN_RETURN_IF_ERROR(emit(value));
  return Flow::kNext;
}

Status Interpreter::emit(const Value& value) {
  if (const std::string* text = value.text()) {
    CAIRN_RETURN_IF_ERROR(budget_.allocate(text->size()));
    *out_ += *text;
    return {};
  }
  CAIRN_RETURN_IF_ERROR(budget_.allocate(value.weight() * 64));
  const Result<std::string> text = print(value);
  if (!text.ok()) return text.status();
  *out_ += *text;
  return {};
}

Result<std::string> Interpreter::capture(const Body& body, Scope& scope) {
  std::string text;
  std::string* outer = std::exchange(out_, &text);
  const Status status = execute(body, scope).status();
  out_ = outer;
  CAIRN_RETURN_IF_ERROR(status);
  return text;
}

Status Interpreter::assign(const Target& target, Value value, Scope& scope) {
  if (!target.attribute.empty()) {
    const Value* names = scope.find(target.names[0]);
    if (names == nullptr || names->as_namespace() == nullptr) {
      return invalid_data("'" + target.names[0] + "' is not a namespace, so its attributes cannot be set");
    }
    CAIRN_RETURN_IF_ERROR(budget_.spend(value.weight()));
    return names->as_namespace()->set(target.attribute, std::move(value));
  }
  if (!target.is_tuple) {
    scope.names[target.names[0]] = std::move(value);
    return {};
  }
  CAIRN_RETURN_IF_ERROR(check_defined(value));
  Result<Items> items = iterate(budget_, value);
  if (!items.ok()) return items.status();
  if (items->size() != target.names.size()) {
    return invalid_data(std::to_string(items->size()) + " values cannot be assigned to " +
                        std::to_string(target.names.size()) + " names");
  }
  for (std::size_t i = 0; i < items->size(); ++i) scope.names[target.names[i]] = std::move((*items)[i]);
  return {};
}

Result<Interpreter::Flow> Interpreter::run_statement(const Set& set, Scope& scope) {
  Value value;
  if (set.body == nullptr) {
    CAIRN_ASSIGN_OR_RETURN(value, evaluate(*set.value, scope));
  } else {
    Scope inner{&scope, {}};
    CAIRN_ASSIGN_OR_RETURN(std::string text, capture(*set.body, inner));
    if (set.value == nullptr) {
      value = Value::string(std::move(text));
    } else {
      CAIRN_ASSIGN_OR_RETURN(value, filter_text(*set.value, std::move(text), scope));
    }
  }
  CAIRN_RETURN_IF_ERROR(assign(set.target, std::move(value), scope));
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::run_statement(const If& branches, Scope& scope) {
  for (const auto& [condition, body] : branches.branches) {
    CAIRN_ASSIGN_OR_RETURN(const Value holds, evaluate(*condition, scope));
    if (holds.truth()) return execute(body, scope);
  }
  return execute(branches.otherwise, scope);
}

Result<Items> Interpreter::loop_items(const For& loop, const Value& walked, Scope& scope) {
  CAIRN_ASSIGN_OR_RETURN(Items items, iterate(budget_, walked));
  if (loop.filter == nullptr) return items;
  Items kept;
  for (Value& item : items) {
    Scope inner{&scope, {}};
    CAIRN_RETURN_IF_ERROR(assign(loop.target, item, inner));
    CAIRN_ASSIGN_OR_RETURN(const Value keep, evaluate(*loop.filter, inner));
    if (keep.truth()) kept.push_back(std::move(item));
  }
  return kept;
}

Result<Interpreter::Flow> Interpreter::run_statement(const For& loop, Scope& scope) {
  CAIRN_ASSIGN_OR_RETURN(const Value walked, evaluate(*loop.items, scope));
  return run_loop(loop, walked, scope, 1);
}

Result<Interpreter::Flow> Interpreter::run_loop(const For& loop, const Value& walked, Scope& scope,
                                                int depth) {
  auto state = std::make_shared<LoopState>();
  CAIRN_ASSIGN_OR_RETURN(state->items, loop_items(loop, walked, scope));
  state->recursive = loop.is_recursive ? &loop : nullptr;
  state->scope = &scope;
  state->depth = depth;
  if (state->items.empty()) {
    Scope inner{&scope, {}};
    return execute(loop.otherwise, inner);
  }
  for (state->index = 0; state->index < state->items.size(); ++state->index) {
    CAIRN_RETURN_IF_ERROR(budget_.spend(4));
    Scope inner{&scope, {}};
    inner.names["loop"] = Value(Value::Data(state));
    CAIRN_RETURN_IF_ERROR(assign(loop.target, state->items[state->index], inner));
    CAIRN_ASSIGN_OR_RETURN(const Flow flow, execute(loop.body, inner));
    if (flow == Flow::kBreak) break;
  }
  return Flow::kNext;
}

// What a recursive loop writes for other items.
Result<Value> Interpreter::call_loop(const LoopState& loop, const Arguments& arguments) {
  if (loop.recursive == nullptr) return invalid_data("loop() needs a loop that is marked as 'recursive'");
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind("loop()", arguments, {"iterable"}, 1));
  std::string text;
  std::string* outer = std::exchange(out_, &text);
  const Status status = run_loop(*loop.recursive, bound[0], *loop.scope, loop.depth + 1).status();
  out_ = outer;
  CAIRN_RETURN_IF_ERROR(status);
  return Value::string(std::move(text));
}

Value Interpreter::macro_value(const Macro& macro, Scope& scope) {
  auto made = std::make_shared<Callable>();
  made->kind = Callable::Kind::kMacro;
  made->name = macro.name;
  made->macro = &macro;
  made->scope = &scope;
  return Value(Value::Data(std::shared_ptr<const Callable>(std::move(made))));
}

Result<Interpreter::Flow> Interpreter::run_statement(const Macro& macro, Scope& scope) {
  scope.names[macro.name] = macro_value(macro, scope);
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::run_statement(const CallBlock& block, Scope& scope) {
  CAIRN_ASSIGN_OR_RETURN(const Value callee, evaluate(*block.call->children[0], scope));
  CAIRN_ASSIGN_OR_RETURN(Arguments arguments, evaluate_arguments(*block.call, scope));
  arguments.named.emplace_back("caller", macro_value(block.caller, scope));
  CAIRN_ASSIGN_OR_RETURN(const Value text, call(callee, arguments));
  CAIRN_RETURN_IF_ERROR(emit(text));
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::run_statement(const FilterBlock& block, Scope& scope) {
  Scope inner{&scope, {}};
  CAIRN_ASSIGN_OR_RETURN(std::string text, capture(block.body, inner));
  CAIRN_ASSIGN_OR_RETURN(const Value filtered, filter_text(*block.filter, std::move(text), scope));
  CAIRN_RETURN_IF_ERROR(emit(filtered));
  return Flow::kNext;
}

Result<Interpreter::Flow> Interpreter::run_statement(const With& with, Scope& scope) {
  Scope inner{&scope, {}};
  for (const auto& [target, value] : with.assignments) {
    CAIRN_ASSIGN_OR_RETURN(Value assigned, evaluate(*value, scope));
    CAIRN_RETURN_IF_ERROR(assign(target, std::move(assigned), inner));
  }
  return execute(with.body, inner);
}

// A macro sees the names around its definition, not those around its call.
Result<Value> Interpreter::call_macro(const Callable& callable, const Arguments& arguments) {
  const Macro& macro = *callable.macro;
  const std::size_t count = macro.parameters.size();
  if (arguments.positional.size() > count) {
    return invalid_data("the macro '" + macro.name + "' takes at most " + std::to_string(count) +
                        " arguments");
  }
  Scope inner{callable.scope, {}};
  inner.names["caller"] = Value::undefined("there is no caller: the macro was not called by {% call %}");
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) {
    inner.names[macro.parameters[i]] = arguments.positional[i];
  }
  for (const auto& [name, value] : arguments.named) {
    const auto at = std::find(macro.parameters.begin(), macro.parameters.end(), name);
    if (name == "caller") {
      inner.names["caller"] = value;
    } else if (at == macro.parameters.end() || inner.names.contains(*at)) {
      return invalid_data("the macro '" + macro.name + "' does not take '" + name + "' here");
    } else {
      inner.names[*at] = value;
    }
  }
  const std::size_t first_default = count - macro.defaults.size();
  for (std::size_t i = 0; i < count; ++i) {
    if (inner.names.contains(macro.parameters[i])) continue;
    Value value = Value::undefined("parameter '" + macro.parameters[i] + "' was not provided");
    if (i >= first_default) {
      CAIRN_ASSIGN_OR_RETURN(value, evaluate(*macro.defaults[i - first_default], inner));
    }
    inner.names[macro.parameters[i]] = std::move(value);
  }
  const Value* outer_text = std::exchange(block_text_, nullptr);
  Result<std::string> text = capture(macro.body, inner);
  block_text_ = outer_text;
  if (!text.ok()) return text.status();
  return Value::string(std::move(text).value());
}

}  // namespace cairn::jinja
