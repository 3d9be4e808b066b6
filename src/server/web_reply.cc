#include "server/web_reply.h"

#include <utility>

#include "server/ollama/reply.h"

namespace cairn {

HttpReply json_reply(std::string body) { return {.body = std::move(body)}; }

HttpReply error_reply(const ApiError& error, std::string_view path, std::optional<int64_t> retry_after_s) {
  HttpReply reply{.status = error.status,
                  .body = path.starts_with("/api/") ? ollama_error_body(error) : error_body(error)};
  if (retry_after_s.has_value()) reply.headers.push_back({"Retry-After", std::to_string(*retry_after_s)});
  if (error.status == 401) reply.headers.push_back({"WWW-Authenticate", "Bearer"});
  return reply;
}

}  // namespace cairn
