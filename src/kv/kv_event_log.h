// KvEventLog: the writer's side of a KvCache's events. It knows which step it is, and for which sequence the cache is
// at work, so that the arrows of BlockPool need not be passed either. Inside the kv room only.
#pragma once

#include <cstdint>
#include <optional>

#include "base/check.h"
#include "base/event_ring.h"
#include "kv/kv_event.h"

namespace cairn {

class KvEventLog {
 public:
  // While it lives, blocks change for this sequence. One at a time.
  class Scope {
   public:
    Scope(KvEventLog& log, SequenceId sequence) : log_(log) {
      DCHECK(!log.sequence_.has_value());
      log.sequence_ = sequence;
    }
    ~Scope() { log_.sequence_.reset(); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    KvEventLog& log_;
  };

  [[nodiscard]] const EventRing<KvEvent>& ring() const { return ring_; }
  // Steps begun so far: the time of explanations too.
  [[nodiscard]] int64_t step() const { return step_; }

  void begin_step() {
    ++step_;
    of_step(KvEventKind::kStepBegun);
  }
  void of_step(KvEventKind kind) { ring_.push({.step = step_, .kind = kind}); }
  void of_block(KvEventKind kind, int32_t group, BlockId block) {
    ring_.push({.step = step_, .block = block, .sequence = sequence_, .kind = kind, .group = group});
  }

 private:
  EventRing<KvEvent> ring_{kKvEventCapacity};
  int64_t step_ = 0;
  std::optional<SequenceId> sequence_;
};

}  // namespace cairn
