// Whole replies of OpenAI's text interfaces, as JSON. Pure: the same arguments give the same bytes.
#pragma once

#include <string>

#include "server/openai/answer.h"
#include "server/openai/call.h"

namespace cairn {

// The body of the reply to `call`, whose face is one of OpenAI's, not of Ollama's.
[[nodiscard]] std::string write_answer(const TextCall& call, const AnswerHead& head, const Answer& answer);

}  // namespace cairn
