// A reply as the bytes of HTTP/1.1: its head, and the frame of a chunk. Pure functions.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

#include "server/http/message.h"

namespace cairn {

enum class BodyForm : uint8_t {
  kWhole,       // Content-Length
  kChunked,     // Transfer-Encoding
  kUntilClose,  // of a stream to an HTTP/1.0 client: the end of the connection is the end of the body
};
enum class AfterReply : uint8_t { kKeepAlive, kClose };

struct ReplyFrame {
  BodyForm body = BodyForm::kWhole;
  AfterReply after = AfterReply::kKeepAlive;
  std::time_t now = 0;
};

// Up to and including the empty line. Content-Length is that of the reply's body, also where none will be sent (HEAD).
[[nodiscard]] std::string reply_head(const HttpReply& reply, const ReplyFrame& frame);

// The reply's body, wherever it lies.
[[nodiscard]] std::string_view reply_body(const HttpReply& reply);

// Whether a reply of this status never has a body, nor a Content-Length.
[[nodiscard]] bool is_bodiless(int status);

// `bytes` as one chunk, appended to `out`. None of them would be the end of the body, so they must not be empty.
void append_chunk(std::string_view bytes, std::string& out);
constexpr std::string_view kLastChunk = "0\r\n\r\n";

// What the server says of its own accord: {"error": {"message": ..., "type": ..., "param": null, "code": null}}, as
// OpenAI's clients expect it. `message` is one sentence in ASCII without quotes.
[[nodiscard]] HttpReply error_reply(int status, std::string_view message);

// "Sun, 06 Nov 1994 08:49:37 GMT", whatever the locale.
[[nodiscard]] std::string http_date(std::time_t time);

}  // namespace cairn
