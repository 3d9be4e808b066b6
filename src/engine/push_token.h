// push_token: what a reply's next token lets out.
#pragma once

#include "cairn/ids.h"
#include "engine/stop_matcher.h"
#include "text/tokenizer.h"

namespace cairn {

// The text of a special token is not shown, but a stop string may be it. Valid until the next call of `stops`.
inline StopMatcher::Output push_token(const Tokenizer& tokenizer, TokenId token, StreamDecoder& decoder,
                                      StopMatcher& stops) {
  return tokenizer.is_special(token) ? stops.push_hidden(tokenizer.token_text(token))
                                     : stops.push(decoder.push(token));
}

}  // namespace cairn
