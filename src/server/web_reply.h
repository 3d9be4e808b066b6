// Replies that every part of the server makes: JSON documents and errors, in OpenAI's words and in Ollama's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/message.h"
#include "server/openai/error.h"

namespace cairn {

[[nodiscard]] HttpReply json_reply(std::string body);
// As the face of `path` has it: Ollama's for "/api/...". `retry_after_s`: the header of a 429 or 503.
[[nodiscard]] HttpReply error_reply(const ApiError& error, std::string_view path = {},
                                    std::optional<int64_t> retry_after_s = {});

}  // namespace cairn
