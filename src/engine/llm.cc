#include "cairn/llm.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "engine/cache_statistics.h"
#include "engine/engine.h"
#include "engine/open_engine.h"
#include "engine/samples.h"

namespace cairn {
namespace {

constexpr int64_t kMostSamples = 1024;  // each takes a place among the requests

// A request of the caller's, until its last sample has ended.
struct Asked {
  TextRequest request;
  RequestId id;
  std::vector<std::optional<RequestId>> samples;  // of the engine; absent: not begun
  int64_t unfinished = 0;
};

SpecialText special_text(SpecialTokens special_tokens) {
  return special_tokens == SpecialTokens::kParsed ? SpecialText::kParsed : SpecialText::kLiteral;
}

Result<OpenOptions> open_options(const LlmOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(const KvPlan kv_plan, KvPlan::parse_text_or_json(options.kv_plan));
  return OpenOptions{.isa = options.isa,
                     .thread_count = options.thread_count,
                     .context = options.context,
                     .engine = {.sharing = options.prefix_sharing == PrefixSharing::kOn ? KvSharing::kPrefixes
                                                                                        : KvSharing::kNone,
                                .kv_plan = kv_plan,
                                .max_sequences = options.max_sequences,
                                .prefill_chunk = options.prefill_chunk,
                                .pool_bytes = options.kv_memory_bytes,
                                .seed = options.seed},
                     .on_load_progress = options.on_load_progress};
}

}  // namespace

struct Llm::Impl {
  std::unique_ptr<ThreadPool> threads;
  std::shared_ptr<const Model> model;
  std::unique_ptr<Engine> engine;
  std::vector<std::shared_ptr<Asked>> live;

  [[nodiscard]] Result<std::vector<TokenId>> prompt_tokens(const TextRequest& request, BosEos bos_eos) const;
  Request engine_request(const std::shared_ptr<Asked>& asked, int64_t sample, std::vector<TokenId> prompt);
  [[nodiscard]] std::shared_ptr<Asked> find(RequestId id) const;
  void finish(Asked& asked, int64_t sample, const RequestResult& result);
};

Result<Llm> Llm::open(const std::string& path, const LlmOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(const OpenOptions asked, open_options(options));
  CAIRN_ASSIGN_OR_RETURN(LoadedModel loaded, load_model(path, asked));
  CAIRN_ASSIGN_OR_RETURN(auto engine, Engine::create(loaded.model, *loaded.threads, loaded.engine_options));
  auto impl = std::make_unique<Impl>();
  impl->threads = std::move(loaded.threads);
  impl->model = std::move(loaded.model);
  impl->engine = std::move(engine);
  return Llm(std::move(impl));
}

Llm::Llm(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Llm::~Llm() = default;
Llm::Llm(Llm&&) noexcept = default;
Llm& Llm::operator=(Llm&&) noexcept = default;

Result<std::vector<TokenId>> Llm::tokenize(std::string_view text, SpecialTokens special_tokens) const {
  return impl_->model->tokenizer().encode(text, {.special_text = special_text(special_tokens)});
}

std::string Llm::detokenize(std::span<const TokenId> tokens) const {
  return impl_->model->tokenizer().decode(tokens);
}

Result<std::vector<TokenId>> Llm::Impl::prompt_tokens(const TextRequest& request, BosEos bos_eos) const {
  if (const auto* tokens = std::get_if<std::vector<TokenId>>(&request.prompt)) return *tokens;
  const auto& text = std::get<std::string>(request.prompt);
  return model->tokenizer().encode(
      text, {.bos_eos = bos_eos, .special_text = special_text(request.special_tokens)});
}

Request Llm::Impl::engine_request(const std::shared_ptr<Asked>& asked, int64_t sample,
                                  std::vector<TokenId> prompt) {
  const TextRequest& from = asked->request;
  Request request{.prompt = std::move(prompt),
                  .sampling = from.sampling,
                  .max_tokens = from.max_tokens,
                  .stop_strings = from.stop_strings,
                  .ignore_end_tokens = from.ignore_end_tokens,
                  .salt = from.salt};
  request.sampling.sample_index += static_cast<uint64_t>(sample);
  if (from.on_token) {
    request.on_token = [asked, sample](TokenId token) { asked->request.on_token(sample, token); };
  }
  if (from.on_text) {
    request.on_text = [asked, sample](std::string_view text) { asked->request.on_text(sample, text); };
  }
  request.on_finish = [this, asked, sample](const RequestResult& result) { finish(*asked, sample, result); };
  return request;
}

std::shared_ptr<Asked> Llm::Impl::find(RequestId id) const {
  const auto found = std::ranges::find_if(live, [id](const auto& asked) { return asked->id == id; });
  return found == live.end() ? nullptr : *found;
}

void Llm::Impl::finish(Asked& asked, int64_t sample, const RequestResult& result) {
  asked.samples[static_cast<size_t>(sample)].reset();
  if (--asked.unfinished == 0) std::erase_if(live, [&](const auto& one) { return one.get() == &asked; });
  if (!asked.request.on_finish) return;
  asked.request.on_finish(sample, {.reason = result.reason,
                                   .status = result.status,
                                   .prompt_tokens = result.stats.prompt_tokens,
                                   .reused_tokens = result.stats.reused_tokens,
                                   .generated_tokens = result.stats.generated_tokens});
}

Result<RequestId> Llm::submit(TextRequest request) {
  const int64_t count = request.sample_count;
  if (count < 1 || count > kMostSamples) {
    return invalid_argument(
        fmt::format("{} samples of one prompt are not possible: 1 to {} are", count, kMostSamples));
  }
  CAIRN_ASSIGN_OR_RETURN(std::vector<TokenId> prompt, impl_->prompt_tokens(request, BosEos::kAsModelSays));
  const auto asked =
      std::make_shared<Asked>(Asked{.request = std::move(request),
                                    .samples = decltype(Asked::samples)(static_cast<size_t>(count)),
                                    .unfinished = count});
  std::vector<Request> samples;
  samples.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) samples.push_back(impl_->engine_request(asked, i, prompt));
  const auto on_begun = [asked](size_t sample, RequestId id) { asked->samples[sample] = id; };
  CAIRN_ASSIGN_OR_RETURN(asked->id, submit_samples(*impl_->engine, std::move(samples), on_begun));
  asked->samples.front() = asked->id;
  impl_->live.push_back(asked);
  return asked->id;
}

Result<RequestId> Llm::fork(RequestId parent, TextRequest request) {
  const auto from = impl_->find(parent);
  if (from == nullptr) return not_found("there is no such live request to fork");
  if (from->samples.size() != 1 || request.sample_count != 1) {
    return invalid_argument("a request of several samples cannot be forked, nor a fork have several");
  }
  CAIRN_ASSIGN_OR_RETURN(std::vector<TokenId> more, impl_->prompt_tokens(request, BosEos::kNone));
  const auto asked = std::make_shared<Asked>(
      Asked{.request = std::move(request), .samples = {std::nullopt}, .unfinished = 1});
  CAIRN_ASSIGN_OR_RETURN(asked->id,
                         impl_->engine->fork(parent, impl_->engine_request(asked, 0, std::move(more))));
  asked->samples.front() = asked->id;
  impl_->live.push_back(asked);
  return asked->id;
}

bool Llm::cancel(RequestId id) {
  const auto asked = impl_->find(id);
  if (asked == nullptr) return false;
  // By index: an end may be told at once. Those that have not begun end with the first.
  for (size_t i = 0; i < asked->samples.size(); ++i) {
    if (asked->samples[i].has_value()) impl_->engine->cancel(*asked->samples[i]);
  }
  return true;
}

void Llm::step() { impl_->engine->step(); }

void Llm::run() {
  while (!idle()) step();
}

bool Llm::idle() const { return impl_->engine->idle(); }
int64_t Llm::context() const { return impl_->engine->context(); }
int64_t Llm::vocab_size() const { return impl_->model->config().vocab_size; }
CacheStatistics Llm::cache_statistics() const { return cache_statistics_of(impl_->engine->cache()); }

}  // namespace cairn
