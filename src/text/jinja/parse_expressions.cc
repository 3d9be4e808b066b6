#include <algorithm>

#include "text/jinja/parser_internal.h"

namespace cairn::jinja {

Expr Parser::expr(ExprKind kind, int line, std::string name) {
  Expr made;
  made.kind = kind;
  made.line = line;
  made.name = std::move(name);
  return made;
}

Result<ExprPtr> Parser::finish(Expr made) {
  for (const ExprPtr& child : made.children) {
    if (child != nullptr) made.depth = std::max(made.depth, child->depth + 1);
  }
  if (made.depth > kMaxExpressionDepth) return resource_exhausted("an expression is too long or too deep");
  return ExprPtr(std::make_unique<const Expr>(std::move(made)));
}

Result<ExprPtr> Parser::parse_tuple(Conditional conditional, Parentheses parentheses) {
  Expr tuple = expr(ExprKind::kTuple, line());
  bool is_tuple = false;
  while (!is_operator(")") && current().kind != TokenKind::kVariableEnd &&
         current().kind != TokenKind::kBlockEnd) {
    CAIRN_ASSIGN_OR_RETURN(ExprPtr item,
                           conditional == Conditional::kAllowed ? parse_expression() : parse_or());
    tuple.children.push_back(std::move(item));
    if (!skip_operator(",")) break;
    is_tuple = true;
  }
  if (!is_tuple && !tuple.children.empty()) return std::move(tuple.children[0]);
  if (!is_tuple && parentheses == Parentheses::kNo) return unexpected("an expression");
  return finish(std::move(tuple));
}

Result<ExprPtr> Parser::parse_expression() {
  Nesting nesting(this);
  CAIRN_RETURN_IF_ERROR(nesting.status());
  const int start = line();
  CAIRN_ASSIGN_OR_RETURN(ExprPtr value, parse_or());
  while (skip_name("if")) {
    CAIRN_ASSIGN_OR_RETURN(ExprPtr condition, parse_or());
    ExprPtr otherwise;
    if (skip_name("else")) {
      CAIRN_ASSIGN_OR_RETURN(otherwise, parse_expression());
    }
    CAIRN_ASSIGN_OR_RETURN(value, node(ExprKind::kConditional, start, "", std::move(value),
                                       std::move(condition), std::move(otherwise)));
  }
  return value;
}

Result<ExprPtr> Parser::parse_or() {
  CAIRN_ASSIGN_OR_RETURN(ExprPtr left, parse_and());
  while (is_name("or")) {
    const int at = line();
    advance();
    CAIRN_ASSIGN_OR_RETURN(ExprPtr right, parse_and());
    CAIRN_ASSIGN_OR_RETURN(left, node(ExprKind::kOr, at, "", std::move(left), std::move(right)));
  }
  return left;
}

Result<ExprPtr> Parser::parse_and() {
  CAIRN_ASSIGN_OR_RETURN(ExprPtr left, parse_not());
  while (is_name("and")) {
    const int at = line();
    advance();
    CAIRN_ASSIGN_OR_RETURN(ExprPtr right, parse_not());
    CAIRN_ASSIGN_OR_RETURN(left, node(ExprKind::kAnd, at, "", std::move(left), std::move(right)));
  }
  return left;
}

Result<ExprPtr> Parser::parse_not() {
  if (!is_name("not")) return parse_compare();
  Nesting nesting(this);
  CAIRN_RETURN_IF_ERROR(nesting.status());
  const int at = line();
  advance();
  CAIRN_ASSIGN_OR_RETURN(ExprPtr value, parse_not());
  return node(ExprKind::kNot, at, "", std::move(value));
}

Result<ExprPtr> Parser::parse_compare() {
  static constexpr std::string_view kOperators[] = {"==", "!=", "<", "<=", ">", ">="};
  Expr made = expr(ExprKind::kCompare, line());
  CAIRN_ASSIGN_OR_RETURN(ExprPtr first, parse_sum());
  made.children.push_back(std::move(first));
  while (true) {
    if (std::any_of(std::begin(kOperators), std::end(kOperators),
                    [&](std::string_view spelling) { return is_operator(spelling); })) {
      made.names.push_back(current().text);
      advance();
    } else if (skip_name("in")) {
      made.names.emplace_back("in");
    } else if (is_name("not") && next().is_name("in")) {
      advance();
      advance();
      made.names.emplace_back("not in");
    } else {
      break;
    }
    CAIRN_ASSIGN_OR_RETURN(ExprPtr right, parse_sum());
    made.children.push_back(std::move(right));
  }
  if (made.names.empty()) return std::move(made.children[0]);
  return finish(std::move(made));
}

Result<ExprPtr> Parser::parse_left_to_right(Level level, std::initializer_list<std::string_view> operators) {
  CAIRN_ASSIGN_OR_RETURN(ExprPtr left, (this->*level)());
  while (std::any_of(operators.begin(), operators.end(),
                     [&](std::string_view spelling) { return is_operator(spelling); })) {
    const int at = line();
    const std::string spelling = current().text;
    advance();
    CAIRN_ASSIGN_OR_RETURN(ExprPtr right, (this->*level)());
    CAIRN_ASSIGN_OR_RETURN(left, node(ExprKind::kBinary, at, spelling, std::move(left), std::move(right)));
  }
  return left;
}

Result<ExprPtr> Parser::parse_sum() { return parse_left_to_right(&Parser::parse_concat, {"+", "-"}); }

Result<ExprPtr> Parser::parse_concat() {
  Expr made = expr(ExprKind::kConcat, line());
  do {
    CAIRN_ASSIGN_OR_RETURN(ExprPtr part, parse_product());
    made.children.push_back(std::move(part));
  } while (skip_operator("~"));
  if (made.children.size() == 1) return std::move(made.children[0]);
  return finish(std::move(made));
}

Result<ExprPtr> Parser::parse_product() {
  return parse_left_to_right(&Parser::parse_power, {"*", "/", "//", "%"});
}

Result<ExprPtr> Parser::parse_power() {
  CAIRN_ASSIGN_OR_RETURN(ExprPtr left, parse_unary(Suffixes::kFilters));
  while (is_operator("**")) {
    const int at = line();
    advance();
    CAIRN_ASSIGN_OR_RETURN(ExprPtr right, parse_unary(Suffixes::kFilters));
    CAIRN_ASSIGN_OR_RETURN(left, node(ExprKind::kBinary, at, "**", std::move(left), std::move(right)));
  }
  return left;
}

Result<ExprPtr> Parser::parse_unary(Suffixes suffixes) {
  Nesting nesting(this);
  CAIRN_RETURN_IF_ERROR(nesting.status());
  ExprPtr value;
  const int at = line();
  if (is_operator("-") || is_operator("+")) {
    const ExprKind kind = is_operator("-") ? ExprKind::kNegate : ExprKind::kPositive;
    advance();
    CAIRN_ASSIGN_OR_RETURN(ExprPtr operand, parse_unary(Suffixes::kNone));
    CAIRN_ASSIGN_OR_RETURN(value, node(kind, at, "", std::move(operand)));
  } else {
    CAIRN_ASSIGN_OR_RETURN(value, parse_primary());
  }
  CAIRN_ASSIGN_OR_RETURN(value, parse_postfix(std::move(value)));
  if (suffixes == Suffixes::kNone) return value;
  return parse_filters_and_tests(std::move(value));
}

Result<ExprPtr> Parser::parse_primary() {
  if (skip_operator("(")) {
    CAIRN_ASSIGN_OR_RETURN(ExprPtr value, parse_tuple(Conditional::kAllowed, Parentheses::kYes));
    CAIRN_RETURN_IF_ERROR(expect_operator(")"));
    return value;
  }
  if (is_operator("[")) return parse_list();
  if (is_operator("{")) return parse_dict();
  return parse_constant();
}

Result<ExprPtr> Parser::parse_constant() {
  const Token token = current();
  Expr made = expr(ExprKind::kConstant, token.line);
  switch (token.kind) {
    case TokenKind::kName:
      if (token.text == "true" || token.text == "True") {
        made.constant = Value::boolean(true);
      } else if (token.text == "false" || token.text == "False") {
        made.constant = Value::boolean(false);
      } else if (token.text == "none" || token.text == "None") {
        made.constant = Value::none();
      } else {
        CAIRN_RETURN_IF_ERROR(check_macro_name(token.text));
        made.kind = ExprKind::kName;
        made.name = token.text;
      }
      break;
    case TokenKind::kString: {
      std::string text = token.text;
      for (; next().kind == TokenKind::kString; advance()) text += next().text;
      made.constant = Value::string(std::move(text));
      break;
    }
    case TokenKind::kInteger: made.constant = Value::integer(token.integer); break;
    case TokenKind::kFloat: made.constant = Value::real(token.real); break;
    default: return unexpected("an expression");
  }
  advance();
  return finish(std::move(made));
}

Result<ExprPtr> Parser::parse_list() {
  Expr made = expr(ExprKind::kList, line());
  advance();
  while (!is_operator("]")) {
    if (!made.children.empty()) CAIRN_RETURN_IF_ERROR(expect_operator(","));
    if (is_operator("]")) break;
    CAIRN_ASSIGN_OR_RETURN(ExprPtr item, parse_expression());
    made.children.push_back(std::move(item));
  }
  advance();
  return finish(std::move(made));
}

Result<ExprPtr> Parser::parse_dict() {
  Expr made = expr(ExprKind::kDict, line());
  advance();
  while (!is_operator("}")) {
    if (!made.children.empty()) CAIRN_RETURN_IF_ERROR(expect_operator(","));
    if (is_operator("}")) break;
    CAIRN_ASSIGN_OR_RETURN(ExprPtr key, parse_expression());
    CAIRN_RETURN_IF_ERROR(expect_operator(":"));
    CAIRN_ASSIGN_OR_RETURN(ExprPtr value, parse_expression());
    made.children.push_back(std::move(key));
    made.children.push_back(std::move(value));
  }
  advance();
  return finish(std::move(made));
}

}  // namespace cairn::jinja
