// What any thread may call.
#include "engine/engine_thread.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "base/no_throw.h"
#include "engine/live_request.h"

namespace cairn {

namespace {

Status check_hooks(const Request& request) {
  if (!request.on_mask) return {};
  return invalid_argument(
      "an engine on a thread of its own cannot wait for on_mask: leave it empty, and use a constraint");
}

}  // namespace

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
  return no_throw([&]() -> Result<std::unique_ptr<EngineThread>> {
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
  });
}

EngineThread::~EngineThread() {
  if (!thread_.joinable()) return;
  drain(TimePoint::min());
  thread_.join();
}

Status EngineThread::refusal_of_mail() const {
  if (!failure_.ok()) return failure_;
  if (stopped_) return resource_exhausted("the engine has been stopped");
  if (mail_.size() < options_.mailbox_capacity) return {};
  return resource_exhausted(
      fmt::format("the engine is busy: its mailbox is full, with {} entries", mail_.size()));
}

Status EngineThread::refusal_of_requests(int64_t count) const {
  CAIRN_RETURN_IF_ERROR(refusal_of_mail());
  if (deadline_.has_value()) return resource_exhausted("the engine is being stopped: it takes no requests");
  if (*open_requests_ <= options_.max_requests - count) return {};
  return resource_exhausted(
      fmt::format("the engine is busy: it has {} requests, as many as it may", options_.max_requests));
}

Result<EngineThread::Ticket> EngineThread::submit(Request request) {
  return send(std::move(request), nullptr);
}

Result<EngineThread::Ticket> EngineThread::fork(Ticket parent, Request request) {
  return send(std::move(request), std::move(parent));
}

// A request that is refused is destroyed by the caller of this: what its listeners own may call any function here.
Result<EngineThread::Ticket> EngineThread::send(Request request, Ticket parent) {
  const auto put_into_mailbox = [&]() -> Result<Ticket> {
    CAIRN_RETURN_IF_ERROR(check_hooks(request));
    const std::lock_guard lock(mutex_);
    CAIRN_RETURN_IF_ERROR(refusal_of_requests(1));
    Ticket ticket = make_ticket(request);
    ticket->parent = std::move(parent);
    mail_.push_back({.request = ticket, .forks = {}, .question = nullptr});
    return ticket;
  };
  Result<Ticket> ticket = no_throw(put_into_mailbox);
  if (ticket.ok()) has_mail_.notify_one();
  return ticket;
}

EngineThread::Ticket EngineThread::make_ticket(Request& request) const {
  return std::make_shared<LiveRequest>(std::move(request), options_.undelivered_bytes, open_requests_);
}

Result<std::vector<EngineThread::Ticket>> EngineThread::submit_with_forks(Request first,
                                                                          std::vector<Request> forks) {
  const auto put_into_mailbox = [&]() -> Result<std::vector<Ticket>> {
    CAIRN_RETURN_IF_ERROR(check_hooks(first));
    for (const Request& fork : forks) CAIRN_RETURN_IF_ERROR(check_hooks(fork));
    std::vector<Ticket> tickets;
    tickets.reserve(1 + forks.size());
    const std::lock_guard lock(mutex_);
    CAIRN_RETURN_IF_ERROR(refusal_of_requests(1 + std::ssize(forks)));
    tickets.push_back(make_ticket(first));
    for (Request& fork : forks) tickets.push_back(make_ticket(fork));
    mail_.push_back(
        {.request = tickets[0], .forks = {tickets.begin() + 1, tickets.end()}, .question = nullptr});
    return tickets;
  };
  Result<std::vector<Ticket>> tickets = no_throw(put_into_mailbox);
  if (tickets.ok()) has_mail_.notify_one();
  return tickets;
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
  Status status = no_throw([&]() -> Status {
    const std::lock_guard lock(mutex_);
    CAIRN_RETURN_IF_ERROR(refusal_of_mail());
    mail_.push_back({.request = nullptr, .forks = {}, .question = std::move(question)});
    return {};
  });
  if (status.ok()) has_mail_.notify_one();
  return status;
}

void EngineThread::drain(TimePoint deadline) {
  CHECK(!on_loop_thread());
  std::unique_lock lock(mutex_);
  deadline_ = std::min(deadline, deadline_.value_or(deadline));
  has_mail_.notify_one();
  has_stopped_.wait(lock, [this] { return stopped_; });
}

}  // namespace cairn
