#include "server/http/connection.h"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <utility>

namespace cairn {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::milliseconds kLingerOfStop{200};

// What a handler holds. Its last owner's leaving is an answer too (ReplyChannel::abandon).
class Exchange final : public HttpExchange {
 public:
  Exchange(HttpRequest request, BodyLease lease, std::shared_ptr<ReplyChannel> channel)
      : lease_(std::move(lease)), request_(std::move(request)), channel_(std::move(channel)) {}
  ~Exchange() override { channel_->abandon(); }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  const HttpRequest& request() const override { return request_; }
  void reply(HttpReply reply) override { channel_->reply(std::move(reply)); }
  void begin_stream(HttpReply head) override { channel_->begin_stream(std::move(head)); }
  bool send(std::string bytes) override { return channel_->send(bytes); }
  void end_stream() override { channel_->end_stream(); }
  void when_gone(std::function<void()> call) override { channel_->when_gone(std::move(call)); }
  bool is_gone() const override { return channel_->is_gone(); }
  size_t unsent_bytes() const override { return channel_->unsent_bytes(); }

 private:
  BodyLease lease_;  // of the request's body
  HttpRequest request_;
  std::shared_ptr<ReplyChannel> channel_;
};

}  // namespace

Connection::Connection(ServerCore& core, Executor strand, std::unique_ptr<ByteStream> stream,
                       std::string peer)
    : core_(core),
      strand_(std::move(strand)),
      stream_(std::move(stream)),
      peer_(std::move(peer)),
      signal_(strand_, asio::steady_timer::time_point::max()),
      read_deadline_(strand_),
      write_deadline_(strand_) {}

void Connection::start(Purpose purpose) {
  auto self = shared_from_this();
  core_.connections.add(self);
  // An exception here is a lack of memory: the connection is closed as after any other failure.
  asio::co_spawn(strand_, run(purpose), [self](const std::exception_ptr&) { self->finish(); });
}

Connection::Awaitable<void> Connection::run(Purpose purpose) {
  if (core_.is_stopping) co_return;  // accepted just before, and perhaps not seen by stop()
  arm(read_deadline_, core_.options.header_timeout, &Connection::close_now);
  const auto error = co_await stream_->handshake();
  if (error || is_closed_) co_return;
  disarm(read_deadline_);
  Next next = Next::kRequest;
  if (purpose == Purpose::kRefuse) {
    next = co_await refuse(503, "The server has too many connections: try again.");
  }
  while (next == Next::kRequest) next = co_await serve_one();
  if (next == Next::kLinger) co_await linger();
}

Connection::Awaitable<Connection::Next> Connection::serve_one() {
  RequestReader reader(
      {.header_bytes_max = core_.options.header_bytes_max, .body_bytes_max = core_.options.body_bytes_max},
      core_.budget);
  Next next = co_await read_head(reader);
  if (next != Next::kRequest) co_return next;
  HttpHead& head = reader.parsed_head();
  head.peer = peer_;
  head.is_secure = core_.options.tls.has_value();
  const RequestForm form{
      .method = head.method, .is_http_1_1 = reader.is_http_1_1(), .keeps_alive = reader.keeps_alive()};
  std::optional<HttpReply> refusal = ask_at_the_door(head);
  if (refusal) {
    disarm(read_deadline_);
    ReplyFrame frame = frame_of(form, BodyForm::kWhole);
    if (reader.has_body()) frame.after = AfterReply::kClose;
    co_return co_await write_reply(*refusal, frame, form.method);
  }
  next = co_await read_body(reader);
  if (next != Next::kRequest) co_return next;
  disarm(read_deadline_);
  co_return co_await answer(reader, form);
}

// Waits for the first byte of a request. Unlike more_input() it also sees a stop.
Connection::Awaitable<bool> Connection::first_input() {
  while (input_.size() == 0) {
    if (core_.is_stopping || has_input_ended_ || is_late_ || is_closed_) co_return false;
    if (can_read()) start_read();
    co_await wait();
  }
  co_return !has_input_ended_ && !is_closed_;
}

Connection::Awaitable<Connection::Next> Connection::read_head(RequestReader& reader) {
  const auto& options = core_.options;
  is_late_ = false;
  if (is_first_request_) {  // its time begins with the connection
    arm(read_deadline_, options.header_timeout, &Connection::on_read_timeout);
  } else if (input_.size() == 0) {
    arm(read_deadline_, options.idle_timeout, &Connection::on_read_timeout);
  }
  const bool has_begun = co_await first_input();
  if (!has_begun) co_return Next::kClose;
  if (!is_first_request_) arm(read_deadline_, options.header_timeout, &Connection::on_read_timeout);
  is_first_request_ = false;
  while (true) {
    size_t used = 0;
    const auto progress = reader.head(input(), used);
    input_.consume(used);
    if (progress == RequestReader::Progress::kDone) co_return Next::kRequest;
    if (progress == RequestReader::Progress::kRefused)
      co_return co_await refuse(reader.refusal().status, reader.refusal().message);
    if (used > 0 && input_.size() > 0) continue;
    const bool has_more = co_await more_input();
    if (has_more) continue;
    if (!is_late_ || is_closed_) co_return Next::kClose;
    co_return co_await refuse(408, "The head of the request did not arrive in time.");
  }
}

Connection::Awaitable<Connection::Next> Connection::read_body(RequestReader& reader) {
  if (!reader.has_body()) co_return Next::kRequest;
  arm(read_deadline_, core_.options.body_timeout, &Connection::on_read_timeout);
  if (reader.expects_continue() && input_.size() == 0) {
    const bool is_written = co_await write("HTTP/1.1 100 Continue\r\n\r\n");
    if (!is_written) co_return Next::kClose;
  }
  while (true) {
    size_t used = 0;
    const auto progress = reader.body(input(), used);
    input_.consume(used);
    if (progress == RequestReader::Progress::kDone) co_return Next::kRequest;
    if (progress == RequestReader::Progress::kRefused)
      co_return co_await refuse(reader.refusal().status, reader.refusal().message);
    const bool has_more = co_await more_input();
    if (has_more) continue;
    if (!is_late_ || is_closed_) co_return Next::kClose;
    co_return co_await refuse(408, "The body of the request did not arrive in time.");
  }
}

std::optional<HttpReply> Connection::ask_at_the_door(const HttpHead& head) {
  try {
    return core_.handler.at_the_door(head);
  } catch (const std::exception&) {
    return error_reply(500, "The server failed at this request.");
  }
}

void Connection::hand_over(RequestReader& reader, const std::shared_ptr<ReplyChannel>& channel) {
  HttpRequest request{.head = std::move(reader.parsed_head()), .body = reader.take_body()};
  auto exchange = std::make_shared<Exchange>(std::move(request), reader.take_lease(), channel);
  try {
    core_.handler.handle(std::move(exchange));
  } catch (const std::exception&) {
    channel->abandon();
  }
}

Connection::Awaitable<Connection::Next> Connection::answer(RequestReader& reader, const RequestForm& form) {
  const auto chunks = form.is_http_1_1 ? ReplyChannel::Chunks::kFramed : ReplyChannel::Chunks::kBare;
  auto wake = [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self != nullptr) asio::post(self->strand_, [self] { self->on_wake(); });
  };
  const auto channel =
      std::make_shared<ReplyChannel>(core_.options.unsent_bytes_max, chunks, std::move(wake));
  channel_ = channel;
  hand_over(reader, channel);
  if (can_read()) start_read();  // sees the client leave
  const Next next = co_await write_from(*channel, form);
  channel->detach();
  channel_.reset();
  co_return next;
}

Connection::Awaitable<void> Connection::linger() {
  stream_->say_goodbye(shared_from_this());
  is_late_ = false;
  const auto time = core_.is_stopping ? std::min(kLingerOfStop, core_.options.linger_timeout)
                                      : core_.options.linger_timeout;
  arm(read_deadline_, time, &Connection::on_read_timeout);
  bool has_more = true;
  while (has_more) {
    input_.consume(input_.size());
    has_more = co_await more_input();
  }
}

}  // namespace cairn
