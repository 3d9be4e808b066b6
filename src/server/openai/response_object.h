// The response object of /v1/responses and its output items, as JSON: what whole replies and streams both write. For
// the writers of server/openai/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/openai/answer.h"
#include "server/openai/call.h"
#include "server/openai/error.h"
#include "server/openai/json_writer.h"

namespace cairn {

enum class ResponseProgress : uint8_t { kInProgress, kCompleted, kIncomplete, kFiltered, kFailed };
[[nodiscard]] ResponseProgress progress_of(AnswerFinish finish);

struct ResponseState {
  ResponseProgress progress = ResponseProgress::kInProgress;
  std::string_view output = "[]";   // the items so far, a JSON list
  const AnswerEnd* end = nullptr;   // null until it is known
  const ApiError* error = nullptr;  // where it failed
};
void put_response(JsonWriter& json, const TextCall& call, const AnswerHead& head, const ResponseState& state);

// "msg", head and 0: "msg_ID_0". `index`: of the item in the output.
[[nodiscard]] std::string item_id(std::string_view kind, const AnswerHead& head, int64_t index);

// An item that is being made has no content yet; the texts are those so far.
void put_reasoning_item(JsonWriter& json, std::string_view id, std::string_view text,
                        ResponseProgress progress);
// `logprobs`: a JSON list.
void put_message_item(JsonWriter& json, std::string_view id, std::string_view text, std::string_view logprobs,
                      ResponseProgress progress);
void put_call_item(JsonWriter& json, std::string_view id, const ToolCall& call, ResponseProgress progress);

// The parts that items consist of.
void put_reasoning_part(JsonWriter& json, std::string_view text);
void put_text_part(JsonWriter& json, std::string_view text, std::string_view logprobs);

}  // namespace cairn
