// StreamWriter: a reply as it comes, in the bytes that one face's clients expect. One writer for one request; used by one
// thread at a time. Each function returns the bytes to send next, which may be none.
//
//   begin()  piece()...  finish(choice) for each choice  end()
//
// Pieces of choices may alternate; after its finish() a choice has none. error() ends the stream at any place instead of
// all that would follow. Writing a piece costs in proportion to the piece.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "server/openai/answer.h"
#include "server/openai/call.h"
#include "server/openai/error.h"

namespace cairn {

class StreamWriter {
 public:
  StreamWriter() = default;
  StreamWriter(const StreamWriter&) = delete;
  StreamWriter& operator=(const StreamWriter&) = delete;
  virtual ~StreamWriter() = default;

  [[nodiscard]] virtual std::string begin() = 0;
  [[nodiscard]] virtual std::string piece(const StreamPiece& piece) = 0;
  [[nodiscard]] virtual std::string finish(int64_t choice, AnswerFinish finish) = 0;
  [[nodiscard]] virtual std::string end(const AnswerEnd& end) = 0;
  [[nodiscard]] virtual std::string error(const ApiError& error) = 0;
};

// Of all faces, Ollama's too: "text/event-stream" or "application/x-ndjson".
[[nodiscard]] std::string_view stream_content_type(ApiFace face);

// For OpenAI's faces. /v1/completions with `echo`: the server sends the prompt as the first piece.
[[nodiscard]] std::unique_ptr<StreamWriter> make_openai_stream(const TextCall& call, AnswerHead head);

}  // namespace cairn
