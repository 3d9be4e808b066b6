#include "server/openai/stream.h"

#include "base/check.h"
#include "server/openai/stream_faces.h"

namespace cairn {

std::string_view stream_content_type(ApiFace face) {
  const bool is_ollama = face == ApiFace::kOllamaChat || face == ApiFace::kOllamaGenerate;
  return is_ollama ? "application/x-ndjson" : "text/event-stream";
}

std::unique_ptr<StreamWriter> make_openai_stream(const TextCall& call, AnswerHead head) {
  switch (call.face) {
    case ApiFace::kChat: return make_chat_stream(call, head);
    case ApiFace::kCompletions: return make_completions_stream(call, head);
    case ApiFace::kResponses: return make_responses_stream(call, std::move(head));
    case ApiFace::kOllamaChat:
    case ApiFace::kOllamaGenerate: break;
  }
  CHECK(false);
  return nullptr;
}

}  // namespace cairn
