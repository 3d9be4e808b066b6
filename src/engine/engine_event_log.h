// EngineEventLog: the writer's side of an engine's events. It counts the steps. For Engine only.
#pragma once

#include <cstdint>

#include "base/event_ring.h"
#include "engine/engine_event.h"

namespace cairn {

class EngineEventLog {
 public:
  [[nodiscard]] const EventRing<EngineEvent>& ring() const { return ring_; }

  // The only event with a time: a clock is read once a step.
  void begin_step(uint64_t now_ns) {
    ++step_;
    of_step(EngineEventKind::kStepBegun, static_cast<int64_t>(now_ns));
  }
  void of_step(EngineEventKind kind, int64_t value) {
    ring_.push({.step = step_, .value = value, .kind = kind});
  }
  void of_request(EngineEventKind kind, RequestId id, int64_t value) {
    ring_.push({.step = step_, .value = value, .request = id, .kind = kind});
  }
  void of_request(EngineEventKind kind, RequestId id, RequestId other) {
    of_request(kind, id, static_cast<int64_t>(other.value));
  }

 private:
  EventRing<EngineEvent> ring_{kEngineEventCapacity};
  int64_t step_ = 0;
};

}  // namespace cairn
