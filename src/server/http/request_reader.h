// RequestReader: bytes of a connection -> one HttpRequest. No sockets: its caller hands it what has arrived.
//
// Always true: it keeps no more than one head and one body; what it refuses has a status and a sentence, and is
// refused for good (the connection cannot be read any further).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/http/body_budget.h"
#include "server/http/message.h"

namespace cairn {

struct HttpRequestLimits {
  size_t header_bytes_max = 0;
  size_t body_bytes_max = 0;
};

struct Refusal {
  int status = 400;
  std::string message;  // one sentence
};

class RequestReader {
 public:
  enum class Progress : uint8_t { kNeedsMore, kDone, kRefused };

  // What frames a chunked body (a chunk's size and extensions, a trailer) may take this many bytes.
  static constexpr size_t kChunkHeadBytesMax = 8 << 10;

  RequestReader(HttpRequestLimits limits, std::shared_ptr<BodyBudget> budget);
  ~RequestReader();

  // Reads from the front of `input`, the bytes that have not been used yet; `used` says how many of them were. First
  // head() until it is done, then body().
  Progress head(std::string_view input, size_t& used);
  Progress body(std::string_view input, size_t& used);

  // Of a head that is done. `peer` and `is_secure` are left to the caller.
  [[nodiscard]] HttpHead& parsed_head();
  [[nodiscard]] bool has_body() const;
  [[nodiscard]] bool is_http_1_1() const;
  [[nodiscard]] bool keeps_alive() const;       // as its client wishes
  [[nodiscard]] bool expects_continue() const;  // and waits for "100 Continue" before it sends its body
  // Of a body that is done; may be called once each.
  [[nodiscard]] std::string take_body();
  [[nodiscard]] BodyLease take_lease();

  [[nodiscard]] const Refusal& refusal() const;

 private:
  struct Parser;  // keeps Beast's headers out of this one
  Progress refuse(int status, std::string message);
  Progress check_head();

  HttpRequestLimits limits_;
  std::unique_ptr<Parser> parser_;
  HttpHead head_;
  Refusal refusal_;
  size_t scanned_ = 0;  // of the head's bytes: no line end lies before
};

}  // namespace cairn
