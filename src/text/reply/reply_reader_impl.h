// The inside of ReplyReader: text (reply_reader.cc), calls (reply_calls.cc), harmony's headers (reply_harmony.cc).
//
// Offsets count the bytes of all that was pushed. In order: emitted_ <= text_end_ <= scan_. Every decision depends on the
// bytes before scan_ and on a mark that stands there, never on where a piece ended: a step that needs more bytes waits.
// For these files only.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/reply/json_scan.h"
#include "text/reply/reply_reader.h"

namespace cairn {

inline bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

struct ReplyReader::Impl {
 public:
  Impl(const ReplyFormat& format, ReplyReaderOptions options);

  std::vector<ReplyPart> push(std::string_view text);
  std::vector<ReplyPart> flush(ReplyEnding ending);
  [[nodiscard]] bool is_mark(std::string_view name) const;

 private:
  enum class State : uint8_t {
    kText,         // of text_kind_
    kCallOpening,  // behind a call's mark, at what the call is
    kCallName,     // NAME[ARGS]
    kCallObject,
    kAfterCall,  // at a closing mark, or a further call of a list
    kHeader      // of a message of harmony's
  };
  enum class Meaning : uint8_t { kOpensReasoning, kClosesReasoning, kOpensCall, kEndsMessage, kInHeader };
  enum class Step : uint8_t { kGoOn, kWait };  // kWait: for more bytes, or for ever at the end
  struct Mark {
    std::string_view text;
    Meaning meaning;
  };
  struct Found {
    std::optional<Mark> mark;  // that stands there
    bool maybe = false;        // one may come to stand there
    bool maybe_call = false;   // one that opens a call
  };
  enum class ObjectIs : uint8_t { kWholeCall, kArguments };
  struct Call {
    size_t from = 0;        // where content begins if this is no call
    size_t mark_begin = 0;  // of what makes it one
    size_t blanks_begin = 0;
    ObjectIs object_is = ObjectIs::kWholeCall;
    bool is_bare = false;
    size_t object_begin = 0;
    JsonScan scan;
    size_t key_begin = 0;
    std::string key;
    size_t value_begin = 0;
    std::optional<std::string> name;
    std::optional<std::pair<size_t, size_t>> arguments;  // [begin, end); end is 0 while they go on
    bool has_begun = false;                              // kCallBegin was let out
    size_t let_out = 0;                                  // the end of the arguments that were
  };

  // Text.
  void run();
  Step step();
  Step scan_text();
  void take_mark(const Mark& mark);
  void start_text(ReplyPartKind kind);
  void find_marks();
  [[nodiscard]] Found mark_at(size_t offset) const;
  void emit_text();
  void emit(ReplyPartKind kind, std::string text, size_t begin, size_t end);
  void drop_emitted();
  [[nodiscard]] size_t end() const { return base_ + held_.size(); }
  [[nodiscard]] char at(size_t offset) const { return held_[offset - base_]; }
  [[nodiscard]] std::string_view slice(size_t begin, size_t end) const {
    return std::string_view(held_).substr(begin - base_, end - begin);
  }
  // Whether `text` stands at the offset; absent: the bytes so far say neither.
  [[nodiscard]] std::optional<bool> stands_at(size_t offset, std::string_view text) const;

  // Calls.
  void open_call(size_t from, size_t mark_begin);
  Step read_opening();
  Step read_name();
  void begin_object(size_t at, ObjectIs is);
  Step read_object();
  [[nodiscard]] bool take_step(JsonStep step, size_t at);
  [[nodiscard]] bool take_key(size_t at);
  [[nodiscard]] bool take_value_begin(size_t at);
  [[nodiscard]] bool take_value_end(size_t at);
  [[nodiscard]] bool is_tool(std::string_view name) const;
  void let_arguments_out(size_t up_to);
  [[nodiscard]] bool finish_call();
  [[nodiscard]] std::optional<std::string> whole_arguments() const;
  Step fail_call();
  Step end_call();
  Step read_after_call();

  // Harmony.
  void open_header(size_t begin);
  Step read_header();
  Step leave_header();
  void take_header(std::string_view header, size_t begin);

  ReplyFormat format_;
  ReplyReaderOptions options_;
  std::vector<ReplyPart> parts_;
  std::string held_;
  size_t base_ = 0;  // offset of held_'s first byte
  size_t emitted_ = 0;
  size_t text_end_ = 0;  // of the text that is certain: what follows it are blanks
  size_t scan_ = 0;
  bool is_final_ = false;
  bool is_cut_ = false;

  State state_ = State::kText;
  ReplyPartKind text_kind_ = ReplyPartKind::kContent;
  bool trims_blanks_ = false;  // at a text's beginning
  bool has_text_ = false;      // since the reply, the text or the last call began
  std::vector<Mark> marks_;    // that count in this text
  Call call_;
  bool in_list_ = false;
  size_t header_begin_ = 0;
  bool is_header_ = false;  // what stands at header_begin_ is certainly one
};

}  // namespace cairn
