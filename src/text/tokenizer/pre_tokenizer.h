// PreTokenizer: cuts normalized text into the words that a segmenter handles one by one. Each step works on
// the words of the step before.
#pragma once

#include <deque>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cairn/status.h"
#include "text/tokenizer/regex.h"

namespace cairn {

// What happens to a match of the pattern and to the text between matches.
enum class SplitBehavior { kRemoved, kIsolated, kMergedWithPrevious, kMergedWithNext, kContiguous };

struct SplitStep {
  std::variant<std::string, Regex> pattern;
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;  // the gaps count as matches, and the matches as gaps
};
struct DigitsStep {
  bool individual;  // each digit a word; else each run of digits
};
struct PrefixSpaceStep {};  // a space before every word that has none
enum class PrependScheme { kFirst, kAlways, kNever };
struct MetaspaceStep {
  std::string replacement;  // for the space, usually U+2581
  PrependScheme scheme = PrependScheme::kAlways;
  bool split = true;  // a new word at each replacement
};

using PreTokenizeStep = std::variant<SplitStep, DigitsStep, PrefixSpaceStep, MetaspaceStep>;

struct Word {
  std::string_view text;
  bool at_start;  // the first word of the whole text
};

// The words of one text, and the texts that steps created.
struct Words {
  std::vector<Word> words;
  std::deque<std::string> made;
};

class PreTokenizer {
 public:
  PreTokenizer() = default;
  explicit PreTokenizer(std::vector<PreTokenizeStep> steps) : steps_(std::move(steps)) {}
  // Replaces `words` by their parts, none of them empty. Views point into `words.made` or the old
  // texts.
  Status apply(Words& words) const;

 private:
  std::vector<PreTokenizeStep> steps_;
};

}  // namespace cairn
