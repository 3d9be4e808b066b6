#include "server/http/reply_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace cairn {
namespace {

constexpr std::string_view kServersOwn[] = {"Content-Length", "Transfer-Encoding", "Connection", "Date"};

// A header that held a line end would be two.
void append_header(std::string_view name, std::string_view value, std::string& out) {
  const auto is_token = [](char c) { return c > ' ' && c < 127 && c != ':'; };
  if (name.empty() || !std::ranges::all_of(name, is_token)) return;
  out.append(name).append(": ");
  std::ranges::transform(value, std::back_inserter(out), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 32 || byte == 127 ? ' ' : c;
  });
  out.append("\r\n");
}

}  // namespace

bool is_bodiless(int status) { return status == 204 || status == 304; }

std::string_view reply_body(const HttpReply& reply) {
  return reply.shared_body != nullptr ? *reply.shared_body : reply.body;
}

std::string http_date(std::time_t time) {
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::tm utc{};
  gmtime_r(&time, &utc);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[utc.tm_wday], utc.tm_mday,
                     kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
}

std::string reply_head(const HttpReply& reply, const ReplyFrame& frame) {
  const bool is_known = reply.status >= 200 && reply.status <= 599;  // others would be read as something else
  const int status = is_known ? reply.status : 500;
  std::string head = fmt::format("HTTP/1.1 {} {}\r\n", status, http_reason(status));
  if (!reply.content_type.empty()) append_header("Content-Type", reply.content_type, head);
  for (const HttpHeader& header : reply.headers) {
    const auto is_same = [&](std::string_view own) { return equals_ignoring_case(own, header.name); };
    if (std::ranges::any_of(kServersOwn, is_same)) continue;
    append_header(header.name, header.value, head);
  }
  if (frame.body == BodyForm::kChunked) head += "Transfer-Encoding: chunked\r\n";
  if (frame.body == BodyForm::kWhole && !is_bodiless(status)) {
    head += fmt::format("Content-Length: {}\r\n", reply_body(reply).size());
  }
  head += fmt::format("Date: {}\r\nConnection: {}\r\n\r\n", http_date(frame.now),
                      frame.after == AfterReply::kKeepAlive ? "keep-alive" : "close");
  return head;
}

void append_chunk(std::string_view bytes, std::string& out) {
  fmt::format_to(std::back_inserter(out), "{:x}\r\n", bytes.size());
  out.append(bytes).append("\r\n");
}

HttpReply error_reply(int status, std::string_view message) {
  HttpReply reply{.status = status, .headers = {}, .body = {}, .shared_body = nullptr};
  reply.body = fmt::format(R"({{"error":{{"message":"{}","type":"{}","param":null,"code":null}}}})", message,
                           status < 500 ? "invalid_request_error" : "server_error");
  if (status == 503) reply.headers.push_back({.name = "Retry-After", .value = "1"});
  return reply;
}

}  // namespace cairn
