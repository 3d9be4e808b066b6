// From the body of a request to a Generation: read it, check it against the model, make its prompts and its constraint,
// find it a place. Runs on a worker's thread: a body may be megabytes, a schema may take milliseconds to compile.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "server/generation.h"
#include "server/http/exchange.h"
#include "server/openai/call.h"
#include "server/openai/error.h"
#include "server/service.h"

namespace cairn {

// A request for text, as it came.
struct TextRequestFacts {
  ApiFace face = ApiFace::kChat;
  TenantRef tenant;
  std::string id;
  uint64_t arrived_ns = 0;  // on the engine's clock
};

// Answers the exchange, now or later. Any thread.
void answer_text_call(const Service& service, std::shared_ptr<HttpExchange> exchange,
                      const TextRequestFacts& facts);

// The prompt of a chat's turns, as every interface makes it. The error names the field `param`.
[[nodiscard]] ApiResult<ReplyPrompt> chat_prompt_of(
    const Service& service, std::span<const ChatTurn> turns, std::span<const CallTool> tools,
    const std::vector<std::pair<std::string, TemplateVariable>>& variables);

// Whether `asked` is the model that is served; a client that names none means it. Else model_not_found.
[[nodiscard]] std::optional<ApiError> check_model(const Service& service, std::string_view asked);

}  // namespace cairn
