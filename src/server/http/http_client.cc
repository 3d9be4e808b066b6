#include "server/http/http_client.h"

#include <fmt/format.h>

#include <array>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <exception>
#include <unordered_set>
#include <utility>

#include "server/http/byte_stream.h"
#include "server/http/http_reply_reader.h"
#include "server/http/listener.h"
#include "server/http/tls.h"

namespace cairn {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr auto kAwait = asio::as_tuple(asio::use_awaitable);
constexpr size_t kReadBytes = 16 << 10;

std::string request_text(const HttpUrl& url, const HttpClientRequest& request) {
  std::string text = fmt::format("{} {}{} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n", request.method,
                                 url.path, request.target, host_and_port(url.host, url.port));
  for (const HttpHeader& header : request.headers)
    text += fmt::format("{}: {}\r\n", header.name, header.value);
  if (!request.body.empty() || request.method == "POST") {
    text += fmt::format("Content-Length: {}\r\n", request.body.size());
  }
  return text + "\r\n" + request.body;
}

}  // namespace

Result<HttpUrl> HttpUrl::parse(std::string_view text) {
  HttpUrl url;
  std::string_view rest = text;
  const auto take_scheme = [&](std::string_view scheme) {
    if (!equals_ignoring_case(rest.substr(0, scheme.size()), scheme)) return false;
    rest.remove_prefix(scheme.size());
    return true;
  };
  url.is_secure = take_scheme("https://");
  if (!url.is_secure) take_scheme("http://");
  url.port = url.is_secure ? 443 : 80;
  const size_t authority_end = std::min(rest.find('/'), rest.size());
  std::string_view authority = rest.substr(0, authority_end);
  std::string_view path = rest.substr(authority_end);
  while (path.ends_with('/')) path.remove_suffix(1);
  url.path = path;
  const Status bad = invalid_argument(
      fmt::format("'{}' is not the URL of a server: it looks like http://127.0.0.1:8080", text));
  for (const char c : text) {
    if (c <= ' ' || c == 127 || c == '?' || c == '#' || c == '@') return bad;
  }
  std::string_view port;
  if (authority.starts_with('[')) {
    const size_t end = authority.find(']');
    if (end == std::string_view::npos) return bad;
    port = authority.substr(end + 1);
    url.host = authority.substr(1, end - 1);
  } else {
    const size_t colon = std::min(authority.find(':'), authority.size());
    port = authority.substr(colon);
    url.host = authority.substr(0, colon);
  }
  if (url.host.empty()) return bad;
  if (!port.empty()) {
    const char* end = port.data() + port.size();
    const auto parsed = std::from_chars(port.data() + 1, end, url.port);
    if (port.front() != ':' || parsed.ec != std::errc() || parsed.ptr != end || url.port == 0) return bad;
  }
  return url;
}

std::string HttpUrl::text() const {
  return fmt::format("{}{}{}", is_secure ? "https://" : "http://", host_and_port(host, port), path);
}

class HttpClient::Impl {
 public:
  Impl(HttpUrl url, HttpClientOptions options, TlsContext tls)
      : url_(std::move(url)), options_(std::move(options)), tls_(std::move(tls)) {}

  void fetch(const HttpClientRequest& request, HttpFetchEvents events) {
    auto one = std::make_shared<Fetch>(io_, std::move(events));
    one->text = request_text(url_, request);
    one->asked = request.method == "HEAD" ? HttpReplyReader::Asked::kHead : HttpReplyReader::Asked::kOther;
    fetches_.insert(one);
    asio::co_spawn(io_, run_fetch(one), [this, one](const std::exception_ptr& error) {
      if (error) one->status = resource_exhausted("there is not enough memory for the server's reply");
      fetches_.erase(one);
      if (one->stream) one->stream->close();
      one->deadline.cancel();
      ++one->deadline_generation;
      if (one->events.on_end) one->events.on_end(one->status);
    });
  }

  void call_at(steady_clock::time_point time, std::function<void()> call) {
    auto timer = std::make_shared<asio::steady_timer>(io_, time);
    timers_.insert(timer);
    timer->async_wait([this, timer, call = std::move(call)](error_code error) {
      timers_.erase(timer);
      if (!error) call();
    });
  }

  void run() {
    io_.restart();
    io_.run();
  }

  void cancel_all() {
    for (const auto& timer : timers_) timer->cancel();
    for (const auto& one : fetches_) end(*one, resource_exhausted("the request was cancelled"));
  }

  [[nodiscard]] const HttpClientOptions& options() const { return options_; }

 private:
  struct Fetch {
    Fetch(asio::io_context& io, HttpFetchEvents fetch_events)
        : events(std::move(fetch_events)), resolver(io), socket(io), deadline(io) {}
    HttpFetchEvents events;
    std::string text;
    HttpReplyReader::Asked asked = HttpReplyReader::Asked::kOther;
    tcp::resolver resolver;
    tcp::socket socket;  // until it is connected
    std::unique_ptr<ByteStream> stream;
    asio::steady_timer deadline;
    uint64_t deadline_generation = 0;
    bool is_ended = false;
    Status status;  // of the end
  };
  using FetchPointer = std::shared_ptr<Fetch>;

  // Closes what is under way; the coroutine sees that and comes to its end. The first reason stays.
  static void end(Fetch& one, Status status) {
    if (one.is_ended) return;
    one.is_ended = true;
    one.status = std::move(status);
    error_code ignored;
    one.resolver.cancel();
    one.socket.close(ignored);
    if (one.stream) one.stream->close();
  }

  void arm(const FetchPointer& one, milliseconds time, const char* what) {
    const uint64_t generation = ++one->deadline_generation;
    one->deadline.expires_after(time);
    one->deadline.async_wait([this, one, generation, time, what](error_code error) {
      if (error || one->deadline_generation != generation) return;
      end(*one, resource_exhausted(fmt::format("{} {} within {} ms", url_.text(), what, time.count())));
    });
  }

  asio::awaitable<void> run_fetch(FetchPointer one) {
    arm(one, options_.connect_timeout, "did not take the connection");
    const bool is_connected = co_await connect(one);
    if (!is_connected) co_return;
    arm(one, options_.silence_timeout, "sent nothing");
    const std::string_view text = one->text;
    const error_code error = co_await one->stream->write(asio::buffer(text.data(), text.size()));
    // A server that refuses a request may close before it has read it, but its reply is there.
    co_await read_reply(one, error);
  }

  asio::awaitable<bool> connect(FetchPointer one) {
    const std::string port = std::to_string(url_.port);
    auto [unknown, addresses] = co_await one->resolver.async_resolve(url_.host, port, kAwait);
    if (unknown) {
      end(*one, not_found(fmt::format("the name {} is not known", url_.host)));
      co_return false;
    }
    auto [refused, endpoint] = co_await asio::async_connect(one->socket, addresses, kAwait);
    if (refused) {
      end(*one, not_found(fmt::format("cannot connect to {}: {} (is the server running?)", url_.text(),
                                      refused.message())));
      co_return false;
    }
    error_code ignored;
    one->socket.set_option(tcp::no_delay(true), ignored);
    if (!url_.is_secure) {
      one->stream = plain_stream(std::move(one->socket));
      co_return true;
    }
    auto stream = tls_client_stream(std::move(one->socket), tls_, url_.host);
    if (!stream.ok()) {
      end(*one, stream.status());
      co_return false;
    }
    one->stream = std::move(stream).value();
    const error_code untrusted = co_await one->stream->handshake();
    if (untrusted) {
      end(*one,
          invalid_data(fmt::format("{} cannot be spoken to by TLS: {}", url_.text(), untrusted.message())));
    }
    co_return !untrusted;
  }

  asio::awaitable<void> read_reply(FetchPointer one, error_code write_error) {
    HttpReplyReader reader(one->asked, one->events);
    std::array<char, kReadBytes> buffer;
    while (!one->is_ended && !reader.is_done()) {
      arm(one, options_.silence_timeout, "sent nothing");
      const auto arrived = co_await one->stream->read(asio::buffer(buffer));
      if (one->is_ended) co_return;
      if (arrived.error) {
        if (reader.finish()) break;
        const std::string reason = write_error ? write_error.message() : arrived.error.message();
        const std::string_view hint = reader.has_begun() || url_.is_secure ? "" : "; is it https?";
        end(*one, invalid_data(fmt::format("{} closed the connection before its reply was complete ({}){}",
                                           url_.text(), reason, hint)));
        co_return;
      }
      if (!reader.push({buffer.data(), arrived.bytes})) {
        end(*one, invalid_data(fmt::format("{} answered what is not HTTP: {}", url_.text(), reader.error())));
        co_return;
      }
    }
  }

  const HttpUrl url_;
  const HttpClientOptions options_;
  const TlsContext tls_;
  asio::io_context io_{1};
  std::unordered_set<FetchPointer> fetches_;
  std::unordered_set<std::shared_ptr<asio::steady_timer>> timers_;
};

HttpClient::HttpClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpClient::~HttpClient() = default;

Result<std::unique_ptr<HttpClient>> HttpClient::create(HttpUrl url, HttpClientOptions options) {
  TlsContext tls;
  if (url.is_secure) {
    CAIRN_ASSIGN_OR_RETURN(tls, client_tls(options.trusted_certificates));
  }
  return std::unique_ptr<HttpClient>(
      new HttpClient(std::make_unique<Impl>(std::move(url), std::move(options), std::move(tls))));
}

void HttpClient::fetch(const HttpClientRequest& request, HttpFetchEvents events) {
  impl_->fetch(request, std::move(events));
}
void HttpClient::call_at(steady_clock::time_point time, std::function<void()> call) {
  impl_->call_at(time, std::move(call));
}
void HttpClient::run() { impl_->run(); }
void HttpClient::cancel_all() { impl_->cancel_all(); }

Result<HttpClientReply> HttpClient::fetch_whole(const HttpClientRequest& request) {
  HttpClientReply reply;
  Status status;
  bool is_too_large = false;
  const size_t bytes_max = impl_->options().body_bytes_max;
  impl_->fetch(request, {.on_head =
                             [&](int code, const std::vector<HttpHeader>& headers) {
                               reply.status = code;
                               reply.headers = headers;
                             },
                         .on_data =
                             [&](std::string_view bytes) {
                               is_too_large = reply.body.size() + bytes.size() > bytes_max;
                               if (is_too_large) return impl_->cancel_all();
                               reply.body += bytes;
                             },
                         .on_end = [&](const Status& end) { status = end; }});
  impl_->run();
  if (is_too_large) {
    return resource_exhausted(fmt::format("the server's reply has more than {} bytes", bytes_max));
  }
  CAIRN_RETURN_IF_ERROR(status);
  return reply;
}

}  // namespace cairn
