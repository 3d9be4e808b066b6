#include "engine/samples.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace cairn {
namespace {

// Its end is reported only if all samples were taken.
void finish_only_if(const std::shared_ptr<bool>& all_taken, Request& sample) {
  if (!sample.on_finish) return;
  sample.on_finish = [all_taken, on_finish = std::move(sample.on_finish)](const RequestResult& result) {
    if (*all_taken) on_finish(result);
  };
}

}  // namespace

Result<std::vector<RequestId>> submit_samples(Engine& engine, std::vector<Request> samples) {
  if (samples.empty()) return invalid_argument("there are no samples: at least 1 is needed");
  const auto all_taken = std::make_shared<bool>(false);
  std::vector<RequestId> ids;
  ids.reserve(samples.size());
  for (Request& sample : samples) finish_only_if(all_taken, sample);
  for (Request& sample : samples) {
    if (!ids.empty()) sample.prompt.clear();
    const Result<RequestId> id =
        ids.empty() ? engine.submit(std::move(sample)) : engine.fork(ids.front(), std::move(sample));
    if (!id.ok()) {
      for (const RequestId taken : ids) engine.cancel(taken);
      return id.status();
    }
    ids.push_back(*id);
  }
  *all_taken = true;
  return ids;
}

int64_t blocks_for(const SampleSizes& sizes, KvStorageKind storage) {
  // The last token is never run.
  const int64_t wanted = sizes.prompt_tokens + std::max<int64_t>(sizes.max_tokens, 1) - 1;
  const int64_t each = KvGeometry::blocks_for(std::min(wanted, sizes.context));
  const int64_t shared = storage == KvStorageKind::kPaged ? findable_blocks(sizes.prompt_tokens) : 0;
  return shared + sizes.count * (each - shared);
}

}  // namespace cairn
