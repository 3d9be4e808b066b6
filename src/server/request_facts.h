// RequestFacts: what is known of a request when it is over, for the metrics and for its line in the log. No text of it is
// in here. Plain data; the views need only live during the call.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace cairn {

enum class RequestOutcome : uint8_t {
  kStop,       // an end token or a stop string
  kLength,     // as long as was asked for, or the context is full
  kToolCalls,  // ended with calls of tools
  kCancelled,  // the client went away
  kShutdown,   // the server was stopped, and its grace was over
  kDeadline,   // its time was over
  kRefused,    // never begun: the request was wrong, a limit was reached, or the queue was full
  kError,      // the server's fault
};
// "stop", "length", "tool_calls", "cancelled", "shutdown", "deadline", "refused", "error".
[[nodiscard]] std::string_view request_outcome_name(RequestOutcome outcome);

struct RequestFacts {
  std::string_view id;
  std::string_view tenant;    // its name; empty: unknown (no key, or a wrong one)
  std::string_view endpoint;  // "/v1/chat/completions"
  int status = 200;           // of HTTP
  RequestOutcome outcome = RequestOutcome::kStop;
  int64_t prompt_tokens = 0;
  int64_t reused_tokens = 0;
  int64_t generated_tokens = 0;
  std::optional<double> ttft_s;  // from the request's arrival to its first token; absent: there was none
  std::optional<double> tpot_s;  // per token behind the first; absent: fewer than two
  double duration_s = 0;
  std::string_view
      reason;  // why the rest of the prompt was processed again; empty: not known, or all was reused
};

}  // namespace cairn
