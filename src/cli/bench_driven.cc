#include "cli/bench_driven.h"

#include <utility>

#include "base/clock.h"
#include "cli/bench.h"

namespace cairn {

double run_until_waiting(Engine& engine) {
  const SteadyClock clock;
  const uint64_t begin_ns = clock.now_ns();
  while (!engine.waits()) engine.step();
  return static_cast<double>(clock.now_ns() - begin_ns) * 1e-9;
}

Status Driven::begin(int64_t length) {
  length_ = length;
  Request request{.prompt = varied_tokens(length, vocab_size_), .picks = Picks::kByCaller};
  CAIRN_ASSIGN_OR_RETURN(id_, engine_->submit(std::move(request)));
  run_until_waiting(*engine_);
  return check();
}

Status Driven::add(int64_t count) {
  CAIRN_RETURN_IF_ERROR(engine_->extend(id_, varied_tokens(count, vocab_size_, length_)));
  length_ += count;
  return {};
}

Status Driven::take_back(int64_t length) {
  CAIRN_RETURN_IF_ERROR(engine_->roll_back(id_, length));
  length_ = length;
  return {};
}

Status Driven::check() const {
  if (engine_->stats(id_) != nullptr) return {};
  return resource_exhausted("the cache's memory is too small for this depth");
}

Result<double> Driven::go_on(int64_t count) {
  CAIRN_RETURN_IF_ERROR(add(count));
  const double seconds = run_until_waiting(*engine_);
  CAIRN_RETURN_IF_ERROR(check());
  return seconds;
}

Status Driven::go_back(int64_t length) {
  CAIRN_RETURN_IF_ERROR(take_back(length));
  run_until_waiting(*engine_);
  return check();
}

void Driven::end() {
  engine_->cancel(id_);
  engine_->step();
}

}  // namespace cairn
