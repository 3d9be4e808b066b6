// What Ollama's clients get: whole replies, streams of lines (NDJSON), lists of models. Pure functions to JSON.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/openai/answer.h"
#include "server/openai/call.h"
#include "server/openai/error.h"
#include "server/openai/stream.h"

namespace cairn {

// {"error":"..."}
[[nodiscard]] std::string ollama_error_body(const ApiError& error);

// `call` came by one of Ollama's faces. Of several choices only the first is written: the interface has one.
[[nodiscard]] std::string write_ollama_answer(const TextCall& call, const AnswerHead& head,
                                              const Answer& answer);
// The reply to a call that is_load_only(), as a stream and as a whole.
[[nodiscard]] std::string ollama_load_body(const TextCall& call, const AnswerHead& head);
[[nodiscard]] std::unique_ptr<StreamWriter> make_ollama_stream(const TextCall& call, AnswerHead head);

struct OllamaModel {
  std::string name;  // "demo"; written as "demo:latest" where it has no tag, as clients expect
  int64_t modified_ns = 0;
  int64_t bytes = 0;
  std::string digest = {};              // hex; empty: zeros
  std::string family = {};              // "llama"
  std::string parameter_size = {};      // "1.1B"
  std::string quantization_level = {};  // "Q8_0"
  std::string format = "gguf";
  int64_t context_length = 0;
};
[[nodiscard]] std::string ollama_tags_body(std::span<const OllamaModel> models);
[[nodiscard]] std::string ollama_ps_body(std::span<const OllamaModel> models);
// `model_info`: the file's keys ("general.architecture", ...). Capabilities: "completion", "tools", "thinking".
[[nodiscard]] std::string ollama_show_body(const OllamaModel& model, std::string_view chat_template,
                                           const boost::json::object& model_info,
                                           const std::vector<std::string>& capabilities);
[[nodiscard]] std::string ollama_version_body(std::string_view version);

}  // namespace cairn
