// ReplyReader: a model's reply, as it comes, taken apart into content, reasoning and tool calls.
//
// What to feed: the reply's text in order, with the marks that are special tokens in it. A StreamDecoder hides those;
// ReplyDecoder (text/reply/reply_decoder.h) makes the right text of token ids. Who has the text from elsewhere calls
// push_special with a special token's name where it stands; one that is no mark of the format is dropped.
//
// Always true: the parts of a reply, with neighbours of one kind joined, do not depend on how it was cut into pieces. No
// part of a mark is let out before it is certain that it is none; what only resembles a mark, and a call that is
// malformed, comes out unchanged as content; a call that was still being written when the reply was cut off does not. White space between a mark and what it marks is left out. Time is linear
// in the reply, memory is bounded (kMostHeld).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/reply/chat_prompt.h"
#include "text/reply/reply_format.h"

namespace cairn {

enum class ReplyPartKind : uint8_t {
  kContent,        // text
  kReasoning,      // text
  kCallBegin,      // text: the function's name
  kCallArguments,  // text: a piece of the JSON object
  kCallEnd         // no text: the arguments are complete
};

struct ReplyPart {
  ReplyPartKind kind = ReplyPartKind::kContent;
  std::string text;
  // The bytes [begin, end) of all that was pushed, marks included, that it was made of.
  size_t begin = 0, end = 0;

  friend bool operator==(const ReplyPart&, const ReplyPart&) = default;
};

// When a call is reported.
enum class CallDelivery : uint8_t {
  kWhole,  // once it is complete and well-formed: begin, the arguments in one piece, end
  // From where its name and the first byte of its arguments are known. One that turns out to be malformed has no
  // kCallEnd: what was let out remains, and the rest comes as content.
  kAsItComes
};

// How a reply ended.
enum class ReplyEnding : uint8_t {
  kByItself,  // the model ended it: what it left open it meant so
  kCut,       // in the middle of anything: by a limit or a stop string
};

struct ReplyReaderOptions {
  ReplyBeginning begins = ReplyBeginning::kStart;  // ReplyPrompt::reply_begins
  // The names of the functions that may be called; empty: nothing is a call. A bare call (CallForm::kBare) is one only
  // if its name is among these; one between marks may have any.
  std::vector<std::string> tools;
  CallDelivery delivery = CallDelivery::kWhole;
};

class ReplyReader {
 public:
  // A call whose object is longer is content; so are white space and headers beyond theirs.
  static constexpr size_t kMostHeld = size_t{1} << 20;

  ReplyReader(const ReplyFormat& format, ReplyReaderOptions options);
  ~ReplyReader();
  ReplyReader(ReplyReader&&) noexcept;
  ReplyReader& operator=(ReplyReader&&) noexcept;

  [[nodiscard]] std::vector<ReplyPart> push(std::string_view text);
  [[nodiscard]] std::vector<ReplyPart> push_special(std::string_view name);
  // The reply ended. A call that is complete but for its closing mark is one. Another becomes content (kWhole), but
  // is left out where the reply was cut. The reader takes nothing after this.
  [[nodiscard]] std::vector<ReplyPart> flush(ReplyEnding ending = ReplyEnding::kByItself);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A whole reply, joined.
struct ReadReply {
  std::string content, reasoning;
  std::vector<ToolCall> calls;  // without ids

  friend bool operator==(const ReadReply&, const ReadReply&) = default;
};
// Adds parts to it, in order.
void add_parts(ReadReply& reply, std::vector<ReplyPart> parts);
[[nodiscard]] ReadReply read_reply(const ReplyFormat& format, const ReplyReaderOptions& options,
                                   std::string_view text);

}  // namespace cairn
