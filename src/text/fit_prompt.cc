#include "text/fit_prompt.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace cairn {
namespace {

// Where turns are left out, so many positions become free at once: each time, the rows of what stays are computed
// again. Before a reply begins, an eighth must be free.
constexpr int64_t kFreedShare = 4;
constexpr int64_t kNeededShare = 8;

Result<std::vector<TokenId>> prompt_with(const Conversation& conversation, std::span<const TokenId> begun) {
  CAIRN_ASSIGN_OR_RETURN(auto prompt, conversation.prompt());
  prompt.insert(prompt.end(), begun.begin(), begun.end());
  return prompt;
}

}  // namespace

Result<std::vector<TokenId>> fit_prompt(const PromptRoom& room, Conversation& conversation) {
  const int64_t context = room.context;
  CAIRN_ASSIGN_OR_RETURN(auto prompt, prompt_with(conversation, room.begun));
  const int64_t needed = std::min(room.max_tokens.value_or(context), context / kNeededShare);
  if (std::ssize(prompt) + needed <= context || room.when_full == WhenFull::kStop) return prompt;
  Conversation fewer = conversation;
  while (std::ssize(prompt) + context / kFreedShare > context && fewer.forget_oldest_turn()) {
    CAIRN_ASSIGN_OR_RETURN(prompt, prompt_with(fewer, room.begun));
  }
  if (std::ssize(prompt) <= context) conversation = std::move(fewer);
  return prompt;
}

}  // namespace cairn
