// Engine: the step loop under everything. generate, chat, verify and bench drive submit, step and cancel; nothing else
// runs a model.
//
// Always true: each submitted request ends exactly once (on_finish), a cancelled one within a step, one whose deadline
// has passed in the next step. A tenant's requests are served in the order of their priority, then of arrival; tenants
// share the rows by their weights (fair_queue.h), and of two tenants' requests the one is served first that got its place
// first. A later one never takes memory from an earlier one that runs, and
// where memory runs out a later one waits, or loses its rows and computes them again. Two take a place in the cache past
// those that are queued, since their rows are there and would be computed again: a fork whose parent's rows are ready
// (a free place, or an idle session's), and a turn of a session that still has rows (the place is its own). From then
// on they too are served by key. How requests are cut into steps,
// and what else runs beside them, changes none of their logits. A step commits all its rows before it calls anybody
// back, so callbacks see every request in order, and may submit, fork, extend, roll back and cancel.
// One thread calls an engine. Where memory runs short, a call that needs it returns kResourceExhausted, and a running
// request ends with that status; nothing throws. step() allocates nothing from the heap once warm, except with the
// storages none and growing, for a token's text of more than 15 bytes, for the history of a request of more than a
// million tokens, where a second model guesses tokens, and in callbacks.
#pragma once

#include <array>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/memory.h"
#include "cairn/status.h"
#include "engine/drafts/draft_sizes.h"
#include "engine/drafts/drafter.h"
#include "engine/engine_event_log.h"
#include "engine/engine_snapshot.h"
#include "engine/fair_queue.h"
#include "engine/forward_pass.h"
#include "engine/request.h"
#include "engine/request_queue.h"
#include "engine/sampler.h"
#include "engine/schedule_trace.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"
#include "engine/step_pace.h"
#include "engine/tenant.h"
#include "kv/kv_cache.h"
#include "kv/tiers/block_tiers.h"
#include "model/transformer.h"
#include "text/tokenizer.h"

namespace cairn {

class Model;
class ThreadPool;

struct EngineOptions {
  KvStorageKind storage = KvStorageKind::kPaged;
  PrefixSharing sharing = PrefixSharing::kOn;
  KvPlan kv_plan;
  int64_t context = 0;                 // positions of a sequence at most; 0 < context <= the model's own
  int64_t max_sequences = 1;           // how many run at once; more may be submitted, they wait
  int64_t prefill_chunk = 512;         // prompt rows in a step at most; without a cache a prompt is never cut
  int64_t score_chunk = 32;            // rows in a step whose logits LogitsWanted::kEveryPosition may request
  std::optional<uint64_t> pool_bytes;  // as KvCacheOptions
  std::optional<uint64_t> available_bytes;  // as KvCacheOptions
  // What a step with prompts may take, in percent of one in which the running streams only decode (step_pace.h); at least
  // 100. Absent: as many rows of prompts as the chunk has, however long they take.
  std::optional<int64_t> pace = {};
  // Guesses tokens ahead, so that a step may yield several of a sequence: the same ones as without, bit by bit. Null: none.
  // Only where the storage keeps rows.
  std::shared_ptr<Drafter> drafter = {};
  // Where sealed blocks are kept besides memory; none: nowhere. The model has a fingerprint then.
  BlockTierOptions tiers = {};
  uint64_t seed = 0;               // requests without a seed get one from this and their number
  const Clock* clock = nullptr;    // must outlive the engine; null: the system's steady clock
  ScheduleTrace* trace = nullptr;  // of every step; must outlive the engine; null: nothing is recorded
};

class Engine {
 public:
  // `threads` must outlive the engine. Errors: kInvalidArgument (an option), kResourceExhausted (no memory
  // for the cache: says how much and what to do).
  static Result<std::unique_ptr<Engine>> create(std::shared_ptr<const Model> model, ThreadPool& threads,
                                                const EngineOptions& options);

  // The same over parts made by hand (tests).
  struct Parts {
    std::unique_ptr<ForwardPass> pass;
    KvShape kv_shape;
    std::string identity;  // as KvCacheOptions::identity
    // Of each layer: how many positions a query sees at most; 0: all. For the statistics.
    std::vector<int64_t> layer_windows;
    Tokenizer tokenizer;                      // for text and the model's end tokens
    std::optional<int64_t> context_max = {};  // of the model; absent: none, or not known
  };
  // The parts that create() makes of a model; kInvalidArgument: the context. Its pass can do what these
  // options need.
  static Result<Parts> parts_of(std::shared_ptr<const Model> model, ThreadPool& threads,
                                const EngineOptions& options);
  // kInvalidArgument: an option that no engine can have (for what the cache refuses, see KvCache).
  static Status check_options(const EngineOptions& options);
  // The rows and logit rows in a step that a pass must be able to do for these options.
  [[nodiscard]] static int64_t step_rows(const EngineOptions& options);
  [[nodiscard]] static int64_t step_logit_rows(const EngineOptions& options);
  [[nodiscard]] static ForwardLimits forward_limits(const EngineOptions& options);
  // Rows in a step whose sequences all decode, with those of drafts.
  [[nodiscard]] static int64_t most_verified_rows(const EngineOptions& options);
  // The options of the engine's cache, but for its identity.
  [[nodiscard]] static KvCacheOptions cache_options(const KvShape& shape, const EngineOptions& options);
  static Result<std::unique_ptr<Engine>> create(Parts parts, const EngineOptions& options);

  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Takes the request, or returns what is wrong with it (kInvalidArgument: empty prompt, prompt longer than the
  // context, token outside the vocabulary, a parameter; kNotFound: the session; kResourceExhausted: no memory).
  // Nothing runs before step().
  Result<RequestId> submit(Request request);
  // A request that goes on from all that the live request `parent` has so far, prompt and generated tokens,
  // and shares its rows: at once, or when the parent's prompt has been run. `request.prompt` is what comes behind them
  // (it may be empty), the session must be. Parallel samples and beams begin so. Errors: as submit; kNotFound: the
  // parent.
  Result<RequestId> fork(RequestId parent, Request request);
  // Of a request with Picks::kByCaller that waits: these are its next tokens. Errors: kNotFound (no such
  // request, or it does not wait), kInvalidArgument (no tokens, one outside the vocabulary, more than
  // fit into the context).
  Status extend(RequestId id, std::span<const TokenId> tokens);
  // Likewise: its tokens end before `length` (at least its prompt, less than it has). The tokens after that are
  // dropped, and the logits after its last token are reported again.
  Status roll_back(RequestId id, int64_t length);
  // Both at once: its tokens end before `length`, and go on with these. Errors: as of both.
  Status replace(RequestId id, int64_t length, std::span<const TokenId> tokens);

  // What each tenant may have, in place of all that was said before; a tenant that is not named has weight 1 and no quota.
  // Holds from the next step on. Errors: kInvalidArgument (a weight, a tenant named twice), kUnsupported (a quota of a
  // cache that is not paged), after which nothing has changed; kResourceExhausted.
  Status set_tenants(std::span<const TenantShare> shares);
  // Rows that have been computed for a tenant. The engine forgets one without a share and without requests after a while.
  [[nodiscard]] int64_t rows_of(TenantId tenant) const { return queue_.row_count(tenant); }

  // One step: admit, schedule, run, settle. False where it did nothing: idle(), waits(), or called from a callback.
  bool step() { return step(step_limits_); }
  // A smaller one: so many rows of prompts, so that those that decode wait less for their next token. Limits outside
  // [1, step_limits()] count as the nearest in it. Without a cache every step computes all positions, and has
  // step_limits().
  bool step(const StepLimits& limits);
  // What the options allow.
  [[nodiscard]] const StepLimits& step_limits() const { return step_limits_; }
  // The request ends at once (from a callback: when the call ends that called back); false where it has ended already.
  bool cancel(RequestId id);
  // What the request has done so far, in callbacks too; null where it has ended.
  [[nodiscard]] const RequestStats* stats(RequestId id) const;
  [[nodiscard]] bool idle() const { return live_count() == 0; }
  // Whether step() would do nothing: idle, or all requests wait for their callers (extend).
  [[nodiscard]] bool waits() const { return live_count() == count_of(SequenceState::kAwaitsCaller); }
  // How many requests are in a state.
  [[nodiscard]] int64_t count_of(SequenceState state) const {
    return state_counts_[static_cast<size_t>(state)];
  }
  // How it stands, between two steps. Allocates.
  [[nodiscard]] EngineSnapshot snapshot() const;
  [[nodiscard]] int64_t live_count() const { return std::ssize(live_) - count_of(SequenceState::kEnded); }

  // A conversation: between its requests its rows stay, unless memory is needed (then they are computed
  // again).
  Result<SessionId> open_session();
  // Its rows are released. A request that runs in it goes on without it.
  void close_session(SessionId id);

  // The last decisions. Any thread may read the ring while the engine lives.
  [[nodiscard]] const EventRing<EngineEvent>& events() const { return events_.ring(); }
  [[nodiscard]] const KvCache& cache() const { return *cache_; }
  // Of the tiers that the options name; null: none. Its flush() and counts() are for any thread.
  [[nodiscard]] BlockTiers* tiers() const { return tiers_.get(); }
  [[nodiscard]] const ForwardPass& pass() const { return *pass_; }
  [[nodiscard]] int64_t context() const { return cache_->context(); }
  // Whether a call is going on that may call back: from a callback, step() does nothing.
  [[nodiscard]] bool is_in_call() const { return call_depth_ > 0; }

 private:
  // A tenant that has used up its quota: none of its requests is let in before there is room for the one that was refused,
  // or one comes that is more urgent.
  struct QuotaHold {
    TenantId tenant;
    SequenceKey key;
    uint64_t wanted_bytes = 0;  // of the quota, beside what is held
  };
  // What a step runs of one sequence.
  struct Part {
    Sequence* sequence = nullptr;
    int64_t row_count = 0;
    int64_t logit_count = 0;
    int64_t restored_count = 0;  // rows before those that come while the step runs: of the first part alone
    int64_t draft_count = 0;     // of its rows, the last ones: of its sequence's draft
  };
  class CacheRoom;  // how the scheduler gets memory from the cache
  class Call;  // a public call that may call back: what has ended is destroyed when the outermost one returns

  Engine(Parts parts, const EngineOptions& options, std::unique_ptr<BlockTiers> tiers,
         std::unique_ptr<KvCache> cache, PageMemory logits);
  // Rows of prompts in a step. Without a cache all positions of a sequence run at once.
  [[nodiscard]] static int64_t prefill_rows(const EngineOptions& options);
  // All but the pass.
  static Result<Parts> parts_beside_pass(const Model& model, const EngineOptions& options);
  static Result<std::unique_ptr<KvCache>> make_cache(const Parts& parts, const EngineOptions& options);
  static Result<std::unique_ptr<Engine>> assemble(Parts parts, const EngineOptions& options,
                                                  std::unique_ptr<KvCache> cache);
  // Null where no tier is named.
  static Result<std::unique_ptr<BlockTiers>> make_tiers(KvCache& cache, const EngineOptions& options);

  // Requests (engine.cc).
  [[nodiscard]] Status check(const Request& request) const;
  [[nodiscard]] Status check_scored(const Request& request, int64_t token_count) const;
  // These may throw; they change nothing then.
  Result<RequestId> take(Request request);
  Result<RequestId> take_fork(RequestId parent_id, Request request);
  Status take_tokens(RequestId id, std::span<const TokenId> tokens);
  Status take_back_tokens(RequestId id, int64_t length);
  Status go_on_with(Sequence& sequence, int64_t length, std::span<const TokenId> tokens);
  [[nodiscard]] static Status check_cut(const Sequence& sequence, int64_t length);
  void cut_tokens(Sequence& sequence, int64_t length, int64_t kept);
  void resume(Sequence& sequence);
  Result<Sequence*> start(Request request);
  static void make_history_room(Sequence& sequence, int64_t count);
  int64_t go_back(Sequence& sequence, const KvLease& kv, int64_t positions);
  void reserve_lists();
  [[nodiscard]] Sequence* find_sequence(RequestId id) const;
  [[nodiscard]] Sequence* find_waiting(RequestId id) const;
  void set_state(Sequence& sequence, SequenceState state);
  void retire();

  // Sessions (engine_sessions.cc).
  [[nodiscard]] Session* find_session(std::optional<SessionId> id);
  void continue_session(Session& session, Sequence& sequence, std::string salt);
  bool drop_an_idle_session();
  bool drop_an_idle_session_of(TenantId tenant);
  void drop_rows_of(Session& session);
  void keep_for_session(Session& session, Sequence& sequence, KvLease kv);

  // Quotas of tenants (engine_quota.cc).
  [[nodiscard]] static KvOwner owner_of(TenantId tenant) { return {tenant.value}; }
  Status take_shares(std::span<const TenantShare> shares);
  void hold_back_over_quota();
  [[nodiscard]] bool may_go_on(const QuotaHold& hold, const Tenant& tenant) const;
  void note_quotas(const Scheduler::Plan& plan);
  void wait_for_quota(Sequence& sequence);
  void finish_exceeding();

  // Places in the cache, and who waits for whom (engine_admission.cc).
  void admit();
  [[nodiscard]] size_t service_place(const Sequence& sequence) const;
  [[nodiscard]] bool comes_behind_blocked(const Sequence& sequence) const;
  [[nodiscard]] bool can_free_a_place() const;
  void free_a_place();
  void begin_rows(Sequence& sequence);
  void begin_fork(Sequence& child, const Sequence& parent);
  void place(Sequence& sequence, KvLease kv);
  void enqueue(Sequence& sequence);
  void take_back(Sequence& sequence);
  [[nodiscard]] std::span<const TokenId> findable_tokens(const Sequence& sequence) const;
  [[nodiscard]] Sequence* prefix_owner(Sequence& sequence) const;
  void fill_needs();
  void wait_for(Sequence& owner, Sequence& sequence);
  void stop_waiting(Sequence& sequence);
  void wake_waiters(Sequence& owner, int64_t positions);
  [[nodiscard]] int64_t held_by(const Sequence& sequence) const;

  // Blocks from other tiers (engine_tiers.cc).
  void note_found(Sequence& sequence, int64_t held);
  void ask_tiers(Sequence& sequence);
  void start_loads();
  [[nodiscard]] bool start_load(Sequence& sequence);
  void take_loaded();
  void take_loaded(Sequence& sequence);
  void end_load(Sequence& sequence, int64_t held);
  [[nodiscard]] bool is_alone(const Sequence& sequence) const;
  void add_loading_part(const StepLimits& limits);
  bool run_while_loading();
  void note_computed(uint64_t ns);

  // Speculative decoding (engine_drafts.cc).
  [[nodiscard]] int64_t draft_room(const Sequence& sequence) const;
  [[nodiscard]] bool may_have_drafts() const;
  void choose_drafts();
  void fill_drafts();
  void add_drafts();
  void report_draft(Sequence& sequence, int64_t first, int64_t first_logit_row);
  void verify_draft(Sequence& sequence, TokenId token, bool goes_on);
  void accept_draft(Sequence& sequence);

  // The parts of a step, in order (engine_step.cc).
  void finish_cancelled();
  void finish_late(uint64_t now_ns);
  [[nodiscard]] StepLimits within_step_limits(const StepLimits& limits) const;
  StepLimits at_pace(StepLimits limits);
  [[nodiscard]] Scheduler::Plan make_plan(const StepLimits& limits);
  void schedule(const StepLimits& limits);
  void note_grants();
  [[nodiscard]] SequenceNeed need_of(const Sequence& sequence) const;
  [[nodiscard]] static int64_t logit_row_count(const Sequence& sequence, int64_t end, int64_t row_count);
  void lay_batch();
  bool run();
  [[nodiscard]] Status forward(KvLayerGate& gate);
  void note_time(uint64_t begin_ns);
  void give_up(const Status& status);
  void isolate_suspect();

  // After a step's rows have been computed (engine_settle.cc).
  void settle();
  void note_beginning(Sequence& sequence);
  void report(Sequence& sequence, int64_t first_logit_row, const Part& part);
  void count_rows(const Part& part, int64_t first);
  [[nodiscard]] static FinishReason reason_of_length(const Sequence& sequence);
  void note_pick(Sequence& sequence);
  void pick_token(Sequence& sequence, std::span<const float> logits);
  Result<TokenId> choose_token(Sequence& sequence, std::span<const float> logits);
  [[nodiscard]] bool is_end(const Request& request, TokenId token) const;
  void deliver(Sequence& sequence, TokenId token);
  void finish(Sequence& sequence, FinishReason reason, Status status = {},
              std::optional<TokenId> end_token = std::nullopt);
  void flush_text(Sequence& sequence);
  void release_rows(Sequence& sequence);
  [[nodiscard]] std::span<const float> logits_of(int64_t logit_row) const;

  std::unique_ptr<ForwardPass> pass_;
  Tokenizer tokenizer_;
  std::vector<int64_t> layer_windows_;
  std::optional<int64_t> context_max_;
  std::optional<int64_t>
      penalty_window_;  // of requests without one: a text without end has what its queries see
  EngineOptions options_;
  SteadyClock steady_clock_;
  const Clock* clock_;
  std::unique_ptr<BlockTiers> tiers_;  // outlives the cache, which shows it what is sealed; null: none
  std::unique_ptr<KvCache> cache_;
  Sampler sampler_;
  TokenMask mask_;  // of the pick that is going on
  Scheduler scheduler_;
  StepLimits step_limits_;
  std::optional<StepPace> pace_;
  PaceNote pace_note_;  // what the trace records of it
  DraftSizes draft_sizes_;
  EngineEventLog events_;
  EngineCounts counts_;

  uint64_t next_id_ = 1;
  bool is_closing_ = false;
  int call_depth_ = 0;  // of public calls that may call back
  bool in_step_ = false;
  std::unordered_map<uint64_t, std::unique_ptr<Sequence>>
      live_;  // by id; those that ended last until retire()
  std::array<int64_t, kSequenceStates> state_counts_{};
  std::optional<RequestId> blocked_;  // the first that waits for memory; later ones are not let in
  FairQueue queue_;                   // kQueued, and what each tenant has had
  DeadlineQueue deadlines_;           // of all live ones that have one
  std::vector<Sequence*> placed_;     // those with a place in the cache, in the order of service_place
  std::vector<QuotaHold> holds_;      // capacity for all tenants that have a quota
  std::vector<Sequence*> exceeding_;  // that end with this step
  std::vector<Sequence*> ended_;
  std::vector<Sequence*> cancelled_;
  std::vector<Session> sessions_;  // the one used last stands last

  // One step's batch; capacity from the start.
  StepTiming timing_;                // but for its time
  std::vector<SequenceNeed> needs_;  // of placed_
  std::vector<Part> parts_;
  std::vector<DraftOffer> draft_offers_;  // of parts_
  std::vector<DraftAsk> draft_asks_;      // likewise
  std::vector<TokenId> tokens_;
  std::vector<BatchSequence> batch_sequences_;
  std::vector<int32_t> logit_rows_;
  std::vector<KvStepRows> kv_rows_;
  PageMemory logits_;  // [step_logit_rows][vocab_size] floats
};

}  // namespace cairn
