#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/random.h"

namespace cairn {
namespace {

Status check_tokens(const char* what, std::span<const TokenId> tokens, int64_t vocab_size) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= 0 && tokens[i] < vocab_size) continue;
    return invalid_argument(fmt::format("{} {} is token {}: the vocabulary has {} tokens (0 to {})", what, i,
                                        tokens[i], vocab_size, vocab_size - 1));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<KvCache>> Engine::make_cache(const KvShape& shape, const EngineOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_options(options));
  return KvCache::create(cache_options(shape, options));
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

// Without a cache all rows run in one step, those whose logits are wanted too.
Status Engine::check_scored(const Request& request, int64_t token_count) const {
  if (request.logits_wanted == LogitsWanted::kSampled || cache_->keeps_rows() ||
      token_count <= options_.score_chunk) {
    return {};
  }
  return invalid_argument(fmt::format(
      "without a cache a text is scored in one step: {} tokens are more than the score chunk of {}",
      token_count, options_.score_chunk));
}

Status Engine::check(const Request& request) const {
  const auto prompt_count = static_cast<int64_t>(request.prompt.size());
  const int64_t vocab_size = pass_->vocab_size();
  if (prompt_count == 0) return invalid_argument("the prompt is empty: it needs at least one token");
  if (prompt_count > context()) {
    return invalid_argument(fmt::format(
        "the prompt has {} tokens, but the context holds {}: shorten it, or ask for a larger `context`",
        prompt_count, context()));
  }
  if (prompt_count > cache_->max_length()) {
    return invalid_argument(fmt::format(
        "the prompt has {} tokens, but the cache's memory holds {}: shorten it, or give the cache more",
        prompt_count, cache_->max_length()));
  }
  CAIRN_RETURN_IF_ERROR(check_scored(request, prompt_count));
  if (request.max_tokens.has_value() && *request.max_tokens < 0) {
    return invalid_argument(fmt::format("max tokens is {}: it must be at least 0", *request.max_tokens));
  }
  if (request.picks == Picks::kByCaller && request.on_text) {
    return invalid_argument("a request whose caller picks the tokens cannot be told text");
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
  Sequence& sequence = start(std::move(request));
  if (session != nullptr) continue_session(*session, sequence);
  return sequence.id;
}

// The request has been checked.
Sequence& Engine::start(Request request) {
  const RequestId id{next_id_++};
  std::vector<TokenId> tokens = request.prompt;
  const auto prompt_count = static_cast<int64_t>(tokens.size());
  // The last token is never run, so one more than the context's positions can be generated.
  const int64_t most = context() - prompt_count + 1;
  const int64_t max_tokens = std::min(most, request.max_tokens.value_or(most));
  if (!request.sampling.seed.has_value()) request.sampling.seed = random_bits(options_.seed, id.value, 0);

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
  live_.push_back(std::move(sequence));
  needs_.reserve(live_.capacity());
  return *live_.back();
}

Result<RequestId> Engine::fork(RequestId parent_id, Request request) {
  const Sequence* parent = find_sequence(parent_id);
  if (parent == nullptr) return not_found("there is no such request to fork");
  if (request.session.has_value()) {
    return invalid_argument("a fork goes on from its parent's rows: it has no session of its own");
  }
  request.prompt.insert(request.prompt.begin(), parent->tokens.begin(), parent->tokens.end());
  request.salt = parent->request.salt;
  CAIRN_RETURN_IF_ERROR(check(request));
  Sequence& child = start(std::move(request));
  if (!parent->kv) return child.id;
  child.kv = cache_->fork(parent->kv);
  if (!child.kv) return child.id;  // no room now: it will find what it can of the prefix
  // The last token runs, if need be again: its logits are wanted.
  const int64_t again = child.prompt_count - 1;
  if (cache_->length(child.kv) > again) cache_->truncate(child.kv, again);
  child.stats.reused_tokens = cache_->length(child.kv);
  child.scored = child.stats.reused_tokens;
  return child.id;
}

Status Engine::extend(RequestId id, std::span<const TokenId> tokens) {
  Sequence* sequence = find_waiting(id);
  if (sequence == nullptr) return not_found("no such request waits for tokens");
  if (tokens.empty()) return invalid_argument("no tokens are given to go on with");
  CAIRN_RETURN_IF_ERROR(check_tokens("token", tokens, pass_->vocab_size()));
  const auto count = static_cast<int64_t>(tokens.size());
  CAIRN_RETURN_IF_ERROR(check_scored(sequence->request, count));
  if (sequence->stats.generated_tokens + count > sequence->max_tokens) {
    return invalid_argument(fmt::format("{} more tokens are too many: the request may have {} in all", count,
                                        sequence->max_tokens));
  }
  sequence->tokens.insert(sequence->tokens.end(), tokens.begin(), tokens.end());
  sequence->stats.generated_tokens += count;
  sequence->waits = false;
  if (sequence->stats.generated_tokens == sequence->max_tokens) finish(*sequence, FinishReason::kLength);
  return {};
}

Status Engine::roll_back(RequestId id, int64_t length) {
  Sequence* sequence = find_waiting(id);
  if (sequence == nullptr) return not_found("no such request waits for tokens");
  const auto count = static_cast<int64_t>(sequence->tokens.size());
  if (length < sequence->prompt_count || length >= count) {
    return invalid_argument(fmt::format("a request of {} tokens, {} of them its prompt, cannot go back to {}",
                                        count, sequence->prompt_count, length));
  }
  sequence->tokens.resize(static_cast<size_t>(length));
  sequence->stats.generated_tokens = length - sequence->prompt_count;
  sequence->waits = false;
  if (sequence->kv && cache_->length(sequence->kv) >= length) cache_->truncate(sequence->kv, length - 1);
  sequence->scored = std::min(sequence->scored, length - 1);
  return {};
}

bool Engine::waits() const {
  return std::ranges::all_of(live_,
                             [](const auto& sequence) { return sequence->waits && !sequence->cancelled; });
}

Sequence* Engine::find_sequence(RequestId id) const {
  const auto found = std::ranges::find_if(live_, [id](const auto& sequence) { return sequence->id == id; });
  return found == live_.end() || (*found)->finished ? nullptr : found->get();
}

Sequence* Engine::find_waiting(RequestId id) const {
  Sequence* sequence = find_sequence(id);
  return sequence != nullptr && sequence->waits && !sequence->cancelled ? sequence : nullptr;
}

bool Engine::cancel(RequestId id) {
  Sequence* sequence = find_sequence(id);
  if (sequence == nullptr) return false;
  sequence->cancelled = true;
  if (!in_step_) finish(*sequence, FinishReason::kCancelled);
  return true;
}

const RequestStats* Engine::stats(RequestId id) const {
  const Sequence* sequence = find_sequence(id);
  return sequence == nullptr ? nullptr : &sequence->stats;
}

SessionId Engine::open_session() {
  const SessionId id{next_id_++};
  sessions_.push_back({.id = id});
  return id;
}

void Engine::close_session(SessionId id) {
  Session* session = find_session(id);
  if (session == nullptr) return;
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
  if (session.salt != sequence.request.salt) session.kv = {};  // another tenant's
  session.salt = sequence.request.salt;
  if (!session.kv) return;
  const std::span<const TokenId> prompt = sequence.request.prompt;
  const std::span<const TokenId> again = prompt.first(prompt.size() - 1);
  const auto differs =
      std::mismatch(again.begin(), again.end(), session.tokens.begin(), session.tokens.end());
  const int64_t kept = cache_->truncate(session.kv, differs.first - again.begin());
  sequence.kv = std::move(session.kv);
  sequence.scored = kept;
  sequence.stats.reused_tokens = kept;
  session.tokens.clear();
}

// Rows that only wait for a next turn are the first to go; of those, the ones that have waited longest.
bool Engine::drop_an_idle_session() {
  for (Session& session : sessions_) {
    if (!session.kv) continue;
    session.kv = {};
    session.tokens.clear();
    return true;
  }
  return false;
}

}  // namespace cairn
