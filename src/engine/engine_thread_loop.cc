// What the loop's thread does.
#include <algorithm>
#include <exception>
#include <new>
#include <string>

#include "base/no_throw.h"
#include "engine/engine_thread.h"
#include "engine/live_request.h"

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
    return no_throw([&] { return internal_error(std::string("the engine has failed: ") + error.what()); });
  } catch (...) {
    return no_throw([] { return internal_error("the engine has failed"); });
  }
}

}  // namespace

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
    mail.for_each_request([this](const Ticket& request) { live_.push_back(request); });
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
    if (mail.request != nullptr) start(mail);
    // Out of the mail first: a question that throws does not run again.
    if (const Question question = std::exchange(mail.question, nullptr)) question(*engine_);
  }
  taken_.clear();
}

void EngineThread::start(const Mail& mail) {
  if (mail.forks.empty()) {
    start(*mail.request);
  } else {
    start_samples(mail);
  }
}

// The first that is not cancelled computes the prompt, the others are its forks: no step comes between.
void EngineThread::start_samples(const Mail& mail) {
  Request& common = mail.request->request;
  std::vector<TokenId> prompt = std::move(common.prompt);
  const std::string salt = std::move(common.salt);
  const OwnerTag owner_tag = common.owner_tag;
  const TenantId tenant = common.tenant;
  const std::optional<SessionId> session = std::exchange(common.session, std::nullopt);
  const LiveRequest* begun = nullptr;
  Status refusal;
  mail.for_each_request([&](const Ticket& live) {
    if (!refusal.ok()) return;
    if (live->cancel_wanted) return end(*live, {.reason = FinishReason::kCancelled});
    listen(*live);
    live->request.prompt.clear();
    const Result<RequestId> id = no_throw([&]() -> Result<RequestId> {
      if (begun != nullptr) return engine_->fork(*begun->id, std::move(live->request));
      live->request.prompt = std::move(prompt);
      live->request.salt = salt;
      live->request.owner_tag = owner_tag;
      live->request.tenant = tenant;
      live->request.session = session;
      return engine_->submit(std::move(live->request));
    });
    if (!id.ok()) {
      refusal = no_throw([&] { return id.status(); });
      return;
    }
    live->id = *id;
    if (begun == nullptr) begun = live.get();
  });
  if (!refusal.ok()) refuse(mail, refusal);
}

// All end so, those that the engine has taken too: they have not run.
void EngineThread::refuse(const Mail& mail, const Status& why) {
  mail.for_each_request([&](const Ticket& live) {
    if (live->ended) return;
    const std::optional<RequestId> taken = live->id;
    end(*live, {.reason = FinishReason::kError, .status = no_throw([&] { return Status(why); })});
    if (taken.has_value()) engine_->cancel(*taken);
  });
}

void EngineThread::start(LiveRequest& live) {
  if (live.cancel_wanted) return end(live, {.reason = FinishReason::kCancelled});
  listen(live);
  const Result<RequestId> id = no_throw([&] { return enter(live); });
  if (id.ok()) {
    live.id = *id;
  } else {
    end(live, {.reason = FinishReason::kError, .status = no_throw([&] { return id.status(); })});
  }
}

Result<RequestId> EngineThread::enter(LiveRequest& live) {
  const Ticket parent = std::exchange(live.parent, nullptr);
  if (parent == nullptr) return engine_->submit(std::move(live.request));
  if (parent->id.has_value()) return engine_->fork(*parent->id, std::move(live.request));
  return not_found("the request to fork has ended");
}

// Only what has a listener is copied. `live` is in live_ until the engine has called on_finish.
void EngineThread::listen(LiveRequest& live) {
  const Listeners& listeners = live.outbox.listeners();
  if (listeners.on_begin) {
    live.request.on_begin = [this, &live](const RequestStats& stats) {
      keep(live, live.outbox.add_begin(stats));
    };
  }
  if (listeners.on_choice) {
    live.request.on_choice = [this, &live](const TokenChoice& choice) {
      keep(live, live.outbox.add_choice(choice));
    };
  }
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
  live.request.on_finish = [this, &live](const RequestResult& result) {
    if (!live.ended) end(live, result);  // else it was refused with others
  };
}

void EngineThread::keep(LiveRequest& live, bool taken) {
  changed(live);
  if (!taken && live.id.has_value()) engine_->cancel(*live.id);
}

void EngineThread::end(LiveRequest& live, const RequestResult& result) {
  DCHECK(!live.ended);
  live.ended = true;
  live.id.reset();
  live.parent = {};  // a ticket may be kept for long
  live.request = {};
  ++ended_count_;
  live.outbox.finish(result);
  changed(live);
}

void EngineThread::changed(LiveRequest& live) {
  if (!std::exchange(live.changed, true)) changed_.push_back(&live);
}

// After the step, so that a request gets one delivery for all that a step has reported.
void EngineThread::post_deliveries() {
  for (LiveRequest* const live : changed_) {
    live->changed = false;
    post(*live);
  }
  changed_.clear();
}

void EngineThread::post(LiveRequest& live) {
  if (!live.outbox.needs_delivery()) return;
  try {
    executor_(Delivery(live.shared_from_this(), &live.outbox));
  } catch (...) {
    live.outbox.was_not_posted();
    throw;
  }
}

// For a loop that has failed: maybe by an executor that threw.
void EngineThread::post_what_is_taken() noexcept {
  for (LiveRequest* const live : changed_) {
    live->changed = false;
    try {
      post(*live);
    } catch (...) {
      continue;  // nobody can reach its listeners
    }
  }
  changed_.clear();
}

void EngineThread::forget_ended() {
  if (std::exchange(ended_count_, 0) == 0) return;
  std::erase_if(live_, [](const Ticket& live) { return live->ended; });
}

// The engine is not touched again: nobody knows what state it is in. No memory is needed: `live_` and `changed_` have
// room for all that is left once what has ended is out of them.
void EngineThread::fail(Status why) noexcept {
  std::vector<Mail> rest;
  {
    const std::lock_guard lock(mutex_);
    failure_ = std::move(why);
    rest.swap(mail_);
  }
  post_what_is_taken();
  forget_ended();
  for (const Mail& mail : rest) {
    mail.for_each_request([this](const Ticket& request) { live_.push_back(request); });
  }
  for (const Ticket& live : live_) {
    end(*live, {.reason = FinishReason::kError, .status = no_throw([this] { return Status(failure_); })});
  }
  post_what_is_taken();
  forget_ended();
  taken_.clear();  // and `rest`: a thread that waits for a question gets an error
  const std::lock_guard lock(mutex_);
  stopped_ = true;
}

}  // namespace cairn
