#include "server/http/reply_channel.h"

#include <new>
#include <utility>

#include "server/http/reply_text.h"

namespace cairn {

ReplyChannel::ReplyChannel(size_t unsent_bytes_max, Chunks chunks, std::function<void()> wake)
    : unsent_bytes_max_(unsent_bytes_max), chunks_(chunks), wake_(std::move(wake)) {}

void ReplyChannel::wake_locked() {
  if (is_waking_ || !wake_) return;
  try {
    wake_();
    is_waking_ = true;
  } catch (const std::bad_alloc&) {
    is_waking_ = false;  // what is said next tries again
  }
}

// Wakes in any case: a connection that was woken before may be amid a write, and would look only after it.
void ReplyChannel::cut_locked() {
  is_gone_ = is_cut_ = true;
  is_waking_ = false;
  wake_locked();
}

void ReplyChannel::reply(HttpReply reply) {
  const std::lock_guard lock(mutex_);
  if (state_ != State::kNew) return;
  state_ = State::kEnded;
  if (is_gone_) return;
  unsent_bytes_ += reply_body(reply).size();
  head_ = std::move(reply);
  wake_locked();
}

void ReplyChannel::begin_stream(HttpReply head) {
  const std::lock_guard lock(mutex_);
  if (state_ != State::kNew) return;
  state_ = State::kStreaming;
  if (is_gone_) return;
  head_ = std::move(head);
  head_is_stream_ = true;
  wake_locked();
}

bool ReplyChannel::send(std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  if (state_ != State::kStreaming || is_gone_) return false;
  if (bytes.empty()) return true;
  if (unsent_bytes_ > 0 && unsent_bytes_ + bytes.size() > unsent_bytes_max_) {
    cut_locked();  // the connection runs when_gone: this thread may hold locks of its own
    return false;
  }
  const size_t before = bytes_.size();
  try {
    if (chunks_ == Chunks::kFramed) {
      append_chunk(bytes, bytes_);
    } else {
      bytes_.append(bytes);
    }
  } catch (const std::bad_alloc&) {
    cut_locked();
    return false;
  }
  unsent_bytes_ += bytes_.size() - before;
  wake_locked();
  return true;
}

void ReplyChannel::end_stream() {
  const std::lock_guard lock(mutex_);
  if (state_ != State::kStreaming) return;
  state_ = State::kEnded;
  if (is_gone_) return;
  if (chunks_ == Chunks::kFramed) bytes_.append(kLastChunk);
  wake_locked();
}

void ReplyChannel::abandon() {
  std::function<void()> unused;  // dies behind the lock; nobody is left to be told
  const std::lock_guard lock(mutex_);
  std::swap(unused, when_gone_);
  if (state_ == State::kStreaming && !is_gone_) {
    cut_locked();
  }
  if (state_ == State::kNew && !is_gone_) {
    state_ = State::kEnded;
    head_ = error_reply(500, "The server dropped this request.");
    wake_locked();
  }
}

void ReplyChannel::when_gone(std::function<void()> call) {
  {
    const std::lock_guard lock(mutex_);
    if (state_ == State::kCompleted) return;
    // A cut one that still has its connection is told by that, so that a call never runs twice.
    if (!is_gone_ || (is_cut_ && wake_)) {
      std::swap(when_gone_, call);  // what was there dies behind the lock
      return;
    }
  }
  if (call) call();
}

bool ReplyChannel::is_gone() const {
  const std::lock_guard lock(mutex_);
  return is_gone_;
}

size_t ReplyChannel::unsent_bytes() const {
  const std::lock_guard lock(mutex_);
  return unsent_bytes_;
}

bool ReplyChannel::is_cut() const {
  const std::lock_guard lock(mutex_);
  return is_cut_;
}

ReplyChannel::Taken ReplyChannel::take() {
  const std::lock_guard lock(mutex_);
  is_waking_ = false;
  Taken taken;
  taken.head = std::exchange(head_, std::nullopt);
  taken.is_stream = head_is_stream_;
  taken.bytes = std::exchange(bytes_, {});
  taken.is_last = state_ == State::kEnded;
  taken.is_cut = is_cut_ || is_gone_;
  return taken;
}

void ReplyChannel::wrote_all() {
  const std::lock_guard lock(mutex_);
  unsent_bytes_ = bytes_.size();
}

void ReplyChannel::completed() {
  std::function<void()> unused;  // dies behind the lock
  const std::lock_guard lock(mutex_);
  if (is_gone_) return;
  state_ = State::kCompleted;
  unsent_bytes_ = 0;
  std::swap(unused, when_gone_);
}

void ReplyChannel::set_gone(WholeReply whole_reply) {
  std::function<void()> call;
  std::string unsent;
  {
    const std::lock_guard lock(mutex_);
    if (state_ == State::kCompleted) return;
    if (state_ == State::kEnded && whole_reply == WholeReply::kIsStillSent && !is_gone_) return;
    is_gone_ = true;
    is_cut_ = false;
    std::swap(call, when_gone_);
    std::swap(unsent, bytes_);
    unsent_bytes_ = 0;
    wake_locked();
  }
  if (call) call();
}

void ReplyChannel::client_failed() { set_gone(WholeReply::kIsLost); }
void ReplyChannel::client_closed() { set_gone(WholeReply::kIsStillSent); }

void ReplyChannel::detach() {
  {
    const std::lock_guard lock(mutex_);
    wake_ = nullptr;
  }
  set_gone(WholeReply::kIsLost);
}

}  // namespace cairn
