// Parts of replies that several interfaces write alike. For the writers of server/openai/ and server/ollama/.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "server/openai/answer.h"
#include "server/openai/json_writer.h"

namespace cairn {

[[nodiscard]] int64_t created_seconds(const AnswerHead& head);

// "stop", "length", "tool_calls", "content_filter": for chat and completions. `made`: by the choice.
enum class ToolCallsMade : uint8_t { kNone, kSome };
[[nodiscard]] std::string_view finish_word(AnswerFinish finish, ToolCallsMade made);

// "usage":{...} of chat and completions, with its key.
void put_usage(JsonWriter& json, const AnswerUsage& usage);

// A list of {"token":...,"logprob":...,"bytes":[...],"top_logprobs":[...]}, and its entries alone.
void put_token_logprobs(JsonWriter& json, std::span<const TokenLogprob> logprobs);
void put_token_logprob(JsonWriter& json, const TokenLogprob& logprob);

// The form of /v1/completions: lists of tokens, of numbers, of objects by token, of offsets. `offset`: in characters, where
// the first token begins; moved past the last one.
void put_completion_logprobs(JsonWriter& json, std::span<const TokenLogprob> logprobs, int64_t& offset);

// "system_fingerprint" and "cairn", with their keys, where there are such.
void put_fingerprint(JsonWriter& json, const AnswerHead& head);
void put_cairn(JsonWriter& json, const AnswerEnd& end);

}  // namespace cairn
