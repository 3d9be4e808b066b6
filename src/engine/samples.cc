#include "engine/samples.h"

#include <memory>
#include <utility>

namespace cairn {
namespace {

// The samples that have not begun yet.
struct Waiting {
  std::vector<Request> samples;
  SampleBegun on_begun;

  void begin(Engine& engine, RequestId first) {
    size_t index = 0;
    for (Request& sample : std::exchange(samples, {})) {
      ++index;
      const auto on_finish = sample.on_finish;
      sample.prompt.clear();
      const Result<RequestId> forked = engine.fork(first, std::move(sample));
      if (forked.ok() && on_begun) on_begun(index, *forked);
      if (!forked.ok() && on_finish) on_finish({.reason = FinishReason::kError, .status = forked.status()});
    }
  }
  void end_with(const RequestResult& result) {
    for (const Request& sample : std::exchange(samples, {})) {
      if (sample.on_finish) sample.on_finish({.reason = result.reason, .status = result.status});
    }
  }
};

}  // namespace

Result<RequestId> submit_samples(Engine& engine, std::vector<Request> samples, SampleBegun on_begun) {
  if (samples.empty()) return invalid_argument("no samples are asked for: at least 1");
  Request first = std::move(samples.front());
  samples.erase(samples.begin());
  if (samples.empty()) return engine.submit(std::move(first));
  const auto waiting = std::make_shared<Waiting>(Waiting{std::move(samples), std::move(on_begun)});
  const auto id = std::make_shared<RequestId>();

  // Logits come first of all that a request tells, when its prompt has been run and nothing is picked yet.
  const auto prompt_count = static_cast<int64_t>(first.prompt.size());
  first.on_logits = [&engine, waiting, id, prompt_count, told = std::move(first.on_logits)](
                        int64_t position, std::span<const float> logits) {
    if (position + 1 == prompt_count) waiting->begin(engine, *id);
    if (told) told(position, logits);
  };
  first.on_finish = [waiting, told = std::move(first.on_finish)](const RequestResult& result) {
    waiting->end_with(result);
    if (told) told(result);
  };
  CAIRN_ASSIGN_OR_RETURN(*id, engine.submit(std::move(first)));
  return *id;
}

}  // namespace cairn
