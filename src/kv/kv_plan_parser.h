// KvPlan::Parser: reads the grammar of kv/kv_plan.h, one function a rule of the grammar. For
// kv_plan_parser.cc, kv_plan_retention.cc and kv_plan_json.cc only.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kv/geometry.h"
#include "kv/kv_plan.h"

namespace cairn {

// A text longer than this is no plan; so no plan has more rules than can be resolved in a moment.
inline constexpr size_t kKvPlanBytesMax = 16384;

[[nodiscard]] bool is_kv_retention_word(std::string_view word);

// How many positions a window and sinks may have.
struct KvRetentionLimits {
  int64_t least;
  int64_t most;
  [[nodiscard]] bool allow(int64_t count) const { return count >= least && count <= most; }
  // "a number of positions from 1 to 256"
  [[nodiscard]] std::string text() const;
};
inline constexpr KvRetentionLimits kKvWindowLimits{
    1, KvGeometry::kMaxPositions};                                           // none that keeps all is longer
inline constexpr KvRetentionLimits kKvSinkLimits{0, Visibility::kMaxSinks};  // 0: no sinks

class KvPlan::Parser {
 public:
  // `where`: what the text is ("KV plan"); errors begin with it. Both must outlive the parser.
  Parser(std::string_view text, std::string_view where) : text_(text), where_(where) {}

  // Each reads the whole text.
  Result<std::vector<Rule>> whole_plan();
  Result<Rule> whole_selector();   // a rule without codecs: "all", "rest", "0-3,-1"
  Result<Choices> whole_codecs();  // of keys and values: "int8", "k=int8,v=int4"
  Result<Choice> whole_codec();    // of one side: "int4:channel"

 private:
  // A codec as it is written.
  struct CodecWords {
    KvFormat format = KvFormat::kF16;
    std::optional<KvAxis> axis;
    KvTransform transform = KvTransform::kNone;
    [[nodiscard]] Choice choice() const;
  };
  // A retention as it is written.
  struct RetentionWords {
    std::optional<int64_t> sinks;
    std::optional<int64_t> window;
    // Which words may still follow: "\"sinks=\" or \"window=\""; empty where both stand there.
    [[nodiscard]] std::string_view missing() const;
  };

  Result<Rule> rule();
  Status what(Rule& rule);  // reads its codecs and retention
  Result<std::vector<Range>> ranges();
  Result<Range> range();
  Result<int64_t> layer();
  Result<Choices> codecs();
  Result<Choice> codec();
  Status add_word(CodecWords& codec);
  Result<Choice> side(std::string_view name);
  Result<Visibility> retention();
  Status add_word(RetentionWords& retention);
  Result<int64_t> positions(const KvRetentionLimits& limits);
  // Errors unless nothing is left; `allowed`: what might have stood there instead of the end.
  Status end(std::string_view allowed);

  void skip_spaces();
  // The word (letters, digits, _) that stands next; empty where none does. It stays.
  std::string_view peek_word();
  [[nodiscard]] bool word_ends_with(char c);  // whether `c` follows the next word
  bool take(char c);
  // What stands at `at`: a word or a character in quotes, or "the end".
  [[nodiscard]] std::string found(size_t at) const;
  [[nodiscard]] Status error(size_t at, std::string_view message) const;

  std::string_view text_;
  std::string_view where_;
  size_t at_ = 0;
  std::string_view rule_end_ = "";  // what, behind the last rule, may stand instead of another or the end
};

}  // namespace cairn
