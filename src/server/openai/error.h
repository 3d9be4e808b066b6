// ApiError: how a request was refused or failed, in the words and numbers of OpenAI's interface. Plain data; Ollama's
// face writes the message alone (server/ollama/reply.h).
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "cairn/status.h"

namespace cairn {

struct ApiError {
  int status = 400;                            // HTTP
  std::string type = "invalid_request_error";  // the class of error that official clients branch on
  std::string code = {};                       // finer than the type; empty: written as null
  std::string message = {};                    // one plain sentence
  std::string param = {};  // the field, "messages[2].content[0].type"; empty: written as null

  friend bool operator==(const ApiError&, const ApiError&) = default;
};

// 400: `param` is wrong.
[[nodiscard]] ApiError invalid_request(std::string param, std::string message, std::string code = {});
// 400: valid in OpenAI's interface, but nothing that this server does.
[[nodiscard]] ApiError unsupported_request(std::string param, std::string message);
// 400: the prompt and what is to follow do not fit.
[[nodiscard]] ApiError context_exceeded(std::string message);
// 401 without a valid key, 403 with one that may not do this.
[[nodiscard]] ApiError authentication_error(std::string message);
[[nodiscard]] ApiError permission_error(std::string message);
// 404: no such model; no such thing at this path (with 405: not by this method).
[[nodiscard]] ApiError model_not_found(std::string_view model);
[[nodiscard]] ApiError not_found_error(std::string message);
[[nodiscard]] ApiError method_not_allowed(std::string message);
// 413: the body is too long.
[[nodiscard]] ApiError too_large_error(std::string message);
// 429: the caller has used up what it may use for now; Retry-After is a header, set by who replies.
[[nodiscard]] ApiError rate_limit_error(std::string message);
// 500: something failed here. 503: it cannot be done at the moment (the queue is full, the server stops). 504: the
// deadline passed.
[[nodiscard]] ApiError server_error(std::string message);
[[nodiscard]] ApiError unavailable_error(std::string message);
[[nodiscard]] ApiError timeout_error(std::string message);
// A Status that is not ok, by its code: 400, 404, 500 or 503.
[[nodiscard]] ApiError error_of(const Status& status);

// {"error":{"message":...,"type":...,"param":...,"code":...}}
[[nodiscard]] std::string error_body(const ApiError& error);

// Either a T or the ApiError that says why there is none.
template <typename T>
class [[nodiscard]] ApiResult {
 public:
  ApiResult(T value) : state_(std::in_place_index<0>, std::move(value)) {}         // NOLINT: implicit
  ApiResult(ApiError error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  // Only where it is not ok.
  [[nodiscard]] const ApiError& error() const { return std::get<1>(state_); }

  // Only where it is ok.
  T& operator*() & { return std::get<0>(state_); }
  const T& operator*() const& { return std::get<0>(state_); }
  T&& operator*() && { return std::get<0>(std::move(state_)); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }

 private:
  std::variant<T, ApiError> state_;
};

}  // namespace cairn
