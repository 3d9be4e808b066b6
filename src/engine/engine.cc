#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/random.h"

namespace cairn {
namespace {

Status check_options(const EngineOptions& options) {
  if (options.prefill_chunk < 1) {
    return invalid_argument(
        fmt::format("a prefill chunk of {} rows is not possible: it must be at least 1 (--prefill-chunk)",
                    options.prefill_chunk));
  }
  if (options.score_chunk < 1) {
    return invalid_argument(
        fmt::format("a score chunk of {} rows is not possible: it must be at least 1", options.score_chunk));
  }
  return {};
}

// Rows of prompts in a step. Without a cache all positions of a sequence run at once.
int64_t prefill_rows(const EngineOptions& options) {
  if (options.holding == KvHolding::kNone) return options.context;
  return std::min(options.prefill_chunk, options.context * options.max_sequences);
}

Status check_tokens(const char* what, std::span<const TokenId> tokens, int64_t vocab_size) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= 0 && tokens[i] < vocab_size) continue;
    return invalid_argument(fmt::format("{} {} is token {}: the vocabulary has {} tokens (0 to {})", what, i,
                                        tokens[i], vocab_size, vocab_size - 1));
  }
  return {};
}

}  // namespace

int64_t Engine::step_rows(const EngineOptions& options) {
  // Beside a prompt, each other sequence may decode one row.
  return prefill_rows(options) + options.max_sequences - 1;
}

int64_t Engine::step_logit_rows(const EngineOptions& options) {
  return std::min(options.score_chunk, options.context) + options.max_sequences - 1;
}

Result<std::unique_ptr<KvCache>> Engine::make_cache(const KvShape& shape, const EngineOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_options(options));
  return KvCache::create({.shape = shape,
                          .holding = options.holding,
                          .context = options.context,
                          .max_sequences = options.max_sequences,
                          .pool_bytes = options.pool_bytes,
                          .available_bytes = options.available_bytes});
}

Result<std::unique_ptr<Engine>> Engine::create(Parts parts, const EngineOptions& options) {
  CAIRN_ASSIGN_OR_RETURN(auto cache, make_cache(parts.kv_shape, options));
  return assemble(std::move(parts), options, std::move(cache));
}

Result<std::unique_ptr<Engine>> Engine::assemble(Parts parts, const EngineOptions& options,
                                                 std::unique_ptr<KvCache> cache) {
  CHECK(parts.pass->max_rows() >= step_rows(options));
  CHECK(parts.pass->max_logit_rows() >= step_logit_rows(options));
  const auto floats = static_cast<uint64_t>(step_logit_rows(options) * parts.pass->vocab_size());
  CAIRN_ASSIGN_OR_RETURN(auto logits, PageMemory::allocate(floats * sizeof(float)));
  return std::unique_ptr<Engine>(new Engine(std::move(parts), options, std::move(cache), std::move(logits)));
}

Engine::Engine(Parts parts, const EngineOptions& options, std::unique_ptr<KvCache> cache, PageMemory logits)
    : pass_(std::move(parts.pass)),
      tokenizer_(std::move(parts.tokenizer)),
      layer_windows_(std::move(parts.layer_windows)),
      options_(options),
      clock_(options.clock != nullptr ? options.clock : &steady_clock_),
      cache_(std::move(cache)),
      sampler_(pass_->vocab_size()),
      scheduler_({.prefill_rows = prefill_rows(options),
                  .score_rows = std::min(options.score_chunk, options.context),
                  .cut_prompts = cache_->keeps_rows()},
                 options.max_sequences),
      logits_(std::move(logits)) {
  const auto rows = static_cast<size_t>(step_rows(options));
  const auto sequences = static_cast<size_t>(options.max_sequences);
  tokens_.reserve(rows);
  batch_sequences_.reserve(sequences);
  kv_sequences_.reserve(sequences);
  logit_rows_.reserve(static_cast<size_t>(step_logit_rows(options)));
}

Engine::~Engine() = default;

Status Engine::check(const Request& request) const {
  const auto prompt_count = static_cast<int64_t>(request.prompt.size());
  const int64_t vocab_size = pass_->vocab_size();
  if (prompt_count == 0) return invalid_argument("the prompt is empty: it needs at least one token");
  if (prompt_count > context()) {
    return invalid_argument(fmt::format(
        "the prompt has {} tokens, but the context holds {}: shorten it, or ask for a larger --context",
        prompt_count, context()));
  }
  if (prompt_count > cache_->max_length()) {
    return invalid_argument(fmt::format(
        "the prompt has {} tokens, but the cache's memory holds {}: shorten it, or give the cache more",
        prompt_count, cache_->max_length()));
  }
  if (request.logits_wanted == LogitsWanted::kEveryPosition && !cache_->keeps_rows() &&
      prompt_count > options_.score_chunk) {
    return invalid_argument(fmt::format(
        "without a cache a text is scored in one step: {} tokens are more than the score chunk of {}",
        prompt_count, options_.score_chunk));
  }
  if (request.max_tokens.has_value() && *request.max_tokens < 0) {
    return invalid_argument(fmt::format("max tokens is {}: it must be at least 0", *request.max_tokens));
  }
  if (std::any_of(request.stop_strings.begin(), request.stop_strings.end(),
                  [](const std::string& stop) { return stop.empty(); })) {
    return invalid_argument("a stop string is empty: leave it out");
  }
  CAIRN_RETURN_IF_ERROR(check_tokens("prompt position", request.prompt, vocab_size));
  CAIRN_RETURN_IF_ERROR(check_tokens("forced token", request.forced_tokens, vocab_size));
  return validate(request.sampling, vocab_size);
}

Result<RequestId> Engine::submit(Request request) {
  CAIRN_RETURN_IF_ERROR(check(request));
  Session* session = find_session(request.session);
  if (request.session.has_value() && session == nullptr) return not_found("the session is not open");
  if (session != nullptr && session->busy) {
    return invalid_argument("a request runs in this session already: wait for its end");
  }

  const RequestId id{next_id_++};
  const auto prompt_count = static_cast<int64_t>(request.prompt.size());
  // The last token is never run, so one more than the context's positions can be generated.
  const int64_t most = context() - prompt_count + 1;
  const int64_t max_tokens = std::min(most, request.max_tokens.value_or(most));
  if (!request.sampling.seed.has_value()) request.sampling.seed = random_bits(options_.seed, id.value, 0);

  std::vector<TokenId> tokens = request.prompt;
  tokens.reserve(static_cast<size_t>(prompt_count + max_tokens));
  StopMatcher stops(request.stop_strings);
  auto sequence = std::make_unique<Sequence>(
      Sequence{.id = id,
               .request = std::move(request),
               .tokens = std::move(tokens),
               .prompt_count = prompt_count,
               .max_tokens = max_tokens,
               .decoder = StreamDecoder(tokenizer_, {.position = TextPosition::kContinuation}),
               .stops = std::move(stops),
               .submitted_ns = clock_->now_ns()});
  sequence->stats.prompt_tokens = prompt_count;
  sequence->stats.scores_by_layer.assign(layer_windows_.size(), 0);
  if (session != nullptr) continue_session(*session, *sequence);
  live_.push_back(std::move(sequence));
  needs_.reserve(live_.capacity());
  return id;
}

bool Engine::cancel(RequestId id) {
  for (const auto& sequence : live_) {
    if (sequence->id != id || sequence->finished) continue;
    sequence->cancelled = true;
    return true;
  }
  return false;
}

const RequestStats* Engine::stats(RequestId id) const {
  const auto found =
      std::find_if(live_.begin(), live_.end(), [id](const auto& sequence) { return sequence->id == id; });
  return found == live_.end() || (*found)->finished ? nullptr : &(*found)->stats;
}

SessionId Engine::open_session() {
  const SessionId id{next_id_++};
  sessions_.push_back({.id = id});
  return id;
}

void Engine::close_session(SessionId id) {
  Session* session = find_session(id);
  if (session == nullptr) return;
  if (session->kv.has_value()) cache_->close(*session->kv);
  sessions_.erase(sessions_.begin() + (session - sessions_.data()));
}

Session* Engine::find_session(std::optional<SessionId> id) {
  if (!id.has_value()) return nullptr;
  const auto found =
      std::find_if(sessions_.begin(), sessions_.end(), [&](const Session& s) { return s.id == *id; });
  return found == sessions_.end() ? nullptr : &*found;
}

// The rows that the new prompt agrees with go to the sequence. At least the last token runs again: its logits
// are what the first token is picked from.
void Engine::continue_session(Session& session, Sequence& sequence) {
  session.busy = true;
  if (!session.kv.has_value()) return;
  const std::span<const TokenId> prompt = sequence.request.prompt;
  const std::span<const TokenId> again = prompt.first(prompt.size() - 1);
  const auto differs =
      std::mismatch(again.begin(), again.end(), session.tokens.begin(), session.tokens.end());
  const int64_t common = differs.first - again.begin();
  cache_->truncate(*session.kv, common);
  sequence.kv = std::exchange(session.kv, std::nullopt);
  sequence.scored = common;
  sequence.stats.reused_tokens = common;
  session.tokens.clear();
}

// Rows that only wait for a next turn are the first to go; of those, the ones that have waited longest.
bool Engine::drop_an_idle_session() {
  for (Session& session : sessions_) {
    if (!session.kv.has_value()) continue;
    cache_->close(*session.kv);
    session.kv.reset();
    session.tokens.clear();
    return true;
  }
  return false;
}

}  // namespace cairn
