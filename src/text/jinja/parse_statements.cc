#include <algorithm>

#include "text/jinja/lexer.h"
#include "text/jinja/parser_internal.h"

namespace cairn::jinja {

Result<Body> parse(std::string_view source) {
  if (source.size() > kMaxSourceBytes) return resource_exhausted("the chat template is over a megabyte long");
  CAIRN_ASSIGN_OR_RETURN(std::vector<Token> tokens, tokenize(source));
  Parser parser(std::move(tokens));
  Result<Body> body = parser.parse_template();
  if (!body.ok()) return at_line(parser.line(), body.status());
  return body;
}

Status Parser::Nesting::status() const {
  if (parser_->nesting_ <= kMaxNesting) return {};
  return resource_exhausted("blocks or brackets are nested more than " + std::to_string(kMaxNesting) +
                            " deep");
}

bool Parser::skip_operator(std::string_view spelling) {
  const bool is = is_operator(spelling);
  if (is) advance();
  return is;
}

bool Parser::skip_name(std::string_view name) {
  const bool is = is_name(name);
  if (is) advance();
  return is;
}

Status Parser::unexpected(std::string_view wanted) const {
  const Token& token = current();
  std::string found = "'" + token.text + "'";
  if (token.kind == TokenKind::kEnd) found = "the end of the template";
  if (token.kind == TokenKind::kVariableEnd) found = "'}}'";
  if (token.kind == TokenKind::kBlockEnd) found = "'%}'";
  return invalid_data("expected " + std::string(wanted) + ", found " + found);
}

Status Parser::expect_operator(std::string_view spelling) {
  if (skip_operator(spelling)) return {};
  return unexpected("'" + std::string(spelling) + "'");
}

Status Parser::expect(TokenKind kind, std::string_view what) {
  if (current().kind != kind) return unexpected(what);
  advance();
  return {};
}

Result<std::string> Parser::expect_name(std::string_view what) {
  if (current().kind != TokenKind::kName) return unexpected(what);
  std::string name = current().text;
  advance();
  return name;
}

Result<Body> Parser::parse_template() { return parse_body({}); }

Result<Body> Parser::parse_body(std::initializer_list<std::string_view> ends) {
  Nesting nesting(this);
  CAIRN_RETURN_IF_ERROR(nesting.status());
  Body body;
  while (current().kind != TokenKind::kEnd) {
    const int at = line();
    if (current().kind == TokenKind::kData) {
      body.push_back({at, Text{current().text}});
      advance();
    } else if (current().kind == TokenKind::kVariableBegin) {
      advance();
      CAIRN_ASSIGN_OR_RETURN(ExprPtr value, parse_tuple(Conditional::kAllowed, Parentheses::kNo));
      CAIRN_RETURN_IF_ERROR(expect(TokenKind::kVariableEnd, "'}}'"));
      body.push_back({at, Output{std::move(value)}});
    } else {
      CAIRN_RETURN_IF_ERROR(expect(TokenKind::kBlockBegin, "'{%'"));
      if (std::any_of(ends.begin(), ends.end(), [&](std::string_view end) { return is_name(end); })) {
        return body;
      }
      CAIRN_ASSIGN_OR_RETURN(Statement statement, parse_statement());
      CAIRN_RETURN_IF_ERROR(expect(TokenKind::kBlockEnd, "'%}'"));
      body.push_back(std::move(statement));
    }
  }
  if (ends.size() != 0)
    return invalid_data("a block is not closed: {% " + std::string(*(ends.end() - 1)) + " %} is missing");
  return body;
}

Result<Body> Parser::parse_block_body(std::string_view end) {
  CAIRN_RETURN_IF_ERROR(expect(TokenKind::kBlockEnd, "'%}'"));
  CAIRN_ASSIGN_OR_RETURN(Body body, parse_body({end}));
  advance();  // the end's name
  return body;
}

Result<Statement> Parser::parse_statement() {
  const int at = line();
  CAIRN_ASSIGN_OR_RETURN(const std::string name, expect_name("the name of a block"));
  if (name == "if") return parse_if();
  if (name == "for") return parse_for();
  if (name == "set") return parse_set();
  if (name == "macro") return parse_macro();
  if (name == "call") return parse_call_block();
  if (name == "filter") return parse_filter_block();
  if (name == "with") return parse_with();
  if (name == "generation") return parse_generation();
  if (name == "break" || name == "continue") {
    if (loops_ == 0) return invalid_data("'" + name + "' is outside a loop");
    return name == "break" ? Statement{at, Break{}} : Statement{at, Continue{}};
  }
  if (name.starts_with("end") || name == "else" || name == "elif") {
    return invalid_data("{% " + name + " %} closes no open block");
  }
  return unsupported("the block {% " + name + " %} is not supported");
}

Result<Statement> Parser::parse_if() {
  Statement statement{line(), If{}};
  If made;
  std::string word;
  do {
    CAIRN_ASSIGN_OR_RETURN(ExprPtr condition, parse_tuple(Conditional::kNot, Parentheses::kNo));
    CAIRN_RETURN_IF_ERROR(expect(TokenKind::kBlockEnd, "'%}'"));
    CAIRN_ASSIGN_OR_RETURN(Body body, parse_body({"elif", "else", "endif"}));
    made.branches.emplace_back(std::move(condition), std::move(body));
    word = current().text;
    advance();
  } while (word == "elif");
  if (word == "else") {
    CAIRN_ASSIGN_OR_RETURN(made.otherwise, parse_block_body("endif"));
  }
  statement.what = std::move(made);
  return statement;
}

Result<Target> Parser::parse_target() {
  Target target;
  const bool parenthesized = skip_operator("(");
  do {
    if (target.is_tuple && current().kind != TokenKind::kName) break;  // a trailing comma
    if (is_operator("(")) return unsupported("tuples inside the target of an assignment are not supported");
    CAIRN_ASSIGN_OR_RETURN(std::string name, expect_name("a name to assign to"));
    static constexpr std::string_view kReserved[] = {"true", "false", "none", "True", "False", "None"};
    if (std::find(std::begin(kReserved), std::end(kReserved), name) != std::end(kReserved)) {
      return invalid_data("'" + name + "' cannot be assigned to");
    }
    target.names.push_back(std::move(name));
    target.is_tuple = target.is_tuple || is_operator(",");
  } while (skip_operator(",") && !is_name("in"));
  if (parenthesized) CAIRN_RETURN_IF_ERROR(expect_operator(")"));
  return target;
}

Result<Statement> Parser::parse_for() {
  Statement statement{line(), For{}};
  For made;
  CAIRN_ASSIGN_OR_RETURN(made.target, parse_target());
  if (!skip_name("in")) return unexpected("'in'");
  CAIRN_ASSIGN_OR_RETURN(made.items, parse_tuple(Conditional::kNot, Parentheses::kNo));
  if (skip_name("if")) {
    CAIRN_ASSIGN_OR_RETURN(made.filter, parse_expression());
  }
  made.is_recursive = skip_name("recursive");
  CAIRN_RETURN_IF_ERROR(expect(TokenKind::kBlockEnd, "'%}'"));
  ++loops_;
  CAIRN_ASSIGN_OR_RETURN(made.body, parse_body({"else", "endfor"}));
  --loops_;
  const bool has_else = is_name("else");
  advance();
  if (has_else) {
    CAIRN_ASSIGN_OR_RETURN(made.otherwise, parse_block_body("endfor"));
  }
  statement.what = std::move(made);
  return statement;
}

Result<Statement> Parser::parse_set() {
  Statement statement{line(), Set{}};
  Set made;
  if (current().kind == TokenKind::kName && next().is_operator(".")) {
    made.target.names.push_back(current().text);
    advance();
    advance();
    CAIRN_ASSIGN_OR_RETURN(made.target.attribute, expect_name("a name after '.'"));
  } else {
    CAIRN_ASSIGN_OR_RETURN(made.target, parse_target());
  }
  if (skip_operator("=")) {
    CAIRN_ASSIGN_OR_RETURN(made.value, parse_tuple(Conditional::kAllowed, Parentheses::kNo));
  } else {
    if (skip_operator("|")) {
      CAIRN_ASSIGN_OR_RETURN(made.value, parse_filter_chain());
    }
    CAIRN_ASSIGN_OR_RETURN(Body body, parse_block_body("endset"));
    made.body = std::make_unique<Body>(std::move(body));
  }
  statement.what = std::move(made);
  return statement;
}

Status Parser::parse_signature(Macro* macro) {
  CAIRN_RETURN_IF_ERROR(expect_operator("("));
  while (!is_operator(")")) {
    if (!macro->parameters.empty()) CAIRN_RETURN_IF_ERROR(expect_operator(","));
    auto name = expect_name("the name of a parameter");
    if (!name.ok()) return name.status();
    macro->parameters.push_back(std::move(name).value());
    if (skip_operator("=")) {
      auto value = parse_expression();
      if (!value.ok()) return value.status();
      macro->defaults.push_back(std::move(value).value());
    } else if (!macro->defaults.empty()) {
      return invalid_data("a parameter without a default follows one with a default");
    }
  }
  advance();
  return {};
}

Result<Body> Parser::parse_macro_body(const std::vector<std::string>& parameters, std::string_view end) {
  const int loops_outside = std::exchange(loops_, 0);
  macro_parameters_.push_back(&parameters);
  CAIRN_ASSIGN_OR_RETURN(Body body, parse_block_body(end));
  macro_parameters_.pop_back();
  loops_ = loops_outside;
  return body;
}

// What a macro was given beyond its parameters is dropped, so a template that asks for it is refused.
Status Parser::check_macro_name(const std::string& name) const {
  if ((name != "varargs" && name != "kwargs") || macro_parameters_.empty()) return {};
  const bool is_parameter = std::ranges::any_of(macro_parameters_, [&](const auto* parameters) {
    return std::ranges::find(*parameters, name) != parameters->end();
  });
  if (is_parameter) return {};
  return unsupported("'" + name + "', further arguments of a macro, is not supported");
}

Result<Statement> Parser::parse_macro() {
  Statement statement{line(), Macro{}};
  Macro made;
  CAIRN_ASSIGN_OR_RETURN(made.name, expect_name("the name of a macro"));
  CAIRN_RETURN_IF_ERROR(parse_signature(&made));
  CAIRN_ASSIGN_OR_RETURN(made.body, parse_macro_body(made.parameters, "endmacro"));
  statement.what = std::move(made);
  return statement;
}

Result<Statement> Parser::parse_call_block() {
  Statement statement{line(), CallBlock{}};
  CallBlock made;
  made.caller.name = "caller";
  if (is_operator("(")) CAIRN_RETURN_IF_ERROR(parse_signature(&made.caller));
  CAIRN_ASSIGN_OR_RETURN(made.call, parse_expression());
  if (made.call->kind != ExprKind::kCall)
    return invalid_data("{% call %} needs a call, as in {% call f() %}");
  CAIRN_ASSIGN_OR_RETURN(made.caller.body, parse_macro_body(made.caller.parameters, "endcall"));
  statement.what = std::move(made);
  return statement;
}

Result<Statement> Parser::parse_filter_block() {
  Statement statement{line(), FilterBlock{}};
  FilterBlock made;
  CAIRN_ASSIGN_OR_RETURN(made.filter, parse_filter_chain());
  CAIRN_ASSIGN_OR_RETURN(made.body, parse_block_body("endfilter"));
  statement.what = std::move(made);
  return statement;
}

Result<Statement> Parser::parse_with() {
  Statement statement{line(), With{}};
  With made;
  while (current().kind != TokenKind::kBlockEnd) {
    if (!made.assignments.empty()) CAIRN_RETURN_IF_ERROR(expect_operator(","));
    Target target;
    CAIRN_ASSIGN_OR_RETURN(std::string name, expect_name("a name to assign to"));
    target.names.push_back(std::move(name));
    CAIRN_RETURN_IF_ERROR(expect_operator("="));
    CAIRN_ASSIGN_OR_RETURN(ExprPtr value, parse_expression());
    made.assignments.emplace_back(std::move(target), std::move(value));
  }
  CAIRN_ASSIGN_OR_RETURN(made.body, parse_block_body("endwith"));
  statement.what = std::move(made);
  return statement;
}

// Marks, for training, what the assistant wrote; here it is just its body.
Result<Statement> Parser::parse_generation() {
  Statement statement{line(), With{}};
  With made;
  CAIRN_ASSIGN_OR_RETURN(made.body, parse_block_body("endgeneration"));
  statement.what = std::move(made);
  return statement;
}

}  // namespace cairn::jinja
