// The writers behind make_openai_stream, one for each face.
#pragma once

#include <memory>

#include "server/openai/stream.h"

namespace cairn {

[[nodiscard]] std::unique_ptr<StreamWriter> make_chat_stream(const TextCall& call, const AnswerHead& head);
[[nodiscard]] std::unique_ptr<StreamWriter> make_completions_stream(const TextCall& call,
                                                                    const AnswerHead& head);
[[nodiscard]] std::unique_ptr<StreamWriter> make_responses_stream(const TextCall& call, AnswerHead head);

}  // namespace cairn
