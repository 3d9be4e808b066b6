// push_token: what a reply's next token lets out.
#pragma once

#include <algorithm>
#include <span>

#include "cairn/ids.h"
#include "engine/stop_matcher.h"
#include "text/tokenizer.h"

namespace cairn {

// The name of a special token is not shown unless it is one of `shown`, whose decoder shows names; but a stop string may be
// it. Valid until the next call of `stops`.
inline StopMatcher::Output push_token(const Tokenizer& tokenizer, TokenId token,
                                      std::span<const TokenId> shown, StreamDecoder& decoder,
                                      StopMatcher& stops) {
  const bool is_hidden = tokenizer.is_special(token) && std::ranges::find(shown, token) == shown.end();
  return is_hidden ? stops.push_hidden(tokenizer.token_text(token)) : stops.push(decoder.push(token));
}

}  // namespace cairn
