// One call of `cairn bench serve`: what is sent to the server, and what is learned from its stream. No sockets, no clock.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "cli/bench_serve.h"
#include "server/http/http_client.h"
#include "server/http/sse_reader.h"

namespace cairn {

struct CallResult {
  int status = 0;         // of HTTP; 0: there was no reply
  std::string error;      // empty: the answer is complete
  uint64_t begin_ns = 0;  // when it was sent; in an open loop: when it was due
  uint64_t first_ns = 0;  // of the first piece of the answer; 0: there was none
  uint64_t last_ns = 0;   // of its last piece
  uint64_t end_ns = 0;
  int64_t prompt_tokens = 0;  // as the server counts
  int64_t cached_tokens = 0;  // of those: found in its cache
  int64_t answer_tokens = 0;  // as the server counts; where it does not say, pieces
};

[[nodiscard]] inline bool is_complete(const CallResult& result) { return result.error.empty(); }

[[nodiscard]] HttpClientRequest call_request(const BenchServeOptions& options, const std::string& model,
                                             const PlannedCall& call);

// Collects a CallResult from the parts of a reply.
class CallRecorder {
 public:
  explicit CallRecorder(uint64_t begin_ns) { result_.begin_ns = begin_ns; }

  void on_head(int status) { result_.status = status; }
  void on_data(std::string_view bytes, uint64_t now_ns);
  [[nodiscard]] CallResult finish(const Status& status, uint64_t now_ns);

 private:
  void take_event(const SseEvent& event, uint64_t now_ns);

  CallResult result_;
  SseReader reader_;
  std::string refusal_;  // the start of a reply that is no stream
  int64_t pieces_ = 0;
  bool is_done_ = false;
};

// The id of the first model of a reply to GET /v1/models.
Result<std::string> first_model(const HttpClientReply& reply);

// The sentence of {"error": {"message": ...}}, or the beginning of what is no such thing.
[[nodiscard]] std::string error_sentence(std::string_view body);

}  // namespace cairn
