#include "store/redis_connection.h"

#include <fmt/format.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "base/printable.h"

namespace cairn {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using Kind = RedisOutcome::Kind;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr size_t kInputBytes = 128 << 10;
constexpr std::chrono::milliseconds kAskForNameEvery{2};

}  // namespace

RedisConnection::RedisConnection(asio::io_context& io, std::shared_ptr<const RedisLogin> login,
                                 RedisAddress address, RedisResolver& resolver)
    : login_(std::move(login)),
      address_(std::move(address)),
      resolver_(resolver),
      stream_(io, login_->tls),
      timer_(io),
      reader_(login_->limits),
      input_(kInputBytes) {}

void RedisConnection::close() {
  is_closed_ = true;
  stream_.close();
}

RedisOutcome RedisConnection::failure(Kind kind, std::string_view what) const {
  return {.kind = kind, .message = fmt::format("the remote store {} {}", address_.text(), what)};
}

asio::awaitable<RedisOutcome> RedisConnection::open() {
  asio::steady_timer deadline(timer_.get_executor(), login_->connect_deadline);
  deadline.async_wait([weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (error || self == nullptr) return;
    self->is_late_ = !self->is_closed_;
    self->close();
  });
  RedisOutcome outcome = co_await connect();
  if (outcome.ok()) outcome = co_await log_in();
  deadline.cancel();
  if (is_late_) {
    co_return failure(Kind::kTimeout,
                      fmt::format("took no connection within {} ms", login_->connect_deadline.count()));
  }
  co_return outcome;
}

asio::awaitable<std::optional<std::vector<std::string>>> RedisConnection::resolve() {
  while (!is_closed_) {
    std::optional<std::vector<std::string>> found = resolver_.find(address_.host);
    if (found) co_return found;
    timer_.expires_after(kAskForNameEvery);
    co_await timer_.async_wait(kAwait);
  }
  co_return std::nullopt;
}

asio::awaitable<RedisOutcome> RedisConnection::connect() {
  const std::optional<std::vector<std::string>> addresses = co_await resolve();
  if (!addresses) co_return failure(Kind::kTimeout, "has a name that was not found in time");
  std::vector<tcp::endpoint> endpoints;
  for (const std::string& text : *addresses) {
    error_code ignored;
    endpoints.emplace_back(asio::ip::make_address(text, ignored), address_.port);
  }
  if (endpoints.empty()) co_return failure(Kind::kUnreachable, "has a name that is not known");
  const error_code refused = co_await stream_.connect(endpoints);
  if (refused) {
    co_return failure(Kind::kUnreachable, fmt::format("cannot be reached: {}", refused.message()));
  }
  const error_code untrusted = co_await stream_.handshake(address_.host);
  if (untrusted) {
    co_return failure(Kind::kUnreachable, fmt::format("cannot be spoken to by TLS: {}", untrusted.message()));
  }
  co_return RedisOutcome();
}

asio::awaitable<RedisOutcome> RedisConnection::log_in() {
  std::vector<std::string> commands;
  const auto add = [&](std::initializer_list<std::string_view> parts) {
    append_resp_command(commands.emplace_back(), parts);
  };
  if (!login_->password.empty() && login_->user.empty()) add({"AUTH", login_->password});
  if (!login_->password.empty() && !login_->user.empty()) add({"AUTH", login_->user, login_->password});
  if (login_->database != 0) add({"SELECT", std::to_string(login_->database)});
  if (commands.empty()) co_return RedisOutcome();

  std::string refusal;
  RedisExchange work;
  work.count = commands.size();
  work.command = [&](size_t index) { return RedisCommand{.head = commands[index]}; };
  work.on_reply = [&](size_t, RespValue&& reply) {
    if (reply.is(RespValue::Kind::kError) && refusal.empty()) refusal = printable(reply.text, 200);
    return reply.is(RespValue::Kind::kError) || reply.is(RespValue::Kind::kStatus);
  };
  const RedisOutcome outcome = co_await exchange(work, commands.size());
  if (!outcome.ok() || refusal.empty()) co_return outcome;
  co_return failure(Kind::kRefused, fmt::format("refused the login: {}", refusal));
}

asio::awaitable<RedisOutcome> RedisConnection::exchange(RedisExchange& work, size_t depth) {
  std::vector<RedisCommand> outgoing;
  std::vector<asio::const_buffer> buffers;
  size_t sent_count = work.answered_count;
  while (work.answered_count < work.count) {
    outgoing.clear();
    buffers.clear();
    while (sent_count + outgoing.size() < work.count &&
           sent_count + outgoing.size() < work.answered_count + depth) {
      RedisCommand command = work.command(sent_count + outgoing.size());
      std::string asking;
      if (work.is_asking) append_resp_command(asking, {"ASKING"});
      command.head.insert(0, asking);
      outgoing.push_back(std::move(command));
    }
    for (const RedisCommand& command : outgoing) {
      buffers.emplace_back(command.head.data(), command.head.size());
      if (!command.payload.empty()) buffers.emplace_back(command.payload.data(), command.payload.size());
      if (!command.tail.empty()) buffers.emplace_back(command.tail.data(), command.tail.size());
    }
    if (!outgoing.empty()) {
      const error_code error = co_await stream_.write(buffers);
      if (error) co_return failure(Kind::kClosed, fmt::format("took no more bytes: {}", error.message()));
      work.sent_bytes += asio::buffer_size(buffers);
      sent_count += outgoing.size();
    }
    const RedisStream::Arrived arrived = co_await stream_.read(asio::buffer(input_));
    if (arrived.error) {
      co_return failure(Kind::kClosed, fmt::format("closed the connection: {}", arrived.error.message()));
    }
    work.received_bytes += arrived.byte_count;
    RedisOutcome outcome = take_replies(std::span(input_).first(arrived.byte_count), work, sent_count);
    if (!outcome.ok()) co_return outcome;
  }
  co_return RedisOutcome();
}

RedisOutcome RedisConnection::take_replies(std::span<const std::byte> input, RedisExchange& work,
                                           size_t sent_count) {
  while (!input.empty()) {
    if (work.answered_count == sent_count) return failure(Kind::kGarbage, "answered what nobody had asked");
    const RespReader::Progress progress = reader_.read(input);
    if (progress == RespReader::Progress::kBad) {
      return failure(Kind::kGarbage,
                     fmt::format("answered what is not Redis's protocol: {}", reader_.error()));
    }
    if (progress == RespReader::Progress::kMore) break;
    RespValue reply = reader_.take();
    if (work.is_asking && !std::exchange(has_asking_reply_, !has_asking_reply_)) continue;
    const size_t index = work.answered_count++;
    if (!work.on_reply(index, std::move(reply))) {
      return failure(Kind::kGarbage, "gave an answer that does not fit its command");
    }
  }
  return {};
}

}  // namespace cairn
