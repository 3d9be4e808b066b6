// Status and Result<T>: how the outside world's failures travel through Cairn.
//
// The library never prints, exits or throws across a public header on anything that a user or a file
// can cause: it returns one of these. A message is one sentence in plain words that names what is
// wrong (the file, the field, the value) and, where there is one, what to do about it.
// Bugs of our own are CHECKs (base/check.h), not Statuses.
#pragma once

#include <string>
#include <utility>
#include <variant>

namespace cairn {

enum class StatusCode {
  kOk,
  kInvalidArgument,    // the caller's value is wrong: bad option, empty prompt, invalid UTF-8
  kNotFound,           // a file, tensor, key or name that is not there
  kInvalidData,        // a file's content is damaged or hostile
  kUnsupported,        // valid, but not something that Cairn runs
  kResourceExhausted,  // no memory, no disk, no room
  kInternal,           // the operating system refused something it should not have
};

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}

  [[nodiscard]] bool ok() const { return code_ == StatusCode::kOk; }
  [[nodiscard]] StatusCode code() const { return code_; }
  [[nodiscard]] const std::string& message() const { return message_; }

  friend bool operator==(const Status&, const Status&) = default;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

inline Status invalid_argument(std::string m) { return {StatusCode::kInvalidArgument, std::move(m)}; }
inline Status not_found(std::string m) { return {StatusCode::kNotFound, std::move(m)}; }
inline Status invalid_data(std::string m) { return {StatusCode::kInvalidData, std::move(m)}; }
inline Status unsupported(std::string m) { return {StatusCode::kUnsupported, std::move(m)}; }
inline Status resource_exhausted(std::string m) { return {StatusCode::kResourceExhausted, std::move(m)}; }
inline Status internal_error(std::string m) { return {StatusCode::kInternal, std::move(m)}; }

// Either a T or the Status with the reason why there is none. `value()` on an error is a bug of the caller
// (std::get throws bad_variant_access, which nothing catches).
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}         // NOLINT: implicit
  Result(Status status) : state_(std::in_place_index<1>, std::move(status)) {}  // NOLINT: implicit

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  [[nodiscard]] Status status() const { return ok() ? Status() : std::get<1>(state_); }

  T& value() & { return std::get<0>(state_); }
  const T& value() const& { return std::get<0>(state_); }
  T&& value() && { return std::get<0>(std::move(state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace cairn

// Returns the Status of `expr` from the enclosing function unless it is ok.
#define CAIRN_RETURN_IF_ERROR(expr)                                             \
  do {                                                                          \
    if (auto cairn_status_ = (expr); !cairn_status_.ok()) return cairn_status_; \
  } while (false)

#define CAIRN_CONCAT_INNER_(a, b) a##b
#define CAIRN_CONCAT_(a, b) CAIRN_CONCAT_INNER_(a, b)
#define CAIRN_ASSIGN_OR_RETURN_IMPL_(result, lhs, expr) \
  auto result = (expr);                                 \
  if (!result.ok()) return result.status();             \
  lhs = std::move(result).value()

// `CAIRN_ASSIGN_OR_RETURN(auto file, GgufFile::open(path));`
#define CAIRN_ASSIGN_OR_RETURN(lhs, expr) \
  CAIRN_ASSIGN_OR_RETURN_IMPL_(CAIRN_CONCAT_(cairn_result_, __LINE__), lhs, expr)
