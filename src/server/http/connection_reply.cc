// How a connection writes its replies.
#include <ctime>
#include <utility>

#include "server/http/connection.h"
#include "server/http/reply_text.h"

namespace cairn {

namespace asio = boost::asio;

namespace {

constexpr size_t kSliceBytes = 64 << 10;   // that the client must take within the write timeout
constexpr size_t kJoinedBytes = 16 << 10;  // a body up to this goes out together with its head

std::time_t now() { return std::time(nullptr); }

}  // namespace

// In slices, so that a client that takes a byte now and then does not keep a large reply for ever.
Connection::Awaitable<bool> Connection::write(std::string_view bytes) {
  while (!bytes.empty()) {
    if (is_closed_) co_return false;
    const std::string_view slice = bytes.substr(0, kSliceBytes);
    arm(write_deadline_, core_.options.write_timeout, &Connection::close_now);
    const auto error = co_await stream_->write(asio::buffer(slice.data(), slice.size()));
    disarm(write_deadline_);
    if (error) {
      close_now();
      co_return false;
    }
    bytes.remove_prefix(slice.size());
  }
  co_return true;
}

Connection::Awaitable<Connection::Next> Connection::refuse(int status, std::string_view message) {
  const ReplyFrame frame{.body = BodyForm::kWhole, .after = AfterReply::kClose, .now = now()};
  const HttpReply reply = error_reply(status, message);
  core_.handler.note_refusal(peer_, status, message);
  const Next next = co_await write_reply(reply, frame, "");
  co_return next;
}

Connection::Awaitable<Connection::Next> Connection::write_reply(const HttpReply& reply, ReplyFrame frame,
                                                                std::string_view method) {
  const bool has_body = method != "HEAD" && !is_bodiless(reply.status);
  const std::string_view body = has_body ? reply_body(reply) : std::string_view();
  std::string text = reply_head(reply, frame);
  const bool is_joined = body.size() <= kJoinedBytes;
  if (is_joined) text += body;
  bool is_written = co_await write(text);
  if (is_written && !is_joined) is_written = co_await write(body);
  if (!is_written) co_return Next::kClose;
  co_return frame.after == AfterReply::kKeepAlive ? Next::kRequest : Next::kLinger;
}

// Until the reply is complete, or nobody is left to read it.
Connection::Awaitable<Connection::Next> Connection::write_from(ReplyChannel& channel,
                                                               const RequestForm& form) {
  ReplyFrame frame;
  bool has_body = true;
  while (true) {
    ReplyChannel::Taken taken = channel.take();
    if (taken.is_cut || is_closed_) co_return Next::kClose;
    if (!taken.head && taken.bytes.empty() && !taken.is_last) {
      co_await wait();
      continue;
    }
    Next next = Next::kRequest;
    if (taken.head) {
      frame = frame_of(form, taken.is_stream ? BodyForm::kChunked : BodyForm::kWhole);
      has_body = form.method != "HEAD" && !is_bodiless(taken.head->status);
      if (taken.is_stream) {
        const std::string head = reply_head(*taken.head, frame);
        const bool is_written = co_await write(head);
        if (!is_written) next = Next::kClose;
      } else {
        next = co_await write_reply(*taken.head, frame, form.method);
      }
    }
    if (next != Next::kClose && has_body) {
      const bool is_written = co_await write(taken.bytes);
      if (!is_written) next = Next::kClose;
    }
    if (next == Next::kClose) co_return Next::kClose;
    channel.wrote_all();
    if (!taken.is_last) continue;
    channel.completed();
    co_return frame.after == AfterReply::kKeepAlive ? Next::kRequest : Next::kLinger;
  }
}

ReplyFrame Connection::frame_of(const RequestForm& form, BodyForm body) const {
  ReplyFrame frame{.body = body, .after = AfterReply::kClose, .now = now()};
  if (body == BodyForm::kChunked && !form.is_http_1_1) frame.body = BodyForm::kUntilClose;
  const bool keeps = form.keeps_alive && !core_.is_stopping && frame.body != BodyForm::kUntilClose;
  if (keeps) frame.after = AfterReply::kKeepAlive;
  return frame;
}

}  // namespace cairn
