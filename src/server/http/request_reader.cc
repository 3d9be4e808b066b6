#include "server/http/request_reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <functional>
#include <utility>

#include "server/http/http_parse.h"

namespace cairn {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

constexpr size_t kExtensionBytesMax = 256;  // of one chunk: nobody uses any

// A body as text that grows only by what has arrived, each byte of it taken from the server's budget first (Beast's
// string_body reserves what Content-Length merely announces).
struct LeasedBody {
  struct value_type {
    std::string text;
    BodyLease lease;
    bool is_over_budget = false;
  };
  class reader {
   public:
    template <bool kIsRequest, class Fields>
    reader(http::header<kIsRequest, Fields>&, value_type& body) : body_(body) {}
    static void init(const boost::optional<uint64_t>&, error_code& ec) { ec = {}; }
    template <class Buffers>
    size_t put(const Buffers& buffers, error_code& ec) {
      const size_t bytes = boost::beast::buffer_bytes(buffers);
      if (!body_.lease.grow(bytes)) {
        body_.is_over_budget = true;
        ec = http::error::body_limit;
        return 0;
      }
      for (const auto part : boost::beast::buffers_range_ref(buffers)) {
        body_.text.append(static_cast<const char*>(part.data()), part.size());
      }
      ec = {};
      return bytes;
    }
    static void finish(error_code& ec) { ec = {}; }

   private:
    value_type& body_;
  };
};

std::string text_of(boost::beast::string_view view) { return {view.data(), view.size()}; }

}  // namespace

struct RequestReader::Parser {
  http::request_parser<LeasedBody> beast;
  std::function<void(uint64_t, boost::beast::string_view, error_code&)> on_chunk;
};

RequestReader::RequestReader(HttpRequestLimits limits, std::shared_ptr<BodyBudget> budget)
    : limits_(limits), parser_(std::make_unique<Parser>()) {
  auto& parser = parser_->beast;
  parser.header_limit(static_cast<uint32_t>(limits.header_bytes_max));
  parser.body_limit(limits.body_bytes_max);
  parser.get().body().lease = BodyLease(std::move(budget));
  parser_->on_chunk = [](uint64_t, boost::beast::string_view extensions, error_code& ec) {
    ec = extensions.size() > kExtensionBytesMax ? error_code(http::error::bad_chunk_extension) : error_code();
  };
  parser.on_chunk_header(parser_->on_chunk);
}

RequestReader::~RequestReader() = default;

RequestReader::Progress RequestReader::refuse(int status, std::string message) {
  refusal_ = {.status = status, .message = std::move(message)};
  return Progress::kRefused;
}

// Line ends are checked here, before Beast sees the head: a line that ends without CR, or that goes on in the next one
// (obs-fold), is read differently by different servers, which is how requests are smuggled.
RequestReader::Progress RequestReader::head(std::string_view input, size_t& used) {
  used = 0;
  if (input.starts_with("\r\n") && scanned_ == 0) {  // RFC 9112: a client may send one too many after a body
    used = 2;
    return Progress::kNeedsMore;
  }
  if (!input.empty() && (input.front() < '!' || input.front() > '~') && input.front() != '\r') {
    return refuse(400, "This is no HTTP request (this port speaks another protocol than yours).");
  }
  const std::string_view window = input.substr(0, limits_.header_bytes_max);
  while (true) {
    const size_t line_end = window.find('\n', scanned_);
    if (line_end == std::string_view::npos || line_end + 1 == window.size()) break;
    if (line_end == 0 || window[line_end - 1] != '\r')
      return refuse(400, "A line of the head ends without CR.");
    const char next = window[line_end + 1];
    if (next == ' ' || next == '\t') return refuse(400, "A header goes on in a second line.");
    if (next == '\r' && line_end + 2 == window.size()) break;
    if (next == '\r' && window[line_end + 2] == '\n') {
      error_code ec;
      used = parser_->beast.put(boost::asio::const_buffer(window.data(), line_end + 3), ec);
      if (ec == http::error::body_limit) {
        return refuse(413,
                      fmt::format("A body of more than {} bytes is not accepted.", limits_.body_bytes_max));
      }
      if (ec || !parser_->beast.is_header_done()) {
        return refuse(400, fmt::format("The request's head is not valid HTTP ({}).", ec.message()));
      }
      return check_head();
    }
    scanned_ = line_end + 1;
  }
  if (window.size() >= limits_.header_bytes_max) {
    return refuse(431,
                  fmt::format("A head of more than {} bytes is not accepted.", limits_.header_bytes_max));
  }
  return Progress::kNeedsMore;
}

RequestReader::Progress RequestReader::check_head() {
  const auto& message = parser_->beast.get();
  for (const auto& field : message) {
    head_.headers.push_back({.name = text_of(field.name_string()), .value = text_of(field.value())});
  }
  if (message.count(http::field::content_length) > 1)
    return refuse(400, "There are two Content-Length headers.");
  if (const auto length = head_.header("Content-Length");
      length && length->find(',') != std::string_view::npos) {
    return refuse(400, "Content-Length is not a number.");
  }
  if (const auto encoding = head_.header("Transfer-Encoding")) {
    if (!is_http_1_1()) return refuse(400, "HTTP/1.0 has no Transfer-Encoding.");
    if (!equals_ignoring_case(*encoding, "chunked")) {
      return refuse(501, "Transfer-Encoding may only be chunked.");
    }
  }
  if (message.count(http::field::host) > 1) return refuse(400, "There are two Host headers.");
  if (is_http_1_1() && message.count(http::field::host) == 0)
    return refuse(400, "The Host header is missing.");
  if (const auto expected = head_.header("Expect");
      expected && !equals_ignoring_case(*expected, "100-continue")) {
    return refuse(417, "Expect may only be 100-continue.");
  }
  const std::string target = text_of(message.target());
  const auto parts = split_target(target);
  if (!parts) return refuse(400, "The request's target is neither a path nor an http URL.");
  head_.method = text_of(message.method_string());
  head_.path = parts->path;
  head_.query = parts->query;
  return Progress::kDone;
}

RequestReader::Progress RequestReader::body(std::string_view input, size_t& used) {
  used = 0;
  auto& parser = parser_->beast;
  while (!parser.is_done()) {
    error_code ec;
    const size_t taken = parser.put(boost::asio::const_buffer(input.data() + used, input.size() - used), ec);
    used += taken;
    if (ec == http::error::need_more || (!ec && taken == 0)) {
      if (input.size() - used > kChunkHeadBytesMax) {
        return refuse(400, "What is around the chunks of the body is too long.");
      }
      return Progress::kNeedsMore;
    }
    if (parser.get().body().is_over_budget) {
      return refuse(503, "The server has no room for this body now: try again.");
    }
    if (ec == http::error::body_limit) {
      return refuse(413,
                    fmt::format("A body of more than {} bytes is not accepted.", limits_.body_bytes_max));
    }
    if (ec) return refuse(400, fmt::format("The request's body is not valid HTTP ({}).", ec.message()));
  }
  return Progress::kDone;
}

HttpHead& RequestReader::parsed_head() { return head_; }

bool RequestReader::has_body() const { return !parser_->beast.is_done(); }
bool RequestReader::is_http_1_1() const { return parser_->beast.get().version() == 11; }
bool RequestReader::keeps_alive() const { return parser_->beast.keep_alive(); }
bool RequestReader::expects_continue() const {
  return is_http_1_1() && has_body() && head_.header("Expect").has_value();
}

std::string RequestReader::take_body() { return std::move(parser_->beast.get().body().text); }
BodyLease RequestReader::take_lease() { return std::move(parser_->beast.get().body().lease); }

const Refusal& RequestReader::refusal() const { return refusal_; }

}  // namespace cairn
