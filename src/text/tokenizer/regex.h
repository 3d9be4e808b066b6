// Regex: the patterns by which tokenizers split text, with the meaning they have in the tokenizers' own
// engine (Oniguruma; text/tokenizer/regex_syntax.h): ^ and $ match at line ends.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "cairn/status.h"

namespace cairn {

struct RegexMatch {
  size_t begin;
  size_t end;
};

class Regex {
 public:
  static Result<Regex> compile(std::string_view pattern);

  // Searches texts, on one thread.
  class Matcher {
   public:
    explicit Matcher(const Regex& regex);
    ~Matcher();
    Matcher(const Matcher&) = delete;
    Matcher& operator=(const Matcher&) = delete;
    // The first match that is not empty at or after `from`. kUnsupported: the match limit is exceeded.
    Result<std::optional<RegexMatch>> find(std::string_view valid_utf8, size_t from);

   private:
    struct State;
    std::unique_ptr<State> state_;
  };

 private:
  struct Code;
  explicit Regex(std::shared_ptr<const Code> code) : code_(std::move(code)) {}
  std::shared_ptr<const Code> code_;
};

}  // namespace cairn
