// LiveRequest: a request between EngineThread::submit and its end. Only EngineThread uses it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "engine/engine_thread.h"

namespace cairn {

struct EngineThread::LiveRequest : std::enable_shared_from_this<LiveRequest> {
  LiveRequest(Request asked, uint64_t undelivered_bytes,
              const std::shared_ptr<std::atomic<int64_t>>& open_requests)
      : outbox(take_listeners(asked), undelivered_bytes, open_requests), request(std::move(asked)) {}

  std::atomic<bool> cancel_wanted{false};  // by any thread
  Outbox outbox;
  // The loop's own, once it has taken the mail.
  Ticket parent;                // of a fork, likewise until the engine gets it
  Request request;              // until the engine gets it
  std::optional<RequestId> id;  // while the engine has it
  bool changed = false;         // is in changed_
  bool ended = false;
};

}  // namespace cairn
