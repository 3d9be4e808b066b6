// Engine::Call: the time of a public call that may call back. For engine*.cc only.
#pragma once

#include "engine/engine.h"

namespace cairn {

class Engine::Call {
 public:
  explicit Call(Engine& engine) : engine_(engine) { ++engine_.call_depth_; }
  // Requests that callbacks have cancelled end here, one after the other rather than each inside another's end. What
  // has ended is destroyed: nobody up the stack can be using it.
  ~Call() {
    if (engine_.call_depth_ == 1) {
      engine_.in_step_ = false;
      do {
        engine_.finish_cancelled();
        engine_.retire();
      } while (!engine_.cancelled_.empty());
    }
    --engine_.call_depth_;
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

 private:
  Engine& engine_;
};

}  // namespace cairn
