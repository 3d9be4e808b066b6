#include "server/request_facts.h"

namespace cairn {

std::string_view request_outcome_name(RequestOutcome outcome) {
  switch (outcome) {
    case RequestOutcome::kStop: return "stop";
    case RequestOutcome::kLength: return "length";
    case RequestOutcome::kToolCalls: return "tool_calls";
    case RequestOutcome::kCancelled: return "cancelled";
    case RequestOutcome::kShutdown: return "shutdown";
    case RequestOutcome::kDeadline: return "deadline";
    case RequestOutcome::kRefused: return "refused";
    case RequestOutcome::kError: return "error";
  }
  return "error";
}

}  // namespace cairn
