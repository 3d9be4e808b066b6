// Normalizer: what a tokenizer does to plain text before cutting it into words; steps in order.
#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cairn/status.h"
#include "text/tokenizer/regex.h"
#include "text/tokenizer/unicode.h"

namespace cairn {

struct PrependStep {
  std::string text;  // put before every text that is not empty
};
struct ReplaceStep {
  std::variant<std::string, Regex> pattern;
  std::string content;
};
struct FormStep {
  NormalForm form;
};
struct LowercaseStep {};
struct StripStep {
  bool left, right;  // white space
};
struct CollapseSpacesStep {};  // no space at either end, one between words (SentencePiece's option)

using NormalizeStep =
    std::variant<PrependStep, ReplaceStep, FormStep, LowercaseStep, StripStep, CollapseSpacesStep>;

class Normalizer {
 public:
  Normalizer() = default;
  explicit Normalizer(std::vector<NormalizeStep> steps) : steps_(std::move(steps)) {}
  [[nodiscard]] bool empty() const { return steps_.empty(); }
  [[nodiscard]] Result<std::string> apply(std::string_view valid_utf8) const;

 private:
  std::vector<NormalizeStep> steps_;
};

}  // namespace cairn
