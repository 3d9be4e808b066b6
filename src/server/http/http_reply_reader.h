// HttpReplyReader: the bytes of a server -> status, headers and body of its reply. No sockets.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "server/http/http_client.h"

namespace cairn {

class HttpReplyReader {
 public:
  enum class Asked : uint8_t { kHead, kOther };

  // Calls on_head and on_data of `events`, which must outlive it.
  HttpReplyReader(Asked asked, const HttpFetchEvents& events);
  ~HttpReplyReader();

  // False where it is not HTTP: error() says why.
  bool push(std::string_view bytes);
  // The connection has ended: whether that completes the reply.
  bool finish();
  [[nodiscard]] bool is_done() const;
  [[nodiscard]] bool has_begun() const { return has_head_; }
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  struct Parser;  // keeps Beast's headers out of this one
  void begin();

  const Asked asked_;
  const HttpFetchEvents& events_;
  std::unique_ptr<Parser> parser_;
  std::string rest_;  // arrived and not parsed yet: a line that is not complete
  bool has_head_ = false;
  std::string error_;
};

}  // namespace cairn
