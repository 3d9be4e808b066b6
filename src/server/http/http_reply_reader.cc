#include "server/http/http_reply_reader.h"

#include <boost/beast/core/buffers_range.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <utility>
#include <vector>

namespace cairn {
namespace {

namespace http = boost::beast::http;
using boost::system::error_code;

constexpr size_t kHeadBytesMax = 64 << 10;

// A body that is passed on as it comes.
struct PassedBody {
  using value_type = std::function<void(std::string_view)>;
  class reader {
   public:
    template <bool kIsRequest, class Fields>
    reader(http::header<kIsRequest, Fields>&, value_type& pass) : pass_(pass) {}
    static void init(const boost::optional<uint64_t>&, error_code& ec) { ec = {}; }
    template <class Buffers>
    size_t put(const Buffers& buffers, error_code& ec) {
      size_t bytes = 0;
      for (const auto part : boost::beast::buffers_range_ref(buffers)) {
        bytes += part.size();
        if (pass_ && part.size() > 0) pass_({static_cast<const char*>(part.data()), part.size()});
      }
      ec = {};
      return bytes;
    }
    static void finish(error_code& ec) { ec = {}; }

   private:
    value_type& pass_;
  };
};

}  // namespace

struct HttpReplyReader::Parser {
  http::response_parser<PassedBody> beast;
};

HttpReplyReader::HttpReplyReader(Asked asked, const HttpFetchEvents& events)
    : asked_(asked), events_(events) {
  begin();
}
HttpReplyReader::~HttpReplyReader() = default;

void HttpReplyReader::begin() {
  parser_ = std::make_unique<Parser>();
  parser_->beast.header_limit(kHeadBytesMax);
  parser_->beast.body_limit(boost::none);
  parser_->beast.skip(asked_ == Asked::kHead);
  parser_->beast.get().body() = events_.on_data;
}

bool HttpReplyReader::push(std::string_view bytes) {
  rest_ += bytes;
  size_t used = 0;
  while (!is_done()) {
    error_code ec;
    const size_t taken =
        parser_->beast.put(boost::asio::const_buffer(rest_.data() + used, rest_.size() - used), ec);
    used += taken;
    if (ec && ec != http::error::need_more) {
      error_ = ec.message();
      return false;
    }
    if (!has_head_ && parser_->beast.is_header_done()) {
      const auto& message = parser_->beast.get();
      if (message.result_int() / 100 == 1) {  // "100 Continue": the reply follows
        begin();
        continue;
      }
      has_head_ = true;
      std::vector<HttpHeader> headers;
      for (const auto& field : message) {
        headers.push_back({.name = std::string(field.name_string()), .value = std::string(field.value())});
      }
      if (events_.on_head) events_.on_head(static_cast<int>(message.result_int()), headers);
    }
    if (ec == http::error::need_more || taken == 0) break;
  }
  rest_.erase(0, used);
  if (rest_.size() <= kHeadBytesMax) return true;
  error_ = "a line has no end";
  return false;
}

bool HttpReplyReader::finish() {
  if (!has_head_) return false;
  error_code ec;
  if (!is_done()) parser_->beast.put_eof(ec);
  return !ec;
}

bool HttpReplyReader::is_done() const { return has_head_ && parser_->beast.is_done(); }

}  // namespace cairn
