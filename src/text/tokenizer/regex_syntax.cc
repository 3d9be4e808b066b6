#include "text/tokenizer/regex_syntax.h"

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/printable.h"

namespace cairn {
namespace {

constexpr int kMaxClassDepth = 16;  // of classes inside classes; real patterns have two

// An escape as a class that stands alone, and inside another one. PCRE2's own \s also matches U+180E, and its \w
// leaves out marks.
struct Escape {
  char letter;
  std::string_view alone;
  std::string_view inside;  // empty: it must stand alone
};
constexpr std::array<Escape, 6> kEscapes{{
    {'s', R"(\p{White_Space})", R"(\p{White_Space})"},
    {'S', R"(\P{White_Space})", R"(\P{White_Space})"},
    {'w', R"([\p{L}\p{M}\p{N}\p{Pc}])", R"(\p{L}\p{M}\p{N}\p{Pc})"},
    {'W', R"([^\p{L}\p{M}\p{N}\p{Pc}])", ""},
    {'h', "[0-9a-fA-F]", "0-9a-fA-F"},
    {'H', "[^0-9a-fA-F]", ""},
}};

constexpr std::string_view kWordBoundary =
    R"((?:(?<=[\p{L}\p{M}\p{N}\p{Pc}])(?![\p{L}\p{M}\p{N}\p{Pc}])|(?<![\p{L}\p{M}\p{N}\p{Pc}])(?=[\p{L}\p{M}\p{N}\p{Pc}])))";
constexpr std::string_view kNoWordBoundary =
    R"((?:(?<=[\p{L}\p{M}\p{N}\p{Pc}])(?=[\p{L}\p{M}\p{N}\p{Pc}])|(?<![\p{L}\p{M}\p{N}\p{Pc}])(?![\p{L}\p{M}\p{N}\p{Pc}])))";

const Escape* find_escape(char letter) {
  const auto* const found = std::ranges::find(kEscapes, letter, &Escape::letter);
  return found == kEscapes.end() ? nullptr : found;
}

// What stands between two && of a class: plain items, and classes that cannot be written among them.
struct Operand {
  std::string items;
  std::vector<std::string> classes;

  [[nodiscard]] std::string text() const {
    std::string out = items.empty() ? "" : "[" + items + "]";
    for (const std::string& one : classes) out += (out.empty() ? "" : "|") + one;
    if (out.empty()) return "(?!)";  // nothing
    return classes.size() + (items.empty() ? 0 : 1) > 1 ? "(?:" + out + ")" : out;
  }
};

class Translator {
 public:
  explicit Translator(std::string_view pattern) : pattern_(pattern) {}

  Result<std::string> translate() {
    std::string out;
    while (at_ < pattern_.size()) {
      if (pattern_[at_] == '[') {
        CAIRN_ASSIGN_OR_RETURN(const std::string one, read_class(0));
        out += one;
      } else if (pattern_[at_] == '\\' && at_ + 1 < pattern_.size()) {
        out += read_escape();
      } else {
        out += pattern_[at_++];
      }
    }
    return out;
  }

 private:
  [[nodiscard]] bool next_is(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }

  Status unfinished() const {
    return invalid_data("the tokenizer's pattern \"" + printable(pattern_, 300) +
                        "\" has a class [...] that does not end");
  }

  // \uHHHH, which PCRE2 writes \x{HHHH}; else the escape as it is.
  std::string plain_escape() {
    std::string text(pattern_.substr(at_, 2));
    at_ += 2;
    if (text[1] != 'u' || at_ + 4 > pattern_.size()) return text;
    const std::string_view digits = pattern_.substr(at_, 4);
    if (digits.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) return text;
    at_ += 4;
    return "\\x{" + std::string(digits) + "}";
  }

  std::string read_escape() {
    const char letter = pattern_[at_ + 1];
    const Escape* escape = find_escape(letter);
    if (escape == nullptr && letter != 'b' && letter != 'B') return plain_escape();
    at_ += 2;
    if (letter == 'b') return std::string(kWordBoundary);
    if (letter == 'B') return std::string(kNoWordBoundary);
    return std::string(escape->alone);
  }

  void read_escape_in_class(Operand& operand) {
    const Escape* escape = find_escape(pattern_[at_ + 1]);
    if (escape == nullptr) {
      operand.items += plain_escape();
      return;
    }
    at_ += 2;
    if (escape->inside.empty()) {
      operand.classes.emplace_back(escape->alone);
    } else {
      operand.items += escape->inside;
    }
  }

  // Everything up to the ] or && that ends the operand.
  Result<Operand> read_operand(int depth) {
    Operand operand;
    while (at_ < pattern_.size() && pattern_[at_] != ']' && !next_is("&&")) {
      if (next_is("[:")) {
        const size_t end = pattern_.find(":]", at_);
        if (end == std::string_view::npos) return unfinished();
        operand.items += pattern_.substr(at_, end + 2 - at_);
        at_ = end + 2;
      } else if (pattern_[at_] == '[') {
        CAIRN_ASSIGN_OR_RETURN(std::string inner, read_class(depth + 1));
        operand.classes.push_back(std::move(inner));
      } else if (pattern_[at_] == '\\' && at_ + 1 < pattern_.size()) {
        read_escape_in_class(operand);
      } else {
        // What stood before them may be kept elsewhere: in first place they would be more than characters.
        if (next_is("^") || next_is(":")) operand.items += '\\';
        operand.items += pattern_[at_++];
      }
    }
    if (at_ == pattern_.size()) return unfinished();
    return operand;
  }

  // The class that begins here, as something that matches one character.
  Result<std::string> read_class(int depth) {
    if (depth > kMaxClassDepth) return invalid_data("the tokenizer's pattern nests its classes too deeply");
    ++at_;
    const bool negated = next_is("^");
    if (negated) ++at_;
    std::string leading;
    if (next_is("]")) {  // in first place it is a character
      leading = "\\]";
      ++at_;
    }
    std::vector<Operand> operands;
    while (true) {
      CAIRN_ASSIGN_OR_RETURN(Operand operand, read_operand(depth));
      if (operands.empty()) operand.items.insert(0, leading);
      operands.push_back(std::move(operand));
      if (!next_is("&&")) break;
      at_ += 2;
    }
    ++at_;
    if (operands.size() == 1 && operands[0].classes.empty()) {
      return (negated ? "[^" : "[") + operands[0].items + "]";
    }
    std::string all;
    for (size_t i = 0; i + 1 < operands.size(); ++i) all += "(?=" + operands[i].text() + ")";
    all += operands.back().text();
    return negated ? "(?:(?!" + all + ")(?s:.))" : "(?:" + all + ")";
  }

  std::string_view pattern_;
  size_t at_ = 0;
};

}  // namespace

Result<std::string> translate_pattern(std::string_view pattern) { return Translator(pattern).translate(); }

}  // namespace cairn
