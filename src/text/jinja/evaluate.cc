#include <algorithm>

#include "text/jinja/filters.h"
#include "text/jinja/globals.h"
#include "text/jinja/interpreter_internal.h"
#include "text/jinja/methods.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"
#include "text/jinja/subscript.h"

namespace cairn::jinja {

const Value* Scope::find(std::string_view name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->parent) {
    const auto at = scope->names.find(name);
    if (at != scope->names.end()) return &at->second;
  }
  return nullptr;
}

Result<Value> Interpreter::evaluate(const Expr& expr, Scope& scope) {
  const DepthGuard guard(budget_);
  const int line_before = std::exchange(line_, expr.line);
  CAIRN_RETURN_IF_ERROR(guard.status());
  CAIRN_RETURN_IF_ERROR(budget_.spend(1));
  Result<Value> value = evaluate_node(expr, scope);
  if (value.ok()) line_ = line_before;  // else it names the line that failed
  return value;
}

Result<Value> Interpreter::evaluate_node(const Expr& expr, Scope& scope) {
  switch (expr.kind) {
    case ExprKind::kConstant: return expr.constant;
    case ExprKind::kName: return evaluate_name(expr, scope);
    case ExprKind::kList:
    case ExprKind::kTuple:
    case ExprKind::kDict: return evaluate_collection(expr, scope);
    case ExprKind::kSlice: return evaluate_slice(expr, scope);
    case ExprKind::kCall: return evaluate_call(expr, scope);
    case ExprKind::kFilter: return evaluate_filter(expr, scope);
    case ExprKind::kTest: return evaluate_test(expr, scope);
    case ExprKind::kCompare: return evaluate_compare(expr, scope);
    case ExprKind::kConcat: return evaluate_concat(expr, scope);
    default: break;
  }
  const bool conditional = expr.kind == ExprKind::kConditional;
  CAIRN_ASSIGN_OR_RETURN(const Value first, evaluate(*expr.children[conditional ? 1 : 0], scope));
  switch (expr.kind) {
    case ExprKind::kConditional:
      if (first.truth()) return evaluate(*expr.children[0], scope);
      if (expr.children[2] != nullptr) return evaluate(*expr.children[2], scope);
      return Value::undefined("the condition of an inline 'if' without 'else' is false");
    case ExprKind::kAttribute: return get_attribute(first, expr.name);
    case ExprKind::kNot: return Value::boolean(!first.truth());
    case ExprKind::kNegate: return negate(first);
    case ExprKind::kPositive: return binary(budget_, "+", Value::integer(0), first);
    case ExprKind::kAnd: return first.truth() ? evaluate(*expr.children[1], scope) : first;
    case ExprKind::kOr: return first.truth() ? first : evaluate(*expr.children[1], scope);
    default: break;
  }
  CAIRN_ASSIGN_OR_RETURN(const Value second, evaluate(*expr.children[1], scope));
  if (expr.kind == ExprKind::kItem) return get_item(budget_, first, second);
  return binary(budget_, expr.name, first, second);
}

Result<Value> Interpreter::evaluate_name(const Expr& expr, const Scope& scope) const {
  if (const Value* value = scope.find(expr.name)) return *value;
  if (is_unsupported_global(expr.name)) return unsupported("'" + expr.name + "' is not supported");
  return find_global(expr.name, now_);
}

Result<Value> Interpreter::evaluate_collection(const Expr& expr, Scope& scope) {
  CAIRN_RETURN_IF_ERROR(budget_.allocate((expr.children.size() + 1) * 2 * sizeof(Value)));
  Items items;
  for (const ExprPtr& child : expr.children) {
    CAIRN_ASSIGN_OR_RETURN(Value item, evaluate(*child, scope));
    items.push_back(std::move(item));
  }
  if (expr.kind == ExprKind::kList) return Value::sequence(SequenceKind::kList, std::move(items));
  if (expr.kind == ExprKind::kTuple) return Value::sequence(SequenceKind::kTuple, std::move(items));
  std::vector<std::pair<Value, Value>> entries;
  for (std::size_t i = 0; i + 1 < items.size(); i += 2) {
    entries.emplace_back(std::move(items[i]), std::move(items[i + 1]));
  }
  return Value::dict(std::move(entries));
}

Result<Value> Interpreter::evaluate_slice(const Expr& expr, Scope& scope) {
  CAIRN_ASSIGN_OR_RETURN(const Value subject, evaluate(*expr.children[0], scope));
  Value bounds[3] = {Value::none(), Value::none(), Value::none()};
  for (std::size_t i = 0; i < 3; ++i) {
    if (expr.children[i + 1] == nullptr) continue;
    CAIRN_ASSIGN_OR_RETURN(bounds[i], evaluate(*expr.children[i + 1], scope));
  }
  return get_slice(budget_, subject, bounds[0], bounds[1], bounds[2]);
}

Result<Arguments> Interpreter::evaluate_arguments(const Expr& expr, Scope& scope) {
  Arguments arguments;
  const std::size_t count = expr.children.size();
  const std::size_t first_named = count - expr.names.size();
  for (std::size_t i = 1; i < count; ++i) {
    CAIRN_ASSIGN_OR_RETURN(Value value, evaluate(*expr.children[i], scope));
    if (i < first_named) {
      arguments.positional.push_back(std::move(value));
    } else {
      arguments.named.emplace_back(expr.names[i - first_named], std::move(value));
    }
  }
  return arguments;
}

Result<Value> Interpreter::evaluate_call(const Expr& expr, Scope& scope) {
  CAIRN_ASSIGN_OR_RETURN(const Value callee, evaluate(*expr.children[0], scope));
  CAIRN_ASSIGN_OR_RETURN(const Arguments arguments, evaluate_arguments(expr, scope));
  return call(callee, arguments);
}

Result<Value> Interpreter::call(const Value& callee, const Arguments& arguments) {
  CAIRN_RETURN_IF_ERROR(check_defined(callee));
  if (const LoopState* loop = callee.as_loop()) return call_loop(*loop, arguments);
  const Callable* callable = callee.as_callable();
  if (callable == nullptr) {
    return invalid_data(std::string("a value of type ") + callee.type_name() + " cannot be called");
  }
  switch (callable->kind) {
    case Callable::Kind::kGlobal: return call_global(budget_, callable->name, arguments, now_);
    case Callable::Kind::kMethod: return call_method(budget_, callable->self, callable->name, arguments);
    case Callable::Kind::kMacro: return call_macro(*callable, arguments);
  }
  return internal_error("a function of unknown kind");
}

Result<Value> Interpreter::evaluate_filter(const Expr& expr, Scope& scope) {
  Value subject;
  if (expr.children[0] != nullptr) {
    CAIRN_ASSIGN_OR_RETURN(subject, evaluate(*expr.children[0], scope));
  } else if (block_text_ != nullptr) {
    subject = *block_text_;
  }
  CAIRN_ASSIGN_OR_RETURN(const Arguments arguments, evaluate_arguments(expr, scope));
  return apply_filter(budget_, expr.name, subject, arguments);
}

Result<Value> Interpreter::filter_text(const Expr& chain, std::string text, Scope& scope) {
  const Value subject = Value::string(std::move(text));
  const Value* outer = std::exchange(block_text_, &subject);
  Result<Value> filtered = evaluate(chain, scope);
  block_text_ = outer;
  return filtered;
}

Result<Value> Interpreter::evaluate_test(const Expr& expr, Scope& scope) {
  CAIRN_ASSIGN_OR_RETURN(const Value subject, evaluate(*expr.children[0], scope));
  CAIRN_ASSIGN_OR_RETURN(const Arguments arguments, evaluate_arguments(expr, scope));
  CAIRN_ASSIGN_OR_RETURN(const bool holds, apply_test(budget_, expr.name, subject, arguments));
  return Value::boolean(holds);
}

Result<Value> Interpreter::evaluate_compare(const Expr& expr, Scope& scope) {
  CAIRN_ASSIGN_OR_RETURN(Value left, evaluate(*expr.children[0], scope));
  for (std::size_t i = 0; i < expr.names.size(); ++i) {
    CAIRN_ASSIGN_OR_RETURN(Value right, evaluate(*expr.children[i + 1], scope));
    CAIRN_ASSIGN_OR_RETURN(const bool holds, compare(budget_, expr.names[i], left, right));
    if (!holds) return Value::boolean(false);
    left = std::move(right);
  }
  return Value::boolean(true);
}

Result<Value> Interpreter::evaluate_concat(const Expr& expr, Scope& scope) {
  Items parts;
  for (const ExprPtr& child : expr.children) {
    CAIRN_ASSIGN_OR_RETURN(Value part, evaluate(*child, scope));
    parts.push_back(std::move(part));
  }
  return join_texts(budget_, "", parts);
}

}  // namespace cairn::jinja
