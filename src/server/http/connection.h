// Connection: one client. Reads a request, has it answered, writes the reply, and begins again. For the .cc files of
// this folder: brings in Asio.
//
// Always true: all but the functions marked so run on the connection's strand; one coroutine (run) does everything but
// reading, which goes on by itself while a reply is made, so that a client that leaves is noticed at once; whatever
// has been read and not yet used is at most kInputBytesMax.
#pragma once

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "server/http/byte_stream.h"
#include "server/http/reply_channel.h"
#include "server/http/reply_text.h"
#include "server/http/request_reader.h"
#include "server/http/server_core.h"

namespace cairn {

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  using Executor = boost::asio::any_io_executor;
  enum class Purpose : uint8_t { kServe, kRefuse };  // kRefuse: there are too many; says so and closes

  Connection(ServerCore& core, Executor strand, std::unique_ptr<ByteStream> stream, std::string peer);

  // From any thread, once. The connection keeps itself alive until it is closed, then leaves the core's list.
  void start(Purpose purpose);
  // From any thread. Looks whether it is idle, since the server stops.
  void notice_stop();
  // From any thread. Closes at once.
  void abort();

 private:
  static constexpr size_t kInputBytesMax = 65536;
  static constexpr size_t kReadBytes = 8192;

  enum class Next : uint8_t { kRequest, kLinger, kClose };
  template <typename T>
  using Awaitable = boost::asio::awaitable<T>;

  // What of a request decides how its reply is written.
  struct RequestForm {
    std::string method;
    bool is_http_1_1 = true;
    bool keeps_alive = false;
  };

  // The course of a connection (connection.cc).
  Awaitable<void> run(Purpose purpose);
  Awaitable<Next> serve_one();
  Awaitable<Next> read_head(RequestReader& reader);
  Awaitable<Next> read_body(RequestReader& reader);
  Awaitable<Next> answer(RequestReader& reader, const RequestForm& form);
  Awaitable<void> linger();  // lets a client read the last reply while it may still be sending
  std::optional<HttpReply> ask_at_the_door(const HttpHead& head);
  void hand_over(RequestReader& reader, const std::shared_ptr<ReplyChannel>& channel);

  // Replies (connection_reply.cc).
  // (GCC 12 destroys some temporaries in the arguments of an awaited call twice: give these named values or views.)
  Awaitable<Next> refuse(int status, std::string_view message);
  Awaitable<Next> write_reply(const HttpReply& reply, ReplyFrame frame, std::string_view method);
  Awaitable<Next> write_from(ReplyChannel& channel, const RequestForm& form);
  Awaitable<bool> write(std::string_view bytes);
  [[nodiscard]] ReplyFrame frame_of(const RequestForm& form, BodyForm body) const;

  // Reading, waiting, time (connection_io.cc).
  void start_read();
  void on_read(ByteStream::ErrorCode error, size_t bytes);
  [[nodiscard]] bool can_read() const;
  [[nodiscard]] std::string_view input() const;
  Awaitable<bool> first_input();
  Awaitable<bool> more_input();  // false: none will come, or not in time
  Awaitable<void> wait();        // for whatever happens next
  struct Deadline {
    explicit Deadline(const Executor& executor) : timer(executor) {}
    boost::asio::steady_timer timer;
    uint64_t generation =
        0;  // a timer's call that was already under way when it was set anew is not its call any more
  };
  void arm(Deadline& deadline, std::chrono::milliseconds time, void (Connection::*expired)());
  void disarm(Deadline& deadline);
  void on_read_timeout();
  void on_wake();  // the channel has something to say
  void close_now();
  void finish();

  ServerCore& core_;
  const Executor strand_;
  const std::unique_ptr<ByteStream> stream_;
  const std::string peer_;

  boost::beast::flat_buffer input_{kInputBytesMax};
  std::array<char, kReadBytes> incoming_{};
  bool is_reading_ = false;
  bool has_input_ended_ = false;
  bool is_late_ = false;  // the read deadline is over
  bool is_closed_ = false;
  bool is_first_request_ = true;

  boost::asio::steady_timer signal_;  // never expires: cancelled to wake the coroutine
  Deadline read_deadline_;
  Deadline write_deadline_;
  std::shared_ptr<ReplyChannel> channel_;  // while a request is answered
};

}  // namespace cairn
