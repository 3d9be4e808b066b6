// The bodies of Ollama's /api/chat and /api/generate, read into a TextCall. The same rules as in server/openai/parse.h;
// defaults are Ollama's: streamed, temperature 0.8, top_k 40, top_p 0.9, repeat_penalty 1.1 over 64 tokens. Options of
// its model runner (num_ctx, num_gpu, keep_alive, ...) mean nothing here; "template", "suffix" and images are refused.
#pragma once

#include <string>
#include <string_view>

#include "server/openai/call.h"
#include "server/openai/error.h"

namespace cairn {

// An empty or absent list of messages, or an empty or absent prompt: TextCall::is_load_only().
[[nodiscard]] ApiResult<TextCall> parse_ollama_chat(std::string_view body);
[[nodiscard]] ApiResult<TextCall> parse_ollama_generate(std::string_view body);

// /api/show: the model's name, from "model" or its old form "name".
[[nodiscard]] ApiResult<std::string> parse_ollama_show(std::string_view body);

}  // namespace cairn
