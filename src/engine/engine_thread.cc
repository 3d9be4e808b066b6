#include "engine/engine_thread.h"

#include <fmt/format.h>

#include <algorithm>
#include <new>
#include <system_error>

namespace cairn {
namespace {

// Short enough for a string without an allocation.
Status out_of_memory() { return resource_exhausted("out of memory"); }

Status status_of_exception() noexcept {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    return out_of_memory();
  } catch (const std::exception& error) {
    return internal_error(std::string("the engine has failed: ") + error.what());
  } catch (...) {
    return internal_error("the engine has failed");
  }
}

}  // namespace

struct EngineThread::LiveRequest : std::enable_shared_from_this<LiveRequest> {
  LiveRequest(Request asked, uint64_t undelivered_bytes,
              const std::shared_ptr<std::atomic<int64_t>>& open_requests)
      : outbox(take_listeners(asked), undelivered_bytes, open_requests), request(std::move(asked)) {}

  std::atomic<bool> cancel_wanted{false};  // by any thread
  Outbox outbox;
  // The loop's own, once it has taken the mail.
  Request request;              // until the engine gets it
  std::optional<RequestId> id;  // while the engine has it
  bool changed = false;         // stands in changed_
  bool ended = false;
};

EngineThread::EngineThread(std::unique_ptr<Engine> engine, Executor executor,
                           const EngineThreadOptions& options)
    : options_(options), executor_(std::move(executor)), engine_(std::move(engine)) {
  mail_.reserve(options.mailbox_capacity);
  taken_.reserve(options.mailbox_capacity);
  live_.reserve(static_cast<size_t>(options.max_requests));
  changed_.reserve(static_cast<size_t>(options.max_requests));
}

Result<std::unique_ptr<EngineThread>> EngineThread::create(std::unique_ptr<Engine> engine, Executor executor,
                                                           const EngineThreadOptions& options) {
  if (options.mailbox_capacity < 1 || options.max_requests < 1 || options.undelivered_bytes < 1) {
    return invalid_argument("the engine's thread needs room for mail, requests and what they report");
  }
  try {
    std::unique_ptr<EngineThread> self(new EngineThread(std::move(engine), std::move(executor), options));
    self->thread_ = std::thread([loop = self.get()] { loop->run(); });
    return self;
  } catch (const std::system_error& error) {
    return resource_exhausted(fmt::format("the engine's thread cannot be started: {}", error.what()));
  } catch (const std::exception&) {  // std::bad_alloc, std::length_error
    return resource_exhausted("there is no memory for the mailbox of the engine's thread");
  }
}

EngineThread::~EngineThread() {
  if (!thread_.joinable()) return;
  drain(TimePoint::min());
  thread_.join();
}

// ---- any thread ----

Status EngineThread::refusal_of_mail() const {
  if (!failure_.ok()) return failure_;
  if (stopped_) return resource_exhausted("the engine has been stopped");
  if (mail_.size() < options_.mailbox_capacity) return {};
  return resource_exhausted(
      fmt::format("the engine is busy: its mailbox is full, with {} entries", mail_.size()));
}

Status EngineThread::refusal_of_request() const {
  CAIRN_RETURN_IF_ERROR(refusal_of_mail());
  if (deadline_.has_value()) return resource_exhausted("the engine is being stopped: it takes no requests");
  if (*open_requests_ < options_.max_requests) return {};
  return resource_exhausted(
      fmt::format("the engine is busy: it has {} requests, as many as it may", options_.max_requests));
}

Result<EngineThread::Ticket> EngineThread::submit(Request request) try {
  Ticket ticket;
  {
    const std::lock_guard lock(mutex_);
    CAIRN_RETURN_IF_ERROR(refusal_of_request());
    ticket = std::make_shared<LiveRequest>(std::move(request), options_.undelivered_bytes, open_requests_);
    mail_.push_back({.request = ticket, .question = nullptr});
  }
  has_mail_.notify_one();
  return ticket;
} catch (const std::bad_alloc&) {
  return out_of_memory();
}

void EngineThread::cancel(const Ticket& ticket) {
  if (ticket->cancel_wanted.exchange(true)) return;
  {
    const std::lock_guard lock(mutex_);
    cancels_ = true;
  }
  has_mail_.notify_one();
}

Status EngineThread::ask(Question question) {
  {
    const std::lock_guard lock(mutex_);
    CAIRN_RETURN_IF_ERROR(refusal_of_mail());
    mail_.push_back({.request = nullptr, .question = std::move(question)});
  }
  has_mail_.notify_one();
  return {};
}

void EngineThread::drain(TimePoint deadline) {
  CHECK(!on_loop_thread());
  std::unique_lock lock(mutex_);
  deadline_ = std::min(deadline, deadline_.value_or(deadline));
  has_mail_.notify_one();
  has_stopped_.wait(lock, [this] { return stopped_; });
}

// ---- the loop's thread ----

std::optional<RequestId> EngineThread::id_of(const Ticket& ticket) const {
  CHECK(on_loop_thread());
  return ticket->id;
}

void EngineThread::run() noexcept {
  try {
    while (take_mail()) {
      do_mail();
      if (!engine_->waits()) engine_->step();
      post_deliveries();
      forget_ended();
    }
  } catch (...) {
    fail(status_of_exception());
  }
  has_stopped_.notify_all();
}

// False: the loop is over.
bool EngineThread::take_mail() {
  const bool waits = engine_->waits();
  std::unique_lock lock(mutex_);
  if (waits) sleep(lock);
  taken_.swap(mail_);
  stopped_ = deadline_.has_value() && taken_.empty() && live_.empty();
  if (stopped_) return false;
  const bool late = deadline_.has_value() && std::chrono::steady_clock::now() >= *deadline_;
  const bool cancels = std::exchange(cancels_, false);
  lock.unlock();
  for (const Mail& mail : taken_) {
    if (mail.request != nullptr) live_.push_back(mail.request);
  }
  if (late) {
    for (const Ticket& live : live_) live->cancel_wanted = true;
  }
  if (late || cancels) do_cancels();
  return true;
}

void EngineThread::sleep(std::unique_lock<std::mutex>& lock) {
  while (mail_.empty() && !cancels_) {
    if (!deadline_.has_value()) {
      has_mail_.wait(lock);
      continue;
    }
    const TimePoint until = *deadline_;
    if (live_.empty() || std::chrono::steady_clock::now() >= until) return;
    has_mail_.wait_until(lock, until);
  }
}

// Those that the engine has; the others are looked at when they start.
void EngineThread::do_cancels() {
  for (const Ticket& live : live_) {
    if (live->cancel_wanted && live->id.has_value()) engine_->cancel(*live->id);
  }
}

void EngineThread::do_mail() {
  for (Mail& mail : taken_) {
    if (mail.request != nullptr) start(*mail.request);
    // Out of the mail first: what throws is not asked again.
    if (const Question question = std::exchange(mail.question, nullptr)) question(*engine_);
  }
  taken_.clear();
}

void EngineThread::start(LiveRequest& live) {
  if (live.cancel_wanted) return end(live, {.reason = FinishReason::kCancelled});
  listen(live);
  try {
    const Result<RequestId> id = engine_->submit(std::move(live.request));
    if (!id.ok()) return end(live, {.reason = FinishReason::kError, .status = id.status()});
    live.id = *id;
  } catch (const std::bad_alloc&) {
    end(live, {.reason = FinishReason::kError, .status = out_of_memory()});
  }
}

// Only what someone listens to is copied. `live` is in live_ until the engine has called on_finish.
void EngineThread::listen(LiveRequest& live) {
  const Listeners& listeners = live.outbox.listeners();
  if (listeners.on_logits) {
    live.request.on_logits = [this, &live](int64_t position, std::span<const float> logits) {
      keep(live, live.outbox.add_logits(position, logits));
    };
  }
  if (listeners.on_token) {
    live.request.on_token = [this, &live](TokenId token) { keep(live, live.outbox.add_token(token)); };
  }
  if (listeners.on_text) {
    live.request.on_text = [this, &live](std::string_view text) { keep(live, live.outbox.add_text(text)); };
  }
  live.request.on_finish = [this, &live](const RequestResult& result) { end(live, result); };
}

void EngineThread::keep(LiveRequest& live, bool taken) {
  changed(live);
  if (!taken && live.id.has_value()) engine_->cancel(*live.id);
}

void EngineThread::end(LiveRequest& live, const RequestResult& result) {
  DCHECK(!live.ended);
  live.ended = true;
  live.id.reset();
  ++ended_count_;
  live.outbox.finish(result);
  changed(live);
}

void EngineThread::changed(LiveRequest& live) {
  if (!std::exchange(live.changed, true)) changed_.push_back(&live);
}

// After the step, so that a request gets one delivery for all that a step has brought.
void EngineThread::post_deliveries() {
  for (LiveRequest* const live : changed_) {
    live->changed = false;
    if (live->outbox.needs_delivery()) executor_(Delivery(live->shared_from_this(), &live->outbox));
  }
  changed_.clear();
}

void EngineThread::forget_ended() {
  if (std::exchange(ended_count_, 0) == 0) return;
  std::erase_if(live_, [](const Ticket& live) { return live->ended; });
}

// The engine is not touched again: nobody knows what state it is in.
void EngineThread::fail(const Status& why) noexcept {
  std::vector<Mail> rest;
  {
    const std::lock_guard lock(mutex_);
    failure_ = why;
    rest.swap(mail_);
  }
  forget_ended();
  for (const Mail& mail : rest) {
    if (mail.request != nullptr) live_.push_back(mail.request);
  }
  for (const Ticket& live : live_) {
    if (!live->ended) end(*live, {.reason = FinishReason::kError, .status = why});
  }
  try {
    post_deliveries();
  } catch (...) {  // an executor that throws may be what has failed: there is no way left to its listeners
  }
  taken_.clear();  // and `rest`: who waits for a question learns that it is not asked
  const std::lock_guard lock(mutex_);
  stopped_ = true;
}

}  // namespace cairn
