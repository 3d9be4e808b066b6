// Driven: a request of a bench that gives its tokens itself. It is run forward a few tokens at a time, and each run is
// timed. Used by benches only; one thread, as the engine.
#pragma once

#include <cstdint>

#include "cairn/status.h"
#include "engine/engine.h"

namespace cairn {

// Steps until every request waits for its next token; the seconds that took.
double run_until_waiting(Engine& engine);

class Driven {
 public:
  // The engine must outlive it.
  Driven(Engine& engine, int64_t vocab_size) : engine_(&engine), vocab_size_(vocab_size) {}

  // A prompt of so many tokens, at least one, which is run.
  Status begin(int64_t length);
  // So many more tokens; seconds that running them takes.
  Result<double> go_on(int64_t count);
  // Back to `length` tokens, at least the prompt's.
  Status go_back(int64_t length);
  // The same two, run when the engine runs next: several requests at once.
  Status add(int64_t count);
  Status take_back(int64_t length);
  // kResourceExhausted: the engine had no memory for it, and it has ended.
  [[nodiscard]] Status check() const;
  [[nodiscard]] int64_t length() const { return length_; }
  void end();

 private:
  Engine* engine_;
  int64_t vocab_size_;
  RequestId id_;
  int64_t length_ = 0;
};

}  // namespace cairn
