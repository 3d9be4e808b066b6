// PatternSyntax: a regular expression as a tree, and its parser. For text/grammar/pattern.cc.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "text/grammar/json_text.h"

namespace cairn::grammar {

struct PatternNode {
  enum class Kind : uint8_t {
    kClass,         // one of `ranges`
    kSequence,      // the children, one after the other
    kAlternatives,  // one of the children
    kRepeat,        // the one child, from `least` to `most` times
  };
  Kind kind = Kind::kSequence;
  CodeRanges ranges = {};  // in order, none overlaps
  std::vector<PatternNode> children = {};
  int64_t least = 0;
  std::optional<int64_t> most = {};
};

// One of a pattern's outermost alternatives.
struct PatternBranch {
  bool from_start = false;  // it has ^
  bool to_end = false;      // it has $
  PatternNode node;
};

Result<std::vector<PatternBranch>> parse_pattern(std::string_view pattern);

}  // namespace cairn::grammar
