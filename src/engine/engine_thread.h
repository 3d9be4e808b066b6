// EngineThread: an Engine with a thread of its own, for programs with many threads (a server).
//
// One thread, the loop, owns the engine: it takes the mail (requests, cancels, questions), steps, and sleeps
// while there is nothing to do. Any thread may call every function here that does not say otherwise.
//
// Always true: each request that submit() took ends exactly once, also one that the engine refuses (kError,
// with the engine's status), one that is cancelled while it is still in the mailbox, and all of them when the
// loop fails or is destroyed. What ran beside a request changes none of its tokens, as with a lone Engine.
//
// Listeners (a request's callbacks) are never called by the loop. What the request reports is copied into its
// Outbox, and the Executor gets a Delivery, to be run on a thread of its choice: one for all that a step has
// reported. A request without callbacks posts nothing.
//
// What the executor must do: keep the delivery and return at once, without running it, waiting or throwing;
// then call deliver() exactly once, on any thread but the loop's. It need not be FIFO, and a pool of threads
// will do: there is never more than one delivery of a request at a time, and the order within a request
// (begin, then logits, choice, token and text of each token, finish) is the outbox's. A delivery may outlive the
// EngineThread.
//
// No memory: a call that needs it returns kResourceExhausted; a request for which the loop has none ends with kError and
// kResourceExhausted, after the notes for which there was; the loop goes on. Only two things end the loop, and all its
// requests with kError: a question or an executor that throws. An executor that throws must not have kept the delivery.
// It is offered each delivery once more; listeners of one that it refuses again are destroyed without on_finish.
//
// Where the memory is bounded, when listeners are slow or an executor stands still: a request's notes that
// wait take at most `undelivered_bytes`; one that exceeds it ends with kError and kResourceExhausted after
// the notes that were in time. A request counts among `max_requests` until its on_finish has returned, so
// all notes together take at most max_requests * undelivered_bytes, and the executor's queue holds at most
// max_requests deliveries.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/no_throw.h"
#include "cairn/status.h"
#include "engine/engine.h"
#include "engine/outbox.h"
#include "engine/replying_call.h"
#include "engine/request.h"

namespace cairn {

using Delivery = std::shared_ptr<Outbox>;
using Executor = std::function<void(Delivery delivery)>;

struct EngineThreadOptions {
  size_t mailbox_capacity = 1024;  // requests and questions that the loop has not taken yet
  int64_t max_requests = 4096;     // that have not ended, or whose on_finish has not returned
  // Text and tokens of a whole context are far less. It leaves room for the logits of two steps of 32 scored
  // rows with the largest vocabularies (256 Ki floats each).
  uint64_t undelivered_bytes = uint64_t{64} << 20;
};

class EngineThread {
 public:
  struct LiveRequest;
  // A request, for cancel() and id_of(). It may be kept as long as one likes, and dropped at any time.
  using Ticket = std::shared_ptr<LiveRequest>;
  // Runs on the loop's thread, between two steps. It must not throw: what it throws ends the loop, as an
  // exception of the engine does.
  using Question = std::function<void(Engine&)>;
  // Drains are timed by the clock that a thread can wait for; a Clock can only be read.
  using TimePoint = std::chrono::steady_clock::time_point;

  // Errors: kInvalidArgument (an option is 0), kResourceExhausted (no memory, no thread).
  static Result<std::unique_ptr<EngineThread>> create(std::unique_ptr<Engine> engine, Executor executor,
                                                      const EngineThreadOptions& options);
  // Cancels all requests and joins the loop. Not from the loop's thread.
  ~EngineThread();
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  // Returns at once. Errors, after which no listener is ever called: kResourceExhausted (the mailbox is full,
  // too many requests, no memory, or the engine is being stopped), kInvalidArgument (on_mask, for which the loop would
  // have to wait; Request::constraint runs on the loop's thread), or the status with which the engine failed.
  Result<Ticket> submit(Request request);
  // Several samples of one prompt, which is computed once: `first`, and forks of it that begin at its prompt's end (their
  // own prompts are not looked at; salt and tenant are those of `first`). Each has its own sampling, limits, callbacks and
  // constraint, ends by itself, and generates what it would generate alone, also where another one is cancelled. Either
  // all are taken, in the order given, or none. Errors: as submit. Where the engine refuses one of them, all end with
  // kError and its status.
  Result<std::vector<Ticket>> submit_with_forks(Request first, std::vector<Request> forks);
  // A request that goes on from all that `parent` has when the loop gets to it (Engine::fork). Errors: as submit. Where
  // the parent has ended by then, it ends with kError and kNotFound.
  Result<Ticket> fork(Ticket parent, Request request);
  // The request ends with kCancelled, unless it has ended or ends by itself before the loop gets to it.
  // Never refused.
  void cancel(const Ticket& ticket);
  // A question that is taken runs exactly once, after all mail that was sent before it, unless the
  // engine fails first: then it is destroyed. Errors: kResourceExhausted (the mailbox is full, or the engine
  // has stopped, no memory), or the status with which the engine failed.
  Status ask(Question question);
  // Asks, and waits for what the function returns (or throws). Errors: as ask; kInternal: the engine failed before the
  // function ran. Not from the loop's thread.
  template <typename Function>
  auto query(Function function) -> Result<std::invoke_result_t<Function&, Engine&>>;
  // From a question only: the request's id in the engine; nothing where it has ended, or was refused there.
  [[nodiscard]] std::optional<RequestId> id_of(const Ticket& ticket) const;

  // Takes no more requests, lets those that are there end by themselves until the deadline, then cancels the
  // rest. Returns when all have ended and the loop is over; their deliveries may still be with the executor.
  // A second call can only bring the deadline forward. Not from the loop's thread.
  void drain(TimePoint deadline);

 private:
  // Of one kind: requests or a question.
  struct Mail {
    Ticket request;
    std::vector<Ticket> forks;  // further samples of that request
    Question question;

    template <typename Visit>
    void for_each_request(const Visit& visit) const {
      if (request != nullptr) visit(request);
      for (const Ticket& fork : forks) visit(fork);
    }
  };

  EngineThread(std::unique_ptr<Engine> engine, Executor executor, const EngineThreadOptions& options);
  [[nodiscard]] bool on_loop_thread() const { return std::this_thread::get_id() == thread_.get_id(); }
  Result<Ticket> send(Request request, Ticket parent);
  [[nodiscard]] Ticket make_ticket(Request& request) const;
  // Why there is no room, or no engine any more, for a piece of mail; the caller has locked the mutex.
  [[nodiscard]] Status refusal_of_mail() const;
  [[nodiscard]] Status refusal_of_requests(int64_t count) const;

  // The loop's thread, and all it calls.
  void run() noexcept;
  bool take_mail();
  void sleep(std::unique_lock<std::mutex>& lock);
  void do_mail();
  void start(const Mail& mail);
  void start(LiveRequest& live);
  void start_samples(const Mail& mail);
  void refuse(const Mail& mail, const Status& why);
  Result<RequestId> enter(LiveRequest& live);
  void listen(LiveRequest& live);
  void changed(LiveRequest& live);
  void keep(LiveRequest& live, bool taken);
  void do_cancels();
  void end(LiveRequest& live, const RequestResult& result);
  void post_deliveries();
  void post(LiveRequest& live);
  void post_what_is_taken() noexcept;
  void forget_ended();
  void fail(Status why) noexcept;

  const EngineThreadOptions options_;
  const Executor executor_;
  // Requests that have not ended, or whose last listener has not returned; deliveries outlive this object.
  const std::shared_ptr<std::atomic<int64_t>> open_requests_ = std::make_shared<std::atomic<int64_t>>(0);

  std::mutex mutex_;                  // guards the mailbox: from here ...
  std::condition_variable has_mail_;  // of the loop
  std::condition_variable has_stopped_;
  std::vector<Mail> mail_;
  bool cancels_ = false;  // some request's `cancel_wanted` has been set
  std::optional<TimePoint> deadline_;
  bool stopped_ = false;
  Status failure_;  // ... to here

  // The loop's own. Their capacity is there from the start: a callback of the engine never allocates.
  std::unique_ptr<Engine> engine_;
  std::vector<Mail> taken_;
  std::vector<Ticket> live_;           // that the loop knows of and that have not ended
  std::vector<LiveRequest*> changed_;  // of those in live_: may need a delivery
  int64_t ended_count_ = 0;            // of those in live_
  std::thread thread_;
};

template <typename Function>
auto EngineThread::query(Function function) -> Result<std::invoke_result_t<Function&, Engine&>> {
  CHECK(!on_loop_thread());
  using Call = ReplyingCall<Function, Engine>;
  std::future<std::optional<typename Call::Value>> reply;
  CAIRN_RETURN_IF_ERROR(no_throw([&] {
    auto call = std::make_shared<Call>(std::move(function));
    reply = call->reply();
    return ask([call = std::move(call)](Engine& engine) { call->run(engine); });
  }));
  std::optional<typename Call::Value> value = reply.get();
  if (value.has_value()) return std::move(*value);
  return no_throw([] { return internal_error("the engine failed before the question could run"); });
}

}  // namespace cairn
