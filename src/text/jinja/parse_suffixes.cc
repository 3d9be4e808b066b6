// What may follow a value: .name [item] (call) |filter `is test`.
#include "text/jinja/parser_internal.h"

namespace cairn::jinja {

Result<ExprPtr> Parser::parse_postfix(ExprPtr subject) {
  while (true) {
    if (is_operator(".") || is_operator("[")) {
      CAIRN_ASSIGN_OR_RETURN(subject, parse_subscript(std::move(subject)));
    } else if (is_operator("(")) {
      CAIRN_ASSIGN_OR_RETURN(subject, parse_call(std::move(subject)));
    } else {
      return subject;
    }
  }
}

Result<ExprPtr> Parser::parse_filters_and_tests(ExprPtr subject) {
  while (true) {
    if (skip_operator("|")) {
      CAIRN_ASSIGN_OR_RETURN(subject, parse_filter(std::move(subject)));
    } else if (skip_name("is")) {
      CAIRN_ASSIGN_OR_RETURN(subject, parse_test(std::move(subject)));
    } else if (is_operator("(")) {
      CAIRN_ASSIGN_OR_RETURN(subject, parse_call(std::move(subject)));
    } else {
      return subject;
    }
  }
}

Result<ExprPtr> Parser::parse_subscript(ExprPtr subject) {
  const int at = line();
  if (skip_operator(".")) {
    if (current().kind == TokenKind::kInteger) {
      CAIRN_ASSIGN_OR_RETURN(ExprPtr index, parse_constant());
      return node(ExprKind::kItem, at, "", std::move(subject), std::move(index));
    }
    CAIRN_ASSIGN_OR_RETURN(std::string name, expect_name("a name or a number after '.'"));
    return node(ExprKind::kAttribute, at, std::move(name), std::move(subject));
  }
  advance();  // [
  ExprPtr parts[3];
  int colons = 0;
  while (!is_operator("]")) {
    if (colons < 2 && skip_operator(":")) {
      ++colons;
      continue;
    }
    if (parts[colons] != nullptr) return unexpected("']'");
    CAIRN_ASSIGN_OR_RETURN(parts[colons], parse_expression());
  }
  if (colons == 0 && parts[0] == nullptr) return unexpected("an index");
  advance();
  if (colons == 0) return node(ExprKind::kItem, at, "", std::move(subject), std::move(parts[0]));
  return node(ExprKind::kSlice, at, "", std::move(subject), std::move(parts[0]), std::move(parts[1]),
              std::move(parts[2]));
}

Result<std::string> Parser::expect_dotted_name(std::string_view what) {
  CAIRN_ASSIGN_OR_RETURN(std::string name, expect_name(what));
  while (skip_operator(".")) {
    CAIRN_ASSIGN_OR_RETURN(const std::string part, expect_name("a name after '.'"));
    name += "." + part;
  }
  return name;
}

Status Parser::parse_arguments(Expr* call) {
  CAIRN_RETURN_IF_ERROR(expect_operator("("));
  bool first = true;
  while (!is_operator(")")) {
    if (!first) CAIRN_RETURN_IF_ERROR(expect_operator(","));
    first = false;
    if (is_operator(")")) break;
    if (is_operator("*") || is_operator("**")) {
      return unsupported("arguments given as *list or **dict are not supported");
    }
    if (current().kind == TokenKind::kName && next().is_operator("=")) {
      call->names.push_back(current().text);
      advance();
      advance();
    } else if (!call->names.empty()) {
      return invalid_data("an argument without a name follows one with a name");
    }
    auto argument = parse_expression();
    if (!argument.ok()) return argument.status();
    call->children.push_back(std::move(argument).value());
  }
  advance();
  return {};
}

Result<ExprPtr> Parser::parse_call(ExprPtr subject) {
  Expr made = expr(ExprKind::kCall, line());
  made.children.push_back(std::move(subject));
  CAIRN_RETURN_IF_ERROR(parse_arguments(&made));
  return finish(std::move(made));
}

Result<ExprPtr> Parser::parse_filter(ExprPtr subject) {
  Expr made = expr(ExprKind::kFilter, line());
  CAIRN_ASSIGN_OR_RETURN(made.name, expect_dotted_name("the name of a filter"));
  made.children.push_back(std::move(subject));
  if (is_operator("(")) CAIRN_RETURN_IF_ERROR(parse_arguments(&made));
  return finish(std::move(made));
}

Result<ExprPtr> Parser::parse_filter_chain() {
  CAIRN_ASSIGN_OR_RETURN(ExprPtr chain, parse_filter(nullptr));
  while (skip_operator("|")) {
    CAIRN_ASSIGN_OR_RETURN(chain, parse_filter(std::move(chain)));
  }
  return chain;
}

Result<ExprPtr> Parser::parse_test(ExprPtr subject) {
  const int at = line();
  const bool negated = skip_name("not");
  Expr made = expr(ExprKind::kTest, at);
  CAIRN_ASSIGN_OR_RETURN(made.name, expect_dotted_name("the name of a test"));
  made.children.push_back(std::move(subject));
  const TokenKind kind = current().kind;
  const bool has_bare_argument =
      (kind == TokenKind::kName && !is_name("else") && !is_name("or") && !is_name("and")) ||
      kind == TokenKind::kString || kind == TokenKind::kInteger || kind == TokenKind::kFloat ||
      is_operator("[") || is_operator("{");
  if (is_operator("(")) {
    CAIRN_RETURN_IF_ERROR(parse_arguments(&made));
  } else if (is_name("is")) {
    return invalid_data("tests with 'is' cannot be chained");
  } else if (has_bare_argument) {
    CAIRN_ASSIGN_OR_RETURN(ExprPtr argument, parse_primary());
    CAIRN_ASSIGN_OR_RETURN(argument, parse_postfix(std::move(argument)));
    made.children.push_back(std::move(argument));
  }
  CAIRN_ASSIGN_OR_RETURN(ExprPtr test, finish(std::move(made)));
  if (!negated) return test;
  return node(ExprKind::kNot, at, "", std::move(test));
}

}  // namespace cairn::jinja
