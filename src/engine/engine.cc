#include "engine/engine.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/no_throw.h"
#include "base/random.h"
#include "engine/engine_call.h"
#include "engine/request_check.h"

namespace cairn {
namespace {

// Of a request's tokens, how many have memory from the start: those of any context, but a stream's grow with it.
constexpr int64_t kMostTokensAhead = int64_t{1} << 20;

PromptCuts prompt_cuts(const KvCache& cache) {
  if (!cache.keeps_rows()) return PromptCuts::kNowhere;
  return cache.geometry().opens_rows() ? PromptCuts::kAtBlockEnds : PromptCuts::kAnywhere;
}

}  // namespace

Result<std::unique_ptr<KvCache>> Engine::make_cache(const Parts& parts, const EngineOptions& options) {
  CAIRN_RETURN_IF_ERROR(check_options(options));
  KvCacheOptions cache = cache_options(parts.kv_shape, options);
  cache.identity = parts.identity;
  return KvCache::create(cache);
}

Result<std::unique_ptr<Engine>> Engine::create(Parts parts, const EngineOptions& options) {
  return no_throw([&]() -> Result<std::unique_ptr<Engine>> {
    CAIRN_ASSIGN_OR_RETURN(auto cache, make_cache(parts, options));
    return assemble(std::move(parts), options, std::move(cache));
  });
}

Result<std::unique_ptr<Engine>> Engine::assemble(Parts parts, const EngineOptions& options,
                                                 std::unique_ptr<KvCache> cache) {
  CHECK(parts.pass->max_rows() >= step_rows(options));
  CHECK(parts.pass->max_logit_rows() >= step_logit_rows(options));
  const auto floats = static_cast<uint64_t>(step_logit_rows(options) * parts.pass->vocab_size());
  CAIRN_ASSIGN_OR_RETURN(auto logits, PageMemory::allocate(floats * sizeof(float)));
  CAIRN_ASSIGN_OR_RETURN(auto tiers, make_tiers(*cache, options));
  return std::unique_ptr<Engine>(
      new Engine(std::move(parts), options, std::move(tiers), std::move(cache), std::move(logits)));
}

Engine::Engine(Parts parts, const EngineOptions& options, std::unique_ptr<BlockTiers> tiers,
               std::unique_ptr<KvCache> cache, PageMemory logits)
    : pass_(std::move(parts.pass)),
      tokenizer_(std::move(parts.tokenizer)),
      layer_windows_(std::move(parts.layer_windows)),
      context_max_(parts.context_max),
      penalty_window_(options.context == KvGeometry::kMaxStream
                          ? std::optional(std::ranges::max(layer_windows_))
                          : std::nullopt),
      options_(options),
      clock_(options.clock != nullptr ? options.clock : &steady_clock_),
      tiers_(std::move(tiers)),
      cache_(std::move(cache)),
      sampler_(pass_->vocab_size()),
      mask_(pass_->vocab_size()),
      scheduler_(options.max_sequences, prompt_cuts(*cache_)),
      step_limits_{.prefill_rows = prefill_rows(options),
                   .score_rows = std::min(options.score_chunk, options.context)},
      pace_(options.pace.has_value() ? std::optional<StepPace>({*options.pace, step_limits_.prefill_rows})
                                     : std::nullopt),
      logits_(std::move(logits)) {
  const auto rows = static_cast<size_t>(step_rows(options));
  const auto sequences = static_cast<size_t>(options.max_sequences);
  placed_.reserve(sequences);
  needs_.reserve(sequences);
  parts_.reserve(sequences);
  draft_offers_.reserve(sequences);
  draft_asks_.reserve(sequences);
  exceeding_.reserve(sequences);
  tokens_.reserve(rows);
  batch_sequences_.reserve(sequences);
  kv_rows_.reserve(sequences);
  logit_rows_.reserve(static_cast<size_t>(step_logit_rows(options)));
}

// Requests own their callbacks, which may own anything. What the destructors of those call finds an engine without
// requests that takes none.
Engine::~Engine() {
  is_closing_ = true;
  ++call_depth_;
  for (const auto& [id, sequence] : live_) {
    if (sequence->state == SequenceState::kEnded) continue;
    if (options_.drafter != nullptr) options_.drafter->forget(sequence->id);
    set_state(*sequence, SequenceState::kEnded);
    ended_.push_back(sequence.get());
  }
  retire();
}

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
  CAIRN_RETURN_IF_ERROR(check_request(request, {.vocab_size = pass_->vocab_size(),
                                                .context = context(),
                                                .context_max = context_max_,
                                                .cache_length = cache_->max_length()}));
  return check_scored(request, std::ssize(request.prompt));
}

Result<RequestId> Engine::submit(Request request) {
  return no_throw([&] { return take(std::move(request)); });
}

Result<RequestId> Engine::take(Request request) {
  if (is_closing_) return invalid_argument("the engine is being destroyed");
  CAIRN_RETURN_IF_ERROR(check(request));
  Session* session = find_session(request.session);
  if (request.session.has_value() && session == nullptr) return not_found("the session is not open");
  if (session != nullptr && session->busy) {
    return invalid_argument("a request runs in this session already: wait for its end");
  }
  std::string salt = request.salt;
  CAIRN_ASSIGN_OR_RETURN(Sequence * sequence, start(std::move(request)));
  events_.of_request(EngineEventKind::kSubmitted, sequence->id, sequence->prompt_count);
  if (session != nullptr) continue_session(*session, *sequence, std::move(salt));
  if (!sequence->kv) enqueue(*sequence);
  return sequence->id;
}

// The request has been checked. All memory that it will need on its way is taken here, but for the history of a stream
// (make_history_room): either all of it, or nothing has changed.
Result<Sequence*> Engine::start(Request request) {
  const RequestId id{next_id_};
  const auto prompt_count = static_cast<int64_t>(request.prompt.size());
  // The last token is never run, so one more than the context's positions can be generated.
  const int64_t most = context() - prompt_count + 1;
  const int64_t max_tokens = std::min(most, request.max_tokens.value_or(most));
  if (!request.sampling.seed.has_value()) request.sampling.seed = random_bits(options_.seed, id.value, 0);
  if (!request.sampling.penalty_window.has_value()) request.sampling.penalty_window = penalty_window_;

  const int64_t ahead = std::min(max_tokens, kMostTokensAhead);
  std::vector<TokenId> tokens;
  tokens.reserve(static_cast<size_t>(prompt_count + ahead));
  tokens = request.prompt;
  PrefixNames names = cache_->names_of(tokens, request.salt);
  names.blocks.reserve(static_cast<size_t>((prompt_count + ahead) / kBlockSize));
  StopMatcher stops(request.stop_strings);
  const int64_t likeliest_count = request.on_choice ? request.likeliest_count : 0;
  const SequenceKey key{-int64_t{request.priority}, id.value};
  Tenant& tenant = queue_.tenant(request.tenant);
  if (tiers_ != nullptr) tiers_->set_owner_tag(owner_of(request.tenant), request.owner_tag);
  auto sequence = std::make_unique<Sequence>(Sequence{
      .id = id,
      .key = key,
      .request = std::move(request),
      .tokens = std::move(tokens),
      .names = std::move(names),
      .prompt_count = prompt_count,
      .max_tokens = max_tokens,
      .decoder = StreamDecoder(
          tokenizer_, {.special_output = SpecialOutput::kShow, .position = TextPosition::kContinuation}),
      .stops = std::move(stops),
      .choice_report = ChoiceReport(likeliest_count),
      .submitted_ns = clock_->now_ns()});
  if (options_.drafter != nullptr) sequence->draft.tokens.reserve(kMostDraft);
  sequence->stats.prompt_tokens = prompt_count;
  sequence->stats.scores_by_layer.assign(layer_windows_.size(), 0);
  sequence->stats.kept_rows.resize(static_cast<size_t>(cache_->geometry().group_count()));
  reserve_lists();
  queue_.reserve(tenant);
  Sequence* const started = sequence.get();
  live_.emplace(id.value, std::move(sequence));
  ++next_id_;
  queue_.add(*started, tenant);
  if (started->request.deadline_ns.has_value()) deadlines_.push(*started);
  // Not in the queue yet: its caller says where it goes.
  ++state_counts_[static_cast<size_t>(started->state)];
  return started;
}

// Memory for `count` tokens more, and for the names of their blocks. Only a very long text has not got it yet. May throw.
void Engine::make_history_room(Sequence& sequence, int64_t count) {
  const size_t wanted = sequence.tokens.size() + static_cast<size_t>(count);
  if (wanted <= sequence.tokens.capacity()) return;
  const size_t larger = std::max(wanted, 2 * sequence.tokens.capacity());  // amortised
  sequence.names.blocks.reserve(larger / kBlockSize);
  sequence.tokens.reserve(larger);
}

// Every list can hold every live sequence, so that no step needs memory for one.
void Engine::reserve_lists() {
  const size_t count = live_.size() + 1;
  if (ended_.capacity() >= count && cancelled_.capacity() >= count && deadlines_.capacity() >= count) return;
  const size_t wanted = 2 * count;  // amortised
  deadlines_.reserve(wanted);
  ended_.reserve(wanted);
  cancelled_.reserve(wanted);
}

Result<RequestId> Engine::fork(RequestId parent_id, Request request) {
  return no_throw([&] { return take_fork(parent_id, std::move(request)); });
}

Result<RequestId> Engine::take_fork(RequestId parent_id, Request request) {
  Sequence* parent = find_sequence(parent_id);
  if (parent == nullptr) return not_found("there is no such request to fork");
  if (request.session.has_value()) {
    return invalid_argument("a fork goes on from its parent's rows: it has no session of its own");
  }
  request.prompt.insert(request.prompt.begin(), parent->tokens.begin(), parent->tokens.end());
  request.salt = parent->request.salt;
  request.owner_tag = parent->request.owner_tag;
  request.tenant = parent->request.tenant;
  CAIRN_RETURN_IF_ERROR(check(request));
  const auto common = std::ssize(parent->tokens);
  CAIRN_ASSIGN_OR_RETURN(Sequence * child, start(std::move(request)));
  events_.of_request(EngineEventKind::kForked, child->id, parent_id);
  // A parent that has only its last token to run is as far as it will be; else what it is computing is waited for.
  const bool is_ready = parent->kv && held_by(*parent) + 1 >= common;
  child->inherited = common - 1;
  child->scored = common - 1;
  const bool will_run = parent->state != SequenceState::kAwaitsCaller && !parent->cancelled;
  if (is_ready) {
    begin_fork(*child, *parent);
  } else if (will_run) {
    child->wanted_positions = common;
    child->is_fork = true;
    wait_for(*parent, *child);
  } else {
    enqueue(*child);
  }
  return child->id;
}

Status Engine::extend(RequestId id, std::span<const TokenId> tokens) {
  const Call call(*this);
  return no_throw([&] { return take_tokens(id, tokens); });
}

Status Engine::take_tokens(RequestId id, std::span<const TokenId> tokens) {
  Sequence* sequence = find_waiting(id);
  if (sequence == nullptr) return not_found("no such request waits for tokens");
  return go_on_with(*sequence, std::ssize(sequence->tokens), tokens);
}

Status Engine::replace(RequestId id, int64_t length, std::span<const TokenId> tokens) {
  const Call call(*this);
  return no_throw([&]() -> Status {
    Sequence* sequence = find_waiting(id);
    if (sequence == nullptr) return not_found("no such request waits for tokens");
    CAIRN_RETURN_IF_ERROR(check_cut(*sequence, length));
    return go_on_with(*sequence, length, tokens);
  });
}

// The sequence's tokens end before `length`, and go on with these.
Status Engine::go_on_with(Sequence& sequence, int64_t length, std::span<const TokenId> tokens) {
  if (tokens.empty()) return invalid_argument("there are no tokens to go on with");
  CAIRN_RETURN_IF_ERROR(check_tokens("token", tokens, pass_->vocab_size()));
  const auto count = static_cast<int64_t>(tokens.size());
  CAIRN_RETURN_IF_ERROR(check_scored(sequence.request, count));
  const int64_t generated = length - sequence.prompt_count;
  if (generated + count > sequence.max_tokens) {
    return invalid_argument(fmt::format("{} more tokens are too many: the request may have {} in all", count,
                                        sequence.max_tokens));
  }
  make_history_room(sequence, count);
  if (length < std::ssize(sequence.tokens)) cut_tokens(sequence, length, length);
  sequence.tokens.insert(sequence.tokens.end(), tokens.begin(), tokens.end());
  sequence.stats.generated_tokens += count;
  events_.of_request(EngineEventKind::kResumed, sequence.id, std::ssize(sequence.tokens));
  if (sequence.stats.generated_tokens == sequence.max_tokens) {
    finish(sequence, reason_of_length(sequence));
  } else {
    resume(sequence);
  }
  return {};
}

Status Engine::roll_back(RequestId id, int64_t length) {
  return no_throw([&] { return take_back_tokens(id, length); });
}

Status Engine::take_back_tokens(RequestId id, int64_t length) {
  Sequence* sequence = find_waiting(id);
  if (sequence == nullptr) return not_found("no such request waits for tokens");
  CAIRN_RETURN_IF_ERROR(check_cut(*sequence, length));
  cut_tokens(*sequence, length, length - 1);  // the last row runs again: its logits are reported again
  events_.of_request(EngineEventKind::kResumed, id, length);
  resume(*sequence);
  return {};
}

Status Engine::check_cut(const Sequence& sequence, int64_t length) {
  const auto count = std::ssize(sequence.tokens);
  if (length >= sequence.prompt_count && length < count) return {};
  return invalid_argument(fmt::format("a request of {} tokens, {} of them its prompt, cannot go back to {}",
                                      count, sequence.prompt_count, length));
}

// Of its rows `kept` stay, where there are more.
void Engine::cut_tokens(Sequence& sequence, int64_t length, int64_t kept) {
  sequence.tokens.resize(static_cast<size_t>(length));
  const auto named = static_cast<size_t>(length / kBlockSize);
  if (sequence.names.blocks.size() > named) sequence.names.blocks.resize(named);
  sequence.stats.generated_tokens = length - sequence.prompt_count;
  sequence.scored = std::min(sequence.scored, kept);
  if (sequence.kv && cache_->length(sequence.kv) > kept) go_back(sequence, sequence.kv, kept);
}

// One that waited has rows to run.
void Engine::resume(Sequence& sequence) {
  if (sequence.kv) return set_state(sequence, SequenceState::kRunning);
  enqueue(sequence);
}

// Where windows have passed what is needed from there, fewer rows stay. Returns how many.
int64_t Engine::go_back(Sequence& sequence, const KvLease& kv, int64_t positions) {
  const auto text = std::span<const TokenId>(sequence.tokens).first(static_cast<size_t>(positions));
  cache_->extend_names(sequence.names, text);
  const NamedText named{text, sequence.names};
  const int64_t kept = cache_->truncate(kv, positions, &named);
  if (positions - kept >= kBlockSize) {
    events_.of_request(EngineEventKind::kComputesAgain, sequence.id, positions - kept);
  }
  return kept;
}

Sequence* Engine::find_sequence(RequestId id) const {
  const auto found = live_.find(id.value);
  const bool lives = found != live_.end() && found->second->state != SequenceState::kEnded;
  return lives ? found->second.get() : nullptr;
}

Sequence* Engine::find_waiting(RequestId id) const {
  Sequence* sequence = find_sequence(id);
  const bool waits =
      sequence != nullptr && sequence->state == SequenceState::kAwaitsCaller && !sequence->cancelled;
  return waits ? sequence : nullptr;
}

bool Engine::cancel(RequestId id) {
  const Call call(*this);
  Sequence* sequence = find_sequence(id);
  if (sequence == nullptr) return false;
  if (call_depth_ == 1) {
    finish(*sequence, FinishReason::kCancelled);
  } else if (!sequence->cancelled) {
    sequence->cancelled = true;
    cancelled_.push_back(sequence);
  }
  return true;
}

const RequestStats* Engine::stats(RequestId id) const {
  const Sequence* sequence = find_sequence(id);
  return sequence == nullptr ? nullptr : &sequence->stats;
}

EngineSnapshot Engine::snapshot() const {
  EngineSnapshot now{.requests = state_counts_,
                     .counts = counts_,
                     .max_sequences = options_.max_sequences,
                     .context = context(),
                     .blocks = cache_->counts(),
                     .pool_bytes = cache_->pool_bytes(),
                     .used_bytes = cache_->used_bytes(),
                     .open_rows_bytes = cache_->open_bytes(),
                     .owners = cache_->owner_counts()};
  if (tiers_ != nullptr) now.tiers = tiers_->counts();
  now.requests[static_cast<size_t>(SequenceState::kEnded)] = 0;
  for (int32_t group = 0; group < cache_->geometry().group_count(); ++group) {
    now.groups.push_back(cache_->block_counts(group));
    now.group_bytes.push_back(cache_->geometry().block_bytes(group));
  }
  return now;
}

void Engine::set_state(Sequence& sequence, SequenceState state) {
  --state_counts_[static_cast<size_t>(sequence.state)];
  ++state_counts_[static_cast<size_t>(state)];
  sequence.state = state;
}

// Destroys what has ended. Requests own their callbacks, which may own anything: what their destructors call must find
// the engine in order.
void Engine::retire() {
  while (!ended_.empty()) {
    const auto node = live_.extract(ended_.back()->id.value);
    ended_.pop_back();
    --state_counts_[static_cast<size_t>(SequenceState::kEnded)];
  }
}

}  // namespace cairn
