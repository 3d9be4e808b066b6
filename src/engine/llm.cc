#include "cairn/llm.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/no_throw.h"
#include "engine/cache_statistics.h"
#include "engine/llm_impl.h"
#include "engine/memory_plan.h"
#include "engine/model_facts.h"
#include "engine/open_engine.h"
#include "engine/samples.h"

namespace cairn {
namespace {

constexpr int64_t kMostSamples = 1024;  // each takes a place among the requests

using Asked = AskedOfLlm;

Result<OpenOptions> open_options(const LlmOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(const KvPlan kv_plan, KvPlan::parse_text_or_json(options.kv_plan));
  if (options.endless && options.context.has_value()) {
    return invalid_argument("`endless` and `context` exclude each other: a text without end has no context");
  }
  return OpenOptions{.isa = options.isa,
                     .thread_count = options.thread_count,
                     .context = options.endless ? kEndless : options.context,
                     .context_limit = options.extend_context ? ContextLimit::kNone : ContextLimit::kOfModel,
                     .tokenizer = {.pre = options.pre},
                     .kv_plan = kv_plan,
                     .engine = {.sharing = options.prefix_sharing,
                                .max_sequences = options.max_sequences,
                                .prefill_chunk = options.prefill_chunk,
                                .pool_bytes = options.kv_memory_bytes,
                                .drafter = make_drafter(options.speculation),
                                .seed = options.seed},
                     .draft_model = options.draft_model,
                     .on_load_progress = options.on_load_progress};
}

Result<MemoryPlan> plan_of(const LoadedModel& loaded) {
  return plan_memory({.config = loaded.model->config(), .weights = loaded.weights},
                     {.engine = loaded.engine_options, .thread_count = loaded.threads->thread_count()});
}

// A callback that names its sample; empty where the caller has none.
template <typename... Arguments>
std::function<void(Arguments...)> of_sample(const std::shared_ptr<Asked>& asked, int64_t sample,
                                            std::function<void(int64_t, Arguments...)> TextRequest::* which) {
  if (!(asked->request.*which)) return {};
  return [asked, sample, which](Arguments... arguments) { (asked->request.*which)(sample, arguments...); };
}

}  // namespace

Result<std::unique_ptr<Llm::Impl>> Llm::Impl::open(const std::string& path, const LlmOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(const OpenOptions asked, open_options(options));
  CAIRN_ASSIGN_OR_RETURN(LoadedModel loaded, load_model(path, asked));
  CAIRN_ASSIGN_OR_RETURN(auto engine, Engine::create(loaded.model, *loaded.threads, loaded.engine_options));
  auto impl = std::make_unique<Impl>();
  impl->facts = model_facts(loaded);
  CAIRN_ASSIGN_OR_RETURN(impl->memory_plan, plan_of(loaded));
  impl->threads = std::move(loaded.threads);
  impl->model = std::move(loaded.model);
  impl->engine = std::move(engine);
  return impl;
}

Result<Llm> Llm::open(const std::string& path, const LlmOptions& options) {
  return no_throw([&]() -> Result<Llm> {
    CAIRN_ASSIGN_OR_RETURN(auto impl, Impl::open(path, options));
    return Llm(std::move(impl));
  });
}

Result<ModelDescription> Llm::describe(const std::string& path, const LlmOptions& options) {
  return no_throw([&]() -> Result<ModelDescription> {
    CAIRN_ASSIGN_OR_RETURN(const OpenOptions asked, open_options(options));
    return describe_model(path, asked);
  });
}

Llm::Llm(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Llm::~Llm() = default;
Llm::Llm(Llm&&) noexcept = default;
Llm& Llm::operator=(Llm&&) noexcept = default;

std::span<const std::string> Llm::notes() const { return impl_->model->notes(); }

Request Llm::Impl::engine_request(const std::shared_ptr<Asked>& asked, int64_t sample,
                                  std::vector<TokenId> prompt) {
  const TextRequest& from = asked->request;
  Request request{.prompt = std::move(prompt),
                  .sampling = from.sampling,
                  .max_tokens = from.max_tokens,
                  .stop_strings = from.stop_strings,
                  .ignore_end_tokens = from.ignore_end_tokens,
                  .salt = from.salt,
                  .likeliest_count = from.likeliest_count,
                  .on_mask = of_sample(asked, sample, &TextRequest::on_mask),
                  .on_choice = of_sample(asked, sample, &TextRequest::on_choice),
                  .on_token = of_sample(asked, sample, &TextRequest::on_token),
                  .on_text = of_sample(asked, sample, &TextRequest::on_text)};
  request.sampling.sample_index += static_cast<uint64_t>(sample);
  if (from.on_logits) {
    request.on_logits = [asked, sample](int64_t, std::span<const float> logits) {
      asked->request.on_logits(sample, logits);
    };
  }
  request.on_finish = [this, asked, sample](const RequestResult& result) { finish(*asked, sample, result); };
  return request;
}

std::shared_ptr<Asked> Llm::Impl::find(RequestId id) const {
  if (is_closing) return nullptr;
  const auto found = std::ranges::find_if(live, [id](const auto& asked) { return asked->id == id; });
  return found == live.end() ? nullptr : *found;
}

void Llm::Impl::finish(Asked& asked, int64_t sample, const RequestResult& result) {
  asked.samples[static_cast<size_t>(sample)].reset();
  if (--asked.unfinished == 0) std::erase_if(live, [&](const auto& one) { return one.get() == &asked; });
  if (!asked.request.on_finish) return;
  asked.request.on_finish(sample, {.reason = result.reason,
                                   .status = no_throw([&result] { return result.status; }),
                                   .prompt_tokens = result.stats.prompt_tokens,
                                   .reused_tokens = result.stats.reused_tokens,
                                   .generated_tokens = result.stats.generated_tokens});
}

void Llm::Impl::make_room_for_one() {
  if (live.size() == live.capacity()) live.reserve(2 * live.size() + 1);
}

Result<RequestId> Llm::Impl::submit(TextRequest request) {
  if (is_closing) return invalid_argument("this Llm is being destroyed");
  CAIRN_ASSIGN_OR_RETURN(std::vector<TokenId> prompt, prompt_of(request));
  return submit_prompt(std::move(request), std::move(prompt), std::nullopt);
}

Result<RequestId> Llm::Impl::submit_prompt(TextRequest request, std::vector<TokenId> prompt,
                                           std::optional<SessionId> session) {
  const int64_t count = request.sample_count;
  if (count < 1 || count > kMostSamples) {
    return invalid_argument(
        fmt::format("{} samples of one prompt are not possible: 1 to {} are", count, kMostSamples));
  }
  const auto asked =
      std::make_shared<Asked>(Asked{.request = std::move(request),
                                    .samples = decltype(Asked::samples)(static_cast<size_t>(count)),
                                    .unfinished = count});
  std::vector<Request> samples;
  samples.reserve(static_cast<size_t>(count));
  samples.push_back(engine_request(asked, 0, std::move(prompt)));
  for (int64_t i = 1; i < count; ++i) samples.push_back(engine_request(asked, i, {}));
  samples.front().session = session;
  make_room_for_one();
  CAIRN_ASSIGN_OR_RETURN(const std::vector<RequestId> ids, submit_samples(*engine, std::move(samples)));
  std::ranges::copy(ids, asked->samples.begin());
  asked->id = ids.front();
  live.push_back(asked);
  return asked->id;
}

Result<RequestId> Llm::Impl::fork(RequestId parent, TextRequest request) {
  const auto from = find(parent);
  if (from == nullptr) return not_found("there is no such live request to fork");
  if (from->samples.size() != 1 || request.sample_count != 1) {
    return invalid_argument("a request of several samples cannot be forked, nor a fork have several");
  }
  CAIRN_ASSIGN_OR_RETURN(std::vector<TokenId> more, prompt_tokens(request, BosEos::kNone));
  const auto asked = std::make_shared<Asked>(
      Asked{.request = std::move(request), .samples = {std::nullopt}, .unfinished = 1});
  make_room_for_one();
  CAIRN_ASSIGN_OR_RETURN(asked->id, engine->fork(parent, engine_request(asked, 0, std::move(more))));
  asked->samples.front() = asked->id;
  live.push_back(asked);
  return asked->id;
}

Result<RequestId> Llm::submit(TextRequest request) {
  return no_throw([&] { return impl_->submit(std::move(request)); });
}

Result<RequestId> Llm::fork(RequestId parent, TextRequest request) {
  return no_throw([&] { return impl_->fork(parent, std::move(request)); });
}

bool Llm::cancel(RequestId id) {
  const auto asked = impl_->find(id);
  if (asked == nullptr) return false;
  // By index: an end may be reported at once.
  for (size_t i = 0; i < asked->samples.size(); ++i) {
    if (asked->samples[i].has_value()) impl_->engine->cancel(*asked->samples[i]);
  }
  return true;
}

bool Llm::step() { return !impl_->is_closing && impl_->engine->step(); }

void Llm::run() {
  while (step()) {
  }
}

bool Llm::idle() const { return impl_->is_closing || impl_->engine->idle(); }
const ModelFacts& Llm::facts() const { return impl_->facts; }
const MemoryPlan& Llm::memory_plan() const { return impl_->memory_plan; }
int64_t Llm::context() const { return impl_->engine->context(); }
int64_t Llm::vocab_size() const { return impl_->model->config().vocab_size; }
CacheStatistics Llm::cache_statistics() const { return cache_statistics_of(impl_->engine->cache()); }

}  // namespace cairn
