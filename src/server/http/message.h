// What a client asks and what it is answered, as plain data: the words that handlers of HTTP requests are written in.
// Knows nothing of sockets. Anybody may make and copy these.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cairn {

struct HttpHeader {
  std::string name;
  std::string value;
};

// Everything before the body. Syntax has been checked: names and values hold no line ends or NULs.
struct HttpHead {
  std::string method;  // as sent; methods are case-sensitive, and unknown ones are passed on
  std::string path;    // without the query, as sent (not percent-decoded): begins with '/', or is "*"
  std::string query;   // what follows '?', as sent; empty where there is none
  std::string peer;    // the client's address without its port, e.g. "127.0.0.1" or "::1"
  bool is_secure = false;
  std::vector<HttpHeader> headers = {};  // in the order sent

  // The value of the first header of this name, whatever the case of its letters. Points into `headers`.
  [[nodiscard]] std::optional<std::string_view> header(std::string_view name) const;
};

struct HttpRequest {
  HttpHead head;
  std::string body;  // whole, already taken out of its chunks
};

// A whole reply, or (its body ignored) the head of a stream. The server adds Content-Length or Transfer-Encoding,
// Connection and Date; headers of these names are left out. Control characters in a header become blanks.
struct HttpReply {
  int status = 200;
  std::string content_type = "application/json";  // empty: no such header
  std::vector<HttpHeader> headers = {};
  std::string body = {};
  std::shared_ptr<const std::string> shared_body = {};  // where set, the body, which many replies can share
};

// "Not Found" for 404; "Unknown" for what has no usual name.
[[nodiscard]] std::string_view http_reason(int status);

// Whether two names are equal but for the case of their ASCII letters.
[[nodiscard]] bool equals_ignoring_case(std::string_view a, std::string_view b);

}  // namespace cairn
