// RedisConnection: one connection to one node. It logs in and exchanges commands for replies, in order, some of them on
// the way at once. For the .cc files of this folder: brings in Asio.
//
// Always true: what failed in any way is broken for good and must be dropped, so a late reply never meets another
// command. Its functions run on the thread that runs its io_context. No deadline but that of open(): its owner closes it.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "store/redis_resolver.h"
#include "store/redis_stream.h"
#include "store/redis_url.h"
#include "store/resp.h"

namespace cairn {

// How a connection is made; the same for all nodes of a store.
struct RedisLogin {
  RedisTls tls;  // null: plain
  std::string user;
  std::string password;  // empty: no login
  uint32_t database = 0;
  RespLimits limits;
  std::chrono::milliseconds connect_deadline{250};
};

// `head`, then `payload` and `tail`, which may be empty. The payload is the caller's and must live until it is answered.
struct RedisCommand {
  std::string head;
  std::span<const std::byte> payload;
  std::string_view tail;
};

struct RedisOutcome {
  enum class Kind {
    kOk,
    kNotAsked,     // the call's time was over before
    kUnreachable,  // no address, no connection, no TLS
    kRefused,      // the login
    kClosed,       // by the node, amid the exchange
    kGarbage,      // an answer that is none
    kTimeout,
    kNoMemory,
  };
  Kind kind = Kind::kOk;
  std::string message;  // a sentence that names the node, but of kOk

  [[nodiscard]] bool ok() const { return kind == Kind::kOk; }
};

struct RedisExchange {
  size_t count = 0;
  bool is_asking = false;                             // each command is let in by an ASKING before it
  std::function<RedisCommand(size_t index)> command;  // in order; again where a connection was found closed
  std::function<bool(size_t index, RespValue&&)>
      on_reply;               // false: no reply to this command; the connection is dropped
  size_t answered_count = 0;  // so far
  uint64_t sent_bytes = 0;
  uint64_t received_bytes = 0;
};

class RedisConnection : public std::enable_shared_from_this<RedisConnection> {
 public:
  RedisConnection(boost::asio::io_context& io, std::shared_ptr<const RedisLogin> login, RedisAddress address,
                  RedisResolver& resolver);

  boost::asio::awaitable<RedisOutcome> open();
  // At most `depth` commands are on the way at once: a store keeps all replies that were not read in its memory.
  boost::asio::awaitable<RedisOutcome> exchange(RedisExchange& work, size_t depth);
  // What is under way ends with an error soon.
  void close();
  [[nodiscard]] bool is_closed() const { return is_closed_; }  // by close(), or late
  [[nodiscard]] bool is_quiet() { return stream_.is_quiet(); }

 private:
  boost::asio::awaitable<RedisOutcome> connect();
  boost::asio::awaitable<RedisOutcome> log_in();
  boost::asio::awaitable<std::optional<std::vector<std::string>>> resolve();
  // Hands over all replies that are in `input`.
  RedisOutcome take_replies(std::span<const std::byte> input, RedisExchange& work, size_t sent_count);
  [[nodiscard]] RedisOutcome failure(RedisOutcome::Kind kind, std::string_view what) const;

  const std::shared_ptr<const RedisLogin> login_;
  const RedisAddress address_;
  RedisResolver& resolver_;
  RedisStream stream_;
  boost::asio::steady_timer timer_;  // of open(): its deadline, and to ask for a name again
  RespReader reader_;
  std::vector<std::byte> input_;
  bool is_closed_ = false;
  bool is_late_ = false;           // open() took too long
  bool has_asking_reply_ = false;  // of the command that is answered next, its ASKING was answered
};

}  // namespace cairn
