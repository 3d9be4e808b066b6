#include "server/openai/error.h"

#include <fmt/format.h>

#include "base/printable.h"
#include "server/openai/json_writer.h"

namespace cairn {

ApiError invalid_request(std::string param, std::string message, std::string code) {
  return {400, "invalid_request_error", std::move(code), std::move(message), std::move(param)};
}
ApiError unsupported_request(std::string param, std::string message) {
  return {400, "invalid_request_error", "unsupported_value", std::move(message), std::move(param)};
}
ApiError context_exceeded(std::string message) {
  return {400, "invalid_request_error", "context_length_exceeded", std::move(message)};
}
ApiError authentication_error(std::string message) {
  return {401, "authentication_error", "invalid_api_key", std::move(message)};
}
ApiError permission_error(std::string message) {
  return {403, "permission_error", "permission_denied", std::move(message)};
}
ApiError model_not_found(std::string_view model) {
  return {404, "not_found_error", "model_not_found",
          fmt::format("the model '{}' is not served here: GET /v1/models lists what is", printable(model)),
          "model"};
}
ApiError not_found_error(std::string message) {
  return {404, "not_found_error", "not_found", std::move(message)};
}
ApiError method_not_allowed(std::string message) {
  return {405, "invalid_request_error", "method_not_allowed", std::move(message)};
}
ApiError too_large_error(std::string message) {
  return {413, "invalid_request_error", "request_too_large", std::move(message)};
}
ApiError rate_limit_error(std::string message) {
  return {429, "rate_limit_error", "rate_limit_exceeded", std::move(message)};
}
ApiError server_error(std::string message) {
  return {500, "server_error", "server_error", std::move(message)};
}
ApiError unavailable_error(std::string message) {
  return {503, "server_error", "unavailable", std::move(message)};
}
ApiError timeout_error(std::string message) {
  return {504, "timeout_error", "deadline_exceeded", std::move(message)};
}

ApiError error_of(const Status& status) {
  switch (status.code()) {
    case StatusCode::kInvalidArgument: return invalid_request({}, status.message());
    case StatusCode::kUnsupported: return unsupported_request({}, status.message());
    case StatusCode::kNotFound: return not_found_error(status.message());
    case StatusCode::kResourceExhausted: return unavailable_error(status.message());
    case StatusCode::kOk:
    case StatusCode::kInvalidData:
    case StatusCode::kInternal: break;
  }
  return server_error(status.message());
}

std::string error_body(const ApiError& error) {
  std::string out;
  append_error(out, error);
  return out;
}

}  // namespace cairn
