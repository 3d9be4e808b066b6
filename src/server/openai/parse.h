// The bodies of OpenAI's text interfaces, read into a TextCall. Pure functions of the body's bytes, which may be anything:
// they end in a call that keeps the promises of server/openai/call.h, or in an error that names the field.
//
// Unknown fields are accepted and mean nothing; null means absent. Types are strict ("1" is no number, 2.5 no integer).
// Defaults are OpenAI's: temperature 1, top_p 1, one choice; /v1/completions generates 16 tokens, the others go on
// until the context is full.
//
// Extensions, for all faces: min_p, top_k, repeat_penalty (or repetition_penalty), repeat_last_n (the tokens that
// penalties look at; absent: all), cache_salt, priority, deadline_ms, chat_template_kwargs, and
// "cairn": {"explain_cache": true}.
//
// What these interfaces have and this server does not is refused, with the field named: parts that are no text, tools that
// are no functions, best_of other than n, suffix, previous_response_id and the like.
#pragma once

#include <string_view>

#include "server/openai/call.h"
#include "server/openai/error.h"

namespace cairn {

[[nodiscard]] ApiResult<TextCall> parse_chat_call(std::string_view body);
[[nodiscard]] ApiResult<TextCall> parse_completions_call(std::string_view body);
[[nodiscard]] ApiResult<TextCall> parse_responses_call(std::string_view body);

}  // namespace cairn
