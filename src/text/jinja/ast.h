// The syntax tree of a template. Immutable once parsed; its depth is bounded by the parser, so that
// walking and freeing it may recurse.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "text/jinja/value.h"

namespace cairn::jinja {

struct Expr;
using ExprPtr = std::unique_ptr<const Expr>;

enum class ExprKind {
  kConstant,
  kName,
  kList,
  kTuple,
  kDict,       // children: key, value, key, value ...
  kAttribute,  // child.name
  kItem,       // child[child]
  kSlice,      // child[child:child:child], the last three may be null
  kCall,       // child(arguments)
  kFilter,     // child | name(arguments); the child is null in a filter block
  kTest,       // child is name(arguments)
  kNot,
  kNegate,
  kPositive,
  kAnd,
  kOr,
  kBinary,       // name is the operator
  kConcat,       // a ~ b ~ c
  kCompare,      // child < child <= child ...; names are the operators
  kConditional,  // child if child else child; the last may be null
};

struct Expr {
  ExprKind kind = ExprKind::kConstant;
  int line = 1;
  int depth = 1;
  std::string name;
  Value constant;
  std::vector<ExprPtr> children;   // of calls, filters and tests: the subject, then the arguments
  std::vector<std::string> names;  // of those: names of the last names.size() arguments
};

struct Statement;
using Body = std::vector<Statement>;

struct Target {  // of an assignment
  std::vector<std::string> names;
  bool is_tuple = false;
  std::string attribute;  // of `set ns.x`: names holds ns
};

struct Text {
  std::string text;
};
struct Output {
  ExprPtr value;
};
struct Set {
  Target target;
  ExprPtr value;               // of a set block: a filter chain whose innermost subject is null, or null
  std::unique_ptr<Body> body;  // of a set block
};
struct If {
  std::vector<std::pair<ExprPtr, Body>> branches;
  Body otherwise;
};
struct For {
  Target target;
  ExprPtr items;
  ExprPtr filter;  // for x in items if filter; may be null
  Body body;
  Body otherwise;
  bool is_recursive = false;  // loop(items) in its body runs it again
};
struct Macro {
  std::string name;
  std::vector<std::string> parameters;
  std::vector<ExprPtr> defaults;  // of the last defaults.size() parameters
  Body body;
};
struct CallBlock {  // {% call(x) f() %}...{% endcall %}: f sees the body as the function `caller`
  ExprPtr call;
  Macro caller;
};
struct FilterBlock {
  ExprPtr filter;
  Body body;
};
struct With {  // also a block that only opens a scope
  std::vector<std::pair<Target, ExprPtr>> assignments;
  Body body;
};
struct Break {};
struct Continue {};

struct Statement {
  int line = 1;
  std::variant<Text, Output, Set, If, For, Macro, CallBlock, FilterBlock, With, Break, Continue> what;
};

}  // namespace cairn::jinja
