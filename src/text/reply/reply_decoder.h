// ReplyDecoder: a reply's token ids to the text that a ReplyReader takes: a StreamDecoder that hides special tokens, but
// for the marks of the reply's format. Anyone may call it.
#pragma once

#include <string>

#include "text/reply/reply_format.h"
#include "text/tokenizer.h"

namespace cairn {

class ReplyDecoder {
 public:
  ReplyDecoder(const Tokenizer& tokenizer, const ReplyFormat& format)
      : tokenizer_(tokenizer),
        format_(format),
        decoder_(tokenizer,
                 {.special_output = SpecialOutput::kShow, .position = TextPosition::kContinuation}) {}

  // The characters that are complete with this token. An end token that ends the reply is not pushed.
  std::string push(TokenId id) {
    if (tokenizer_.is_special(id) && !format_.is_mark(id)) return {};
    return decoder_.push(id);
  }
  std::string flush() { return decoder_.flush(); }

 private:
  Tokenizer tokenizer_;
  ReplyFormat format_;
  StreamDecoder decoder_;
};

}  // namespace cairn
