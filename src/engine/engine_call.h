// Engine::Call: the time of a public call that may call back. For engine*.cc only.
#pragma once

#include "engine/engine.h"

namespace cairn {

class Engine::Call {
 public:
  explicit Call(Engine& engine) : engine_(engine) { ++engine_.call_depth_; }
  // Sequences that ended are destroyed when nobody up the stack can be using them. Whatever happened, no step runs then.
  ~Call() {
    if (engine_.call_depth_ == 1) {
      engine_.in_step_ = false;
      engine_.retire();
    }
    --engine_.call_depth_;
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

 private:
  Engine& engine_;
};

}  // namespace cairn
