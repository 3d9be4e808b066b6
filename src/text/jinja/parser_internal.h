// The parser's own class, in two files: expressions, and statements. For parser code only.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "text/jinja/ast.h"
#include "text/jinja/parser.h"
#include "text/jinja/token.h"

namespace cairn::jinja {

class Parser {
 public:
  explicit Parser(std::vector<Token> tokens) : tokens_(std::move(tokens)) {}

  Result<Body> parse_template();
  [[nodiscard]] int line() const { return current().line; }

 private:
  // Statements (parse_statements.cc). A body ends at a block that starts with one of `ends`, whose name
  // is then the current token.
  Result<Body> parse_body(std::initializer_list<std::string_view> ends);
  Result<Body> parse_block_body(std::string_view end);  // through {% end %}
  Result<Statement> parse_statement();
  Result<Statement> parse_if();
  Result<Statement> parse_for();
  Result<Statement> parse_set();
  Result<Statement> parse_macro();
  Result<Statement> parse_call_block();
  Result<Statement> parse_filter_block();
  Result<Statement> parse_with();
  Result<Statement> parse_generation();
  Status parse_signature(Macro* macro);
  Result<Body> parse_macro_body(const std::vector<std::string>& parameters, std::string_view end);
  [[nodiscard]] Status check_macro_name(const std::string& name) const;
  Result<Target> parse_target();

  // Expressions (parse_expressions.cc), from the loosest binding to the tightest.
  enum class Conditional { kAllowed, kNot };
  enum class Suffixes { kFilters, kNone };
  enum class Parentheses { kYes, kNo };
  Result<ExprPtr> parse_tuple(Conditional conditional, Parentheses parentheses);
  Result<ExprPtr> parse_expression();
  Result<ExprPtr> parse_or();
  Result<ExprPtr> parse_and();
  Result<ExprPtr> parse_not();
  Result<ExprPtr> parse_compare();
  Result<ExprPtr> parse_sum();
  Result<ExprPtr> parse_concat();
  Result<ExprPtr> parse_product();
  Result<ExprPtr> parse_power();
  Result<ExprPtr> parse_unary(Suffixes suffixes);
  Result<ExprPtr> parse_primary();
  Result<ExprPtr> parse_constant();
  Result<ExprPtr> parse_list();
  Result<ExprPtr> parse_dict();
  Result<ExprPtr> parse_postfix(ExprPtr subject);
  Result<ExprPtr> parse_filters_and_tests(ExprPtr subject);
  Result<ExprPtr> parse_subscript(ExprPtr subject);
  Result<ExprPtr> parse_call(ExprPtr subject);
  Result<ExprPtr> parse_filter(ExprPtr subject);  // at its name
  Result<ExprPtr> parse_test(ExprPtr subject);    // after `is`
  Result<ExprPtr> parse_filter_chain();           // of blocks: a filter with no subject, then more
  Status parse_arguments(Expr* call);
  using Level = Result<ExprPtr> (Parser::*)();
  Result<ExprPtr> parse_left_to_right(Level level, std::initializer_list<std::string_view> operators);

  static Expr expr(ExprKind kind, int line, std::string name = {});
  // Sets the depth, which is where too deep a tree is refused.
  static Result<ExprPtr> finish(Expr expr);
  template <typename... Children>
  static Result<ExprPtr> node(ExprKind kind, int line, std::string name, Children... children) {
    Expr made = expr(kind, line, std::move(name));
    (made.children.push_back(std::move(children)), ...);
    return finish(std::move(made));
  }

  [[nodiscard]] const Token& current() const { return tokens_[at_]; }
  [[nodiscard]] const Token& next() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  [[nodiscard]] bool is_operator(std::string_view spelling) const { return current().is_operator(spelling); }
  [[nodiscard]] bool is_name(std::string_view name) const { return current().is_name(name); }
  void advance() {
    if (at_ + 1 < tokens_.size()) ++at_;
  }
  bool skip_operator(std::string_view spelling);
  bool skip_name(std::string_view name);
  Status expect_operator(std::string_view spelling);
  Status expect(TokenKind kind, std::string_view what);
  Result<std::string> expect_name(std::string_view what);
  Result<std::string> expect_dotted_name(std::string_view what);
  [[nodiscard]] Status unexpected(std::string_view wanted) const;

  // One level of nesting, for as long as it lives.
  class Nesting {
   public:
    explicit Nesting(Parser* parser) : parser_(parser) { ++parser_->nesting_; }
    ~Nesting() { --parser_->nesting_; }
    Nesting(const Nesting&) = delete;
    Nesting& operator=(const Nesting&) = delete;
    [[nodiscard]] Status status() const;

   private:
    Parser* parser_;
  };

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int nesting_ = 0;
  int loops_ = 0;                                                  // that a break here would be in
  std::vector<const std::vector<std::string>*> macro_parameters_;  // of the macros around
};

}  // namespace cairn::jinja
