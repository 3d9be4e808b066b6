// ReplyChannel: what an exchange says (on any thread) waits here until its connection (on its strand) writes it.
//
// Always true: at most `unsent_bytes_max` of a stream, or one part, wait here; a wake-up is under way while
// something waits; the connection is not called after detach(). No lock is held while foreign code runs, but `wake`.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "server/http/message.h"

namespace cairn {

class ReplyChannel {
 public:
  enum class Chunks : uint8_t { kFramed, kBare };

  // `wake`: makes the connection call take() soon. Called with a lock held: it must only post.
  ReplyChannel(size_t unsent_bytes_max, Chunks chunks, std::function<void()> wake);

  // The exchange's side.
  void reply(HttpReply reply);
  void begin_stream(HttpReply head);
  bool send(std::string_view bytes);
  void end_stream();
  void when_gone(std::function<void()> call);
  [[nodiscard]] bool is_gone() const;
  [[nodiscard]] size_t unsent_bytes() const;
  void abandon();  // the exchange was dropped

  // The connection's side.
  struct Taken {
    std::optional<HttpReply> head;  // with its body, unless it is a stream
    bool is_stream = false;         // of the head
    std::string bytes;              // of a stream, framed
    bool is_last = false;           // nothing follows
    bool is_cut = false;            // drop the connection: the stream cannot be completed
  };
  [[nodiscard]] bool is_cut() const;
  // Everything that waits. It counts as unsent until wrote_all().
  Taken take();
  void wrote_all();
  // The reply has been sent: nobody can go away any more.
  void completed();
  // The client cannot be reached, or has closed its side. When the reply is there as a whole, the latter does not
  // matter yet. Runs the call of when_gone.
  void client_failed();
  void client_closed();
  // No more wake-ups; the client is gone unless the reply was completed.
  void detach();

 private:
  enum class State : uint8_t { kNew, kStreaming, kEnded, kCompleted };
  void wake_locked();
  void cut_locked();
  enum class WholeReply : uint8_t { kIsStillSent, kIsLost };
  void set_gone(WholeReply whole_reply);

  const size_t unsent_bytes_max_;
  const Chunks chunks_;
  mutable std::mutex mutex_;
  std::function<void()> wake_;
  std::function<void()> when_gone_;
  State state_ = State::kNew;
  bool is_gone_ = false;
  bool is_cut_ = false;
  bool is_waking_ = false;
  std::optional<HttpReply> head_;
  bool head_is_stream_ = false;
  std::string bytes_;
  size_t unsent_bytes_ = 0;  // of bytes_, and of what was taken and is being written
};

}  // namespace cairn
