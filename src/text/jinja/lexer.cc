#include "text/jinja/lexer.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "text/jinja/text.h"

namespace cairn::jinja {

Status at_line(int line, const Status& status) {
  return {status.code(), "line " + std::to_string(line) + " of the chat template: " + status.message()};
}

namespace {

constexpr auto kNone = std::string_view::npos;

// Line ends become \n, and one at the very end of the template is dropped.
std::string normalize(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
      continue;
    }
    out += '\n';
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_name_start(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}
bool is_name_part(char c) { return is_name_start(c) || is_digit(c); }

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)), rest_(source_) {}

  Result<std::vector<Token>> run() {
    while (!rest_.empty()) {
      if (Status status = outside(); !status.ok()) return at_line(line_, status);
    }
    push(TokenKind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  // Text up to the next tag, and that tag.
  Status outside() {
    const std::size_t tag = find_tag();
    std::string_view text = rest_.substr(0, tag);
    if (tag == kNone) {
      push(TokenKind::kData, std::string(text));
      advance(text.size());
      return {};
    }
    const char kind = rest_[tag + 1];
    const char sign = tag + 2 < rest_.size() ? rest_[tag + 2] : ' ';
    push_text(control_whitespace(text, sign, kind));
    advance(tag + 2 + (sign == '-' || sign == '+' ? 1 : 0));
    if (kind == '#') return comment();
    if (kind == '{') {
      push(TokenKind::kVariableBegin, "");
      return inside(TokenKind::kVariableEnd, "}}");
    }
    if (const std::size_t length = match_raw_begin(); length != 0) return raw(length);
    push(TokenKind::kBlockBegin, "");
    return inside(TokenKind::kBlockEnd, "%}");
  }

  std::size_t find_tag() const {
    for (std::size_t at = rest_.find('{'); at != kNone && at + 1 < rest_.size();
         at = rest_.find('{', at + 1)) {
      const char next = rest_[at + 1];
      if (next == '{' || next == '%' || next == '#') return at;
    }
    return kNone;
  }

  std::string_view control_whitespace(std::string_view text, char sign, char tag_kind) const {
    if (sign == '-') return strip_space(text, Side::kRight);
    if (sign == '+' || tag_kind == '{') return text;
    const std::size_t newline = text.rfind('\n');
    const std::size_t line_start = newline == kNone ? 0 : newline + 1;
    if (line_start == 0 && !at_line_start_) return text;
    const std::string_view before_tag = text.substr(line_start);
    return strip_space(before_tag, Side::kLeft).empty() ? text.substr(0, line_start) : text;
  }

  Status comment() {
    const std::size_t end = rest_.find("#}");
    if (end == kNone) return invalid_data("a comment {# has no #}");
    const char sign = end > 0 ? rest_[end - 1] : ' ';
    advance(end + 2);
    after_tag(sign);
    return {};
  }

  // What may follow a closed block or comment: all space after '-', nothing after '+', else one newline.
  void after_tag(char sign) {
    if (sign == '-') {
      advance(rest_.size() - strip_space(rest_, Side::kLeft).size());
    } else if (sign != '+' && rest_.starts_with('\n')) {
      advance(1);
    }
  }

  // The length of "raw %}" at the front, 0 if it is something else.
  std::size_t match_raw_begin() const {
    std::string_view text = strip_space(rest_, Side::kLeft);
    if (!text.starts_with("raw")) return 0;
    text = strip_space(text.substr(3), Side::kLeft);
    if (text.starts_with("%}")) return rest_.size() - text.size() + 2;
    if (!text.starts_with("-%}")) return 0;
    return rest_.size() - strip_space(text.substr(3), Side::kLeft).size();
  }

  Status raw(std::size_t begin_length) {
    advance(begin_length);
    for (std::size_t at = rest_.find("{%"); at != kNone; at = rest_.find("{%", at + 1)) {
      std::string_view tag = rest_.substr(at + 2);
      const char begin_sign = tag.empty() ? ' ' : tag[0];
      if (begin_sign == '-' || begin_sign == '+') tag.remove_prefix(1);
      tag = strip_space(tag, Side::kLeft);
      if (!tag.starts_with("endraw")) continue;
      tag = strip_space(tag.substr(6), Side::kLeft);
      const char end_sign = tag.empty() ? ' ' : tag[0];
      if (end_sign == '-' || end_sign == '+') tag.remove_prefix(1);
      if (!tag.starts_with("%}")) continue;
      push_text(control_whitespace(rest_.substr(0, at), begin_sign, '%'));
      advance(rest_.size() - tag.size() + 2);
      after_tag(end_sign);
      return {};
    }
    return invalid_data("a block {% raw %} has no {% endraw %}");
  }

  // The tokens of a tag, through its end. An end inside brackets does not count: {{ {'a': {}} }}.
  Status inside(TokenKind end_kind, std::string_view end) {
    std::string open;  // the brackets that are still open
    while (true) {
      advance(rest_.size() - strip_space(rest_, Side::kLeft).size());
      if (rest_.empty()) return invalid_data("a tag is not closed with " + std::string(end));
      if (open.empty()) {
        const bool signed_end =
            rest_.substr(1).starts_with(end) && (rest_[0] == '-' || (rest_[0] == '+' && end == "%}"));
        if (signed_end || rest_.starts_with(end)) {
          push(end_kind, "");
          const char sign = signed_end ? rest_[0] : end == "}}" ? '+' : ' ';
          advance(end.size() + (signed_end ? 1 : 0));
          after_tag(sign);
          return {};
        }
      }
      CAIRN_RETURN_IF_ERROR(token(&open));
    }
  }

  Status token(std::string* open) {
    const char c = rest_[0];
    if (is_digit(c)) return number();
    if (c == '\'' || c == '"') return string();
    if (is_name_start(c)) {
      std::size_t length = 1;
      while (length < rest_.size() && is_name_part(rest_[length])) ++length;
      push(TokenKind::kName, std::string(rest_.substr(0, length)));
      advance(length);
      return {};
    }
    return operation(open);
  }

  Status operation(std::string* open) {
    static constexpr std::string_view kTwo[] = {"//", "**", "==", "!=", ">=", "<="};
    const bool is_two = std::any_of(std::begin(kTwo), std::end(kTwo),
                                    [&](std::string_view two) { return rest_.starts_with(two); });
    const std::string_view spelling = rest_.substr(0, is_two ? 2 : 1);
    if (!is_two && std::string_view("+-/*%~[](){}><=.:|,;").find(spelling) == kNone) {
      return invalid_data("the character '" + std::string(rest_.substr(0, first_character(rest_).bytes)) +
                          "' has no meaning in a tag");
    }
    const std::size_t opening = std::string_view("([{").find(spelling);
    if (opening != kNone) *open += ")]}"[opening];
    if (std::string_view(")]}").find(spelling) != kNone) {
      if (open->empty() || open->back() != spelling[0]) {
        return invalid_data("'" + std::string(spelling) + "' closes no open bracket");
      }
      open->pop_back();
    }
    push(TokenKind::kOperator, std::string(spelling));
    advance(spelling.size());
    return {};
  }

  Status string() {
    const char quote = rest_[0];
    std::size_t end = 1;
    while (end < rest_.size() && rest_[end] != quote) end += rest_[end] == '\\' ? 2 : 1;
    if (end >= rest_.size()) return invalid_data("a string is not closed");
    CAIRN_ASSIGN_OR_RETURN(std::string text, decode_escapes(rest_.substr(1, end - 1)));
    push(TokenKind::kString, std::move(text));
    advance(end + 1);
    return {};
  }

  // Digits, with single underscores between them, from `at` on; their end.
  std::size_t digits_end(std::size_t at) const {
    while (at < rest_.size() &&
           (is_digit(rest_[at]) || (rest_[at] == '_' && at + 1 < rest_.size() && is_digit(rest_[at + 1]) &&
                                    is_digit(rest_[at - 1])))) {
      ++at;
    }
    return at;
  }

  Status number() {
    const bool after_dot = !tokens_.empty() && tokens_.back().is_operator(".");  // of x.0, an index
    const std::size_t whole = digits_end(1);
    std::size_t end = whole;
    if (!after_dot && end + 1 < rest_.size() && rest_[end] == '.' && is_digit(rest_[end + 1])) {
      end = digits_end(end + 2);
    }
    if (!after_dot && end < rest_.size() && (rest_[end] == 'e' || rest_[end] == 'E')) {
      std::size_t digit = end + 1;
      if (digit < rest_.size() && (rest_[digit] == '+' || rest_[digit] == '-')) ++digit;
      if (digit < rest_.size() && is_digit(rest_[digit])) end = digits_end(digit + 1);
    }
    std::string spelling(rest_.substr(0, end));
    std::erase(spelling, '_');
    Token token{end == whole ? TokenKind::kInteger : TokenKind::kFloat, spelling, 0, 0, line_};
    const char* last = spelling.data() + spelling.size();
    if (end == whole) {
      const bool padded = spelling[0] == '0' && spelling.find_first_not_of('0') != std::string::npos;
      const char after = whole < rest_.size() ? rest_[whole] : ' ';
      if (padded || (spelling == "0" && std::string_view("xXoObB").find(after) != kNone)) {
        return unsupported("write integers in decimal and without leading zeros, not as in " +
                           std::string(rest_.substr(0, 8)));
      }
      if (std::from_chars(spelling.data(), last, token.integer).ec != std::errc()) {
        return unsupported("the integer " + spelling + " does not fit into 64 bits");
      }
    } else {
      token.real = std::strtod(spelling.c_str(), nullptr);
    }
    tokens_.push_back(std::move(token));
    advance(end);
    return {};
  }

  void push(TokenKind kind, std::string text) { tokens_.push_back({kind, std::move(text), 0, 0, line_}); }
  void push_text(std::string_view text) {
    if (!text.empty()) push(TokenKind::kData, std::string(text));
  }

  void advance(std::size_t bytes) {
    const std::string_view passed = rest_.substr(0, bytes);
    line_ += static_cast<int>(std::count(passed.begin(), passed.end(), '\n'));
    if (!passed.empty()) at_line_start_ = passed.back() == '\n';
    rest_.remove_prefix(bytes);
  }

  std::string source_;
  std::string_view rest_;
  int line_ = 1;
  bool at_line_start_ = true;  // the character before rest_ ends a line
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view source) { return Lexer(normalize(source)).run(); }

}  // namespace cairn::jinja
