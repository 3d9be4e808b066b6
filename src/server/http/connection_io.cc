// Reading, waiting and time of a connection.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <new>
#include <utility>

#include "server/http/connection.h"

namespace cairn {

namespace asio = boost::asio;
using ErrorCode = ByteStream::ErrorCode;

std::string_view Connection::input() const {
  return {static_cast<const char*>(input_.data().data()), input_.size()};
}

bool Connection::can_read() const {
  return !is_reading_ && !has_input_ended_ && !is_closed_ && input_.size() + kReadBytes <= kInputBytesMax;
}

// Reads aside and copies: the coroutine may use up its input while a read is under way.
void Connection::start_read() {
  is_reading_ = true;
  stream_->read_some(asio::buffer(incoming_), [self = shared_from_this()](ErrorCode error, size_t bytes) {
    self->on_read(error, bytes);
  });
}

void Connection::on_read(ErrorCode error, size_t bytes) {
  is_reading_ = false;
  try {
    if (error) {
      has_input_ended_ = true;
      const bool is_end = error == asio::error::eof || error == asio::ssl::error::stream_truncated;
      if (channel_ && is_end) channel_->client_closed();
      if (channel_ && !is_end) channel_->client_failed();
    } else {
      input_.commit(asio::buffer_copy(input_.prepare(bytes), asio::buffer(incoming_), bytes));
      if (channel_ && can_read()) start_read();
    }
  } catch (const std::bad_alloc&) {
    close_now();
  }
  signal_.cancel();
}

Connection::Awaitable<bool> Connection::more_input() {
  if (can_read()) start_read();
  if (!is_reading_) co_return false;
  while (is_reading_ && !is_late_ && !is_closed_) co_await wait();
  co_return !is_reading_ && !has_input_ended_ && !is_closed_;
}

Connection::Awaitable<void> Connection::wait() {
  co_await signal_.async_wait(asio::as_tuple(asio::use_awaitable));
}

void Connection::arm(Deadline& deadline, std::chrono::milliseconds time, void (Connection::*expired)()) {
  const uint64_t generation = ++deadline.generation;
  deadline.timer.expires_after(time);
  deadline.timer.async_wait([weak = weak_from_this(), &deadline, generation, expired](ErrorCode error) {
    const auto self = weak.lock();
    if (self == nullptr || error || deadline.generation != generation) return;
    ((*self).*expired)();
  });
}

void Connection::disarm(Deadline& deadline) {
  ++deadline.generation;
  deadline.timer.cancel();
}

void Connection::on_read_timeout() {
  is_late_ = true;
  signal_.cancel();
}

// A stream that was cut is closed amid a write, too: its client may never take the rest of that.
void Connection::on_wake() {
  if (channel_ && channel_->is_cut()) close_now();
  signal_.cancel();
}

void Connection::close_now() {
  if (is_closed_) return;
  is_closed_ = true;
  disarm(read_deadline_);
  disarm(write_deadline_);
  stream_->close();
  if (channel_) channel_->client_failed();
  signal_.cancel();
}

void Connection::notice_stop() {
  asio::post(strand_, [self = shared_from_this()] { self->signal_.cancel(); });
}

void Connection::abort() {
  asio::post(strand_, [self = shared_from_this()] { self->close_now(); });
}

void Connection::finish() {
  close_now();
  if (channel_) channel_->detach();
  channel_.reset();
  core_.connections.remove(shared_from_this());
}

}  // namespace cairn
