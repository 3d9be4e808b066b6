#include "text/grammar/pattern_syntax.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/utf8.h"
#include "text/grammar/limits.h"

namespace cairn::grammar {
namespace {

constexpr uint32_t kLastCodePoint = 0x10FFFF;

void tidy(CodeRanges& ranges) {
  std::ranges::sort(ranges);
  CodeRanges merged;
  for (const auto& range : ranges) {
    if (!merged.empty() && range.first <= merged.back().second + 1) {
      merged.back().second = std::max(merged.back().second, range.second);
    } else {
      merged.push_back(range);
    }
  }
  ranges = std::move(merged);
}

CodeRanges opposite(CodeRanges ranges) {
  tidy(ranges);
  CodeRanges others;
  uint32_t next = 0;
  for (const auto& [first, last] : ranges) {
    if (first > next) others.emplace_back(next, first - 1);
    next = last + 1;
  }
  if (next <= kLastCodePoint) others.emplace_back(next, kLastCodePoint);
  return others;
}

// \d, \w, \s as ECMA-262 has them; nullopt: no class of characters.
std::optional<CodeRanges> named_class(uint32_t letter) {
  switch (letter) {
    case 'd': return CodeRanges{{'0', '9'}};
    case 'w': return CodeRanges{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    case 's':
      return CodeRanges{{9, 13},          {' ', ' '},       {0xA0, 0xA0},     {0x1680, 0x1680},
                        {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F},
                        {0x3000, 0x3000}, {0xFEFF, 0xFEFF}};
    case 'D': return opposite(*named_class('d'));
    case 'W': return opposite(*named_class('w'));
    case 'S': return opposite(*named_class('s'));
    default: return std::nullopt;
  }
}

class Parser {
 public:
  explicit Parser(std::string_view pattern) : pattern_(pattern) {}

  Result<std::vector<PatternBranch>> parse() {
    std::vector<PatternBranch> branches;
    do {
      PatternBranch branch;
      branch.from_start = skip('^');
      CAIRN_ASSIGN_OR_RETURN(branch.node, sequence(0));
      branch.to_end = skip('$');
      branches.push_back(std::move(branch));
    } while (skip('|'));
    if (at_ < pattern_.size())
      return refuse(pattern_[at_] == ')' ? "a ) without its (" : "a $ before the end");
    return branches;
  }

 private:
  [[nodiscard]] bool done() const { return at_ >= pattern_.size(); }
  [[nodiscard]] bool sees(char c) const { return !done() && pattern_[at_] == c; }
  bool skip(char c) {
    if (!sees(c)) return false;
    ++at_;
    return true;
  }
  Status refuse(const std::string& what) const {
    return invalid_argument("the pattern has " + what + " (at byte " + std::to_string(at_) +
                            "), which is not supported");
  }
  uint32_t next_code() {
    const uint32_t code = utf8_at(pattern_, at_);
    at_ += utf8_length(pattern_[at_]);
    return code;
  }

  Result<PatternNode> alternatives(int nesting) {
    PatternNode node{.kind = PatternNode::Kind::kAlternatives};
    do {
      CAIRN_ASSIGN_OR_RETURN(PatternNode child, sequence(nesting));
      node.children.push_back(std::move(child));
    } while (skip('|'));
    return node;
  }

  Result<PatternNode> sequence(int nesting) {
    if (nesting > kPatternNestingMax)
      return refuse("more than " + std::to_string(kPatternNestingMax) + " groups in each other");
    PatternNode node;
    while (!done() && !sees('|') && !sees(')') && !sees('$')) {
      CAIRN_ASSIGN_OR_RETURN(PatternNode child, atom(nesting));
      CAIRN_ASSIGN_OR_RETURN(child, repeated(std::move(child)));
      node.children.push_back(std::move(child));
    }
    return node;
  }

  Result<PatternNode> atom(int nesting) {
    if (sees('*') || sees('+') || sees('?')) return refuse("a repetition of nothing");
    if (sees('^')) return refuse("a ^ behind the beginning");
    if (skip('(')) return group(nesting);
    if (skip('[')) return bracket();
    if (skip('.'))
      return PatternNode{.kind = PatternNode::Kind::kClass,
                         .ranges = opposite({{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}})};
    if (skip('\\')) {
      CAIRN_ASSIGN_OR_RETURN(CodeRanges ranges, escape());
      return PatternNode{.kind = PatternNode::Kind::kClass, .ranges = std::move(ranges)};
    }
    const uint32_t code = next_code();
    return PatternNode{.kind = PatternNode::Kind::kClass, .ranges = {{code, code}}};
  }

  Result<PatternNode> group(int nesting) {
    if (skip('?') && !skip(':')) return refuse("a group that looks ahead or back, or has a name");
    CAIRN_ASSIGN_OR_RETURN(PatternNode node, alternatives(nesting + 1));
    if (sees('$')) return refuse("a $ in a group");
    if (!skip(')')) return refuse("a ( without its )");
    return node;
  }

  Result<PatternNode> repeated(PatternNode child) {
    PatternNode node{.kind = PatternNode::Kind::kRepeat};
    if (skip('*')) {
    } else if (skip('+')) {
      node.least = 1;
    } else if (skip('?')) {
      node.most = 1;
    } else if (sees('{') && at_ + 1 < pattern_.size() && pattern_[at_ + 1] >= '0' &&
               pattern_[at_ + 1] <= '9') {
      CAIRN_RETURN_IF_ERROR(counts(node));
    } else {
      return child;
    }
    skip('?');  // the lazy form finds the same texts
    if (sees('*') || sees('+') || sees('?')) return refuse("a repetition of a repetition");
    node.children.push_back(std::move(child));
    return node;
  }

  Status counts(PatternNode& node) {
    ++at_;
    CAIRN_ASSIGN_OR_RETURN(node.least, count());
    node.most = node.least;
    if (skip(',')) {
      node.most.reset();
      if (!sees('}')) {
        CAIRN_ASSIGN_OR_RETURN(node.most, count());
      }
    }
    if (!skip('}')) return refuse("a { without its }");
    if (node.most.has_value() && *node.most < node.least)
      return refuse("a repetition of fewer than its least");
    return {};
  }

  Result<int64_t> count() {
    if (done() || pattern_[at_] < '0' || pattern_[at_] > '9') return refuse("a { } without a number");
    int64_t number = 0;
    while (!done() && pattern_[at_] >= '0' && pattern_[at_] <= '9' && number <= kRepeatMax) {
      number = number * 10 + (pattern_[at_++] - '0');
    }
    if (number > kRepeatMax) return refuse("a repetition of more than " + std::to_string(kRepeatMax));
    return number;
  }

  Result<uint32_t> hex(int digits) {
    uint32_t code = 0;
    for (int i = 0; i < digits; ++i, ++at_) {
      const char c = done() ? 'x' : pattern_[at_];
      const bool is_digit = c >= '0' && c <= '9';
      const char lower = static_cast<char>(c | 0x20);
      if (!is_digit && (lower < 'a' || lower > 'f')) return refuse("an escape with too few digits");
      code = code * 16 + static_cast<uint32_t>(is_digit ? c - '0' : lower - 'a' + 10);
    }
    return code;
  }

  // Behind a backslash.
  Result<CodeRanges> escape() {
    if (done()) return refuse("a \\ at its end");
    const uint32_t code = next_code();
    if (auto ranges = named_class(code)) return *std::move(ranges);
    uint32_t one = code;
    switch (code) {
      case 'n': one = '\n'; break;
      case 'r': one = '\r'; break;
      case 't': one = '\t'; break;
      case 'f': one = '\f'; break;
      case 'v': one = '\v'; break;
      case '0': one = 0; break;
      case 'x': {
        CAIRN_ASSIGN_OR_RETURN(one, hex(2));
        break;
      }
      case 'u': {
        CAIRN_ASSIGN_OR_RETURN(one, hex(4));
        break;
      }
      default:
        if ((code >= '1' && code <= '9') || (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z')) {
          return refuse(std::string("the escape \\") + static_cast<char>(code));
        }
    }
    return CodeRanges{{one, one}};
  }

  // Behind a [.
  Result<PatternNode> bracket() {
    const bool is_opposite = skip('^');
    PatternNode node{.kind = PatternNode::Kind::kClass};
    while (!done() && !sees(']')) {
      CAIRN_ASSIGN_OR_RETURN(CodeRanges first, class_part());
      const bool is_one = first.size() == 1 && first[0].first == first[0].second;
      if (is_one && sees('-') && at_ + 1 < pattern_.size() && pattern_[at_ + 1] != ']') {
        ++at_;
        CAIRN_ASSIGN_OR_RETURN(const CodeRanges last, class_part());
        if (last.size() != 1 || last[0].first != last[0].second || last[0].first < first[0].first) {
          return refuse("a range in [ ] that ends before it begins");
        }
        first[0].second = last[0].first;
      }
      node.ranges.insert(node.ranges.end(), first.begin(), first.end());
    }
    if (!skip(']')) return refuse("a [ without its ]");
    tidy(node.ranges);
    if (is_opposite) node.ranges = opposite(std::move(node.ranges));
    if (node.ranges.empty()) return refuse("a [ ] that no character fits");
    return node;
  }

  Result<CodeRanges> class_part() {
    if (skip('\\')) {
      if (skip('b')) return CodeRanges{{'\b', '\b'}};
      if (skip('-')) return CodeRanges{{'-', '-'}};
      return escape();
    }
    const uint32_t code = next_code();
    return CodeRanges{{code, code}};
  }

  std::string_view pattern_;
  size_t at_ = 0;
};

}  // namespace

Result<std::vector<PatternBranch>> parse_pattern(std::string_view pattern) {
  if (pattern.size() > kPatternBytesMax) {
    return invalid_argument("the pattern is longer than " + std::to_string(kPatternBytesMax) + " bytes");
  }
  if (find_invalid_utf8(pattern).has_value()) return invalid_argument("the pattern is not UTF-8");
  return Parser(pattern).parse();
}

}  // namespace cairn::grammar
