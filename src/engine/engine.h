// Engine: the step loop under everything. generate, chat, verify, bench and the server drive submit, step and
// cancel; nothing else runs a model.
//
// Always true: each submitted request ends exactly once (on_finish), a cancelled one within a step. Requests
// are served in the order of arrival: a later one never takes memory from an earlier one, and where memory
// runs out a later one waits or gives its rows back and computes them again. How requests are cut into steps,
// and what else runs beside them, changes none of their logits.
// One thread calls an engine. step() allocates nothing from the heap once warm, but with the holdings none
// and growing, for a token's text of more than 15 bytes, and in callbacks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/memory.h"
#include "cairn/status.h"
#include "engine/forward_pass.h"
#include "engine/request.h"
#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"
#include "kv/kv_cache.h"
#include "model/transformer.h"
#include "text/tokenizer.h"

namespace cairn {

class Model;
class ThreadPool;

struct EngineOptions {
  KvHolding holding = KvHolding::kPaged;
  KvSharing sharing = KvSharing::kPrefixes;
  KvPlan kv_plan;
  int64_t context = 0;                 // positions of a sequence at most; 0 < context <= the model's own
  int64_t max_sequences = 1;           // how many run at once; more may be submitted, they wait
  int64_t prefill_chunk = 512;         // prompt rows in a step at most; without a cache a prompt is never cut
  int64_t score_chunk = 32;            // rows in a step whose logits LogitsWanted::kEveryPosition may ask for
  std::optional<uint64_t> pool_bytes;  // as KvCacheOptions
  std::optional<uint64_t> available_bytes;  // as KvCacheOptions
  uint64_t seed = 0;                        // requests without a seed get one from this and their number
  const Clock* clock = nullptr;             // must outlive the engine; null: the system's steady clock
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
    std::vector<int64_t> layer_windows;  // as LayerConfig::window, for each layer; for the statistics
    Tokenizer tokenizer;                 // for text and the model's end tokens
  };
  // The parts that create() makes of a model; kInvalidArgument: the context. Its pass can do what these
  // options ask.
  static Result<Parts> parts_of(std::shared_ptr<const Model> model, ThreadPool& threads,
                                const EngineOptions& options);
  // kInvalidArgument: an option that no engine can have (what the cache refuses, KvCache says).
  static Status check_options(const EngineOptions& options);
  // The rows and logit rows in a step that a pass must be able to do for these options.
  [[nodiscard]] static int64_t step_rows(const EngineOptions& options);
  [[nodiscard]] static int64_t step_logit_rows(const EngineOptions& options);
  [[nodiscard]] static ForwardLimits forward_limits(const EngineOptions& options);
  // The options of the engine's cache.
  [[nodiscard]] static KvCacheOptions cache_options(const KvShape& shape, const EngineOptions& options);
  static Result<std::unique_ptr<Engine>> create(Parts parts, const EngineOptions& options);

  ~Engine();
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  // Takes the request, or says what is wrong with it (kInvalidArgument: empty prompt, prompt longer than the
  // context, token outside the vocabulary, a parameter; kNotFound: the session). Nothing runs before step().
  Result<RequestId> submit(Request request);
  // A request that goes on from all that the live request `parent` has so far, prompt and generated tokens,
  // and shares its rows; `request.prompt` is what comes behind them (it may be empty), the session must be.
  // Parallel samples and beams begin so. Errors: as submit; kNotFound: the parent.
  Result<RequestId> fork(RequestId parent, Request request);
  // Of a request with Picks::kByCaller that waits: these are its next tokens. Errors: kNotFound (no such
  // request, or it does not wait), kInvalidArgument (no tokens, one outside the vocabulary, more than the
  // context holds).
  Status extend(RequestId id, std::span<const TokenId> tokens);
  // Likewise: its tokens end before `length` (1 <= length < what it has): what was tried is taken back, and
  // the Likewise: its tokens end before `length` (at least its prompt, less than it has): what was tried is
  // taken back, and the logits after its last token are told again.
  Status roll_back(RequestId id, int64_t length);

  // One step: schedule, run, settle. Does nothing where idle().
  void step();
  // The request ends at once (from a callback: in this step); false where it has ended already.
  bool cancel(RequestId id);
  // What the request has done so far, in callbacks too; null where it has ended.
  [[nodiscard]] const RequestStats* stats(RequestId id) const;
  [[nodiscard]] bool idle() const { return live_.empty(); }
  // Whether step() would do nothing: idle, or all requests wait for their callers (extend).
  [[nodiscard]] bool waits() const;

  // A conversation: between its requests its rows stay, unless memory is needed (then they are computed
  // again).
  SessionId open_session();
  // Lets its rows go. A request that runs in it goes on without it.
  void close_session(SessionId id);

  [[nodiscard]] const KvCache& cache() const { return *cache_; }
  [[nodiscard]] const ForwardPass& pass() const { return *pass_; }
  [[nodiscard]] int64_t context() const { return cache_->context(); }

 private:
  class CacheRoom;  // how the scheduler's wishes reach the cache

  Engine(Parts parts, const EngineOptions& options, std::unique_ptr<KvCache> cache, PageMemory logits);
  // Rows of prompts in a step. Without a cache all positions of a sequence run at once.
  [[nodiscard]] static int64_t prefill_rows(const EngineOptions& options);
  static Result<std::unique_ptr<KvCache>> make_cache(const KvShape& shape, const EngineOptions& options);
  static Result<std::unique_ptr<Engine>> assemble(Parts parts, const EngineOptions& options,
                                                  std::unique_ptr<KvCache> cache);

  [[nodiscard]] Status check(const Request& request) const;
  [[nodiscard]] Status check_scored(const Request& request, int64_t token_count) const;
  Sequence& start(Request request);
  [[nodiscard]] Sequence* find_sequence(RequestId id) const;
  [[nodiscard]] Sequence* find_waiting(RequestId id) const;
  [[nodiscard]] Session* find_session(std::optional<SessionId> id);
  void continue_session(Session& session, Sequence& sequence);
  bool drop_an_idle_session();

  // The parts of a step, in order.
  void retire_cancelled();
  void admit();
  bool schedule();
  void run();
  void settle();

  [[nodiscard]] bool waits_for_prefix(size_t index) const;
  bool begin_rows(size_t index);
  [[nodiscard]] Sequence* place_to_take(size_t index) const;
  void take_back(Sequence& sequence);
  [[nodiscard]] SequenceNeed need_of(const Sequence& sequence) const;
  [[nodiscard]] int64_t logit_row_count(const Sequence& sequence, int64_t row_count) const;
  // Answers how many logit rows were the sequence's.
  int64_t settle_rows(Sequence& sequence, int64_t row_count, int64_t first_logit_row);
  void count_rows(Sequence& sequence, int64_t first, int64_t row_count);
  void note_pick(Sequence& sequence);
  void pick_token(Sequence& sequence, std::span<const float> logits);
  void deliver(Sequence& sequence, TokenId token);
  void finish(Sequence& sequence, FinishReason reason, Status status = {},
              std::optional<TokenId> end_token = std::nullopt);
  void release_rows(Sequence& sequence);
  [[nodiscard]] std::span<const float> logits_of(int64_t logit_row) const;

  std::unique_ptr<ForwardPass> pass_;
  Tokenizer tokenizer_;
  std::vector<int64_t> layer_windows_;
  EngineOptions options_;
  SteadyClock steady_clock_;
  const Clock* clock_;
  std::unique_ptr<KvCache> cache_;
  Sampler sampler_;
  Scheduler scheduler_;

  uint64_t next_id_ = 1;
  bool in_step_ = false;
  std::vector<std::unique_ptr<Sequence>> live_;  // in the order of arrival
  std::vector<Session> sessions_;

  // One step's batch; capacity from the start.
  std::vector<SequenceNeed> needs_;
  std::span<const RowGrant> grants_;
  std::vector<TokenId> tokens_;
  std::vector<BatchSequence> batch_sequences_;
  std::vector<int32_t> logit_rows_;
  std::vector<SequenceId> kv_sequences_;
  PageMemory logits_;  // [step_logit_rows][vocab_size] floats
};

}  // namespace cairn
