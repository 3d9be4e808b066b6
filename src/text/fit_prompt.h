// fit_prompt: a conversation's prompt within a context, without the oldest turns where there is no room for them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "cairn/chat_message.h"
#include "cairn/ids.h"
#include "cairn/status.h"
#include "text/conversation.h"

namespace cairn {

struct PromptRoom {
  int64_t context = 0;                     // positions
  std::optional<int64_t> max_tokens = {};  // that the reply may have
  WhenFull when_full = WhenFull::kDropOldest;
  std::span<const TokenId> begun = {};  // of the reply, behind the prompt
};

// The prompt with what is begun. With kDropOldest, and little room for a reply, the conversation forgets its oldest turns
// first. Where the last question alone is too long for the context, it forgets none: the prompt is that question's, for
// the engine to refuse. Errors: those of Conversation::prompt.
Result<std::vector<TokenId>> fit_prompt(const PromptRoom& room, Conversation& conversation);

}  // namespace cairn
