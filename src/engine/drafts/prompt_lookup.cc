#include "engine/drafts/prompt_lookup.h"

#include <algorithm>

namespace cairn {
namespace {

// How many tokens before `end` are the last ones of the text; at most kLongestMatch.
int64_t match_length(std::span<const TokenId> text, int64_t end) {
  const auto count = std::ssize(text);
  const int64_t most = std::min(kLongestMatch, end);
  int64_t length = 0;
  while (length < most &&
         text[static_cast<size_t>(end - 1 - length)] == text[static_cast<size_t>(count - 1 - length)]) {
    ++length;
  }
  return length;
}

}  // namespace

int64_t look_up(std::span<const TokenId> text, std::span<TokenId> draft) {
  const auto count = std::ssize(text);
  int64_t longest = kShortestMatch - 1;
  int64_t found = 0;
  const int64_t first = std::max<int64_t>(kShortestMatch, count - kLookupReach);
  for (int64_t end = count - 1; end >= first && longest < kLongestMatch; --end) {
    const int64_t length = match_length(text, end);
    if (length <= longest) continue;
    longest = length;
    found = end;
  }
  if (found == 0) return 0;
  for (int64_t i = 0; i < std::ssize(draft); ++i) {
    const int64_t from = found + i;
    draft[static_cast<size_t>(i)] =
        from < count ? text[static_cast<size_t>(from)] : draft[static_cast<size_t>(from - count)];
  }
  return longest;
}

void PromptLookup::look(std::span<DraftAsk> asks) {
  for (DraftAsk& ask : asks) ask.match_length = ask.draft.empty() ? 0 : look_up(ask.text, ask.draft);
}

}  // namespace cairn
