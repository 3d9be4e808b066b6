// Log: what happens, a line each, as text or as JSON, written by a thread of its own.
//
// Always true: nobody who logs waits for whoever reads it. Lines wait in a bounded queue; where it is full the oldest is
// dropped and counted. Control characters and invalid UTF-8 of anything logged are escaped, so a line is a line. Text of
// prompts and replies is logged only where LogOptions ask for it. Nothing is printed here: lines go to the sink or the file
// descriptor that is given. Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "cairn/status.h"
#include "server/request_facts.h"

namespace cairn {

enum class LogFormat : uint8_t { kText, kJson };
enum class LogLevel : uint8_t { kDebug, kInfo, kWarning, kError };
enum class LogPrompts : uint8_t { kLeftOut, kLogged };

// "text", "json"; "debug", "info", "warning", "error". Absent: no such name.
[[nodiscard]] std::optional<LogFormat> log_format_from_name(std::string_view name);
[[nodiscard]] std::optional<LogLevel> log_level_from_name(std::string_view name);

using LogSink =
    std::function<void(std::string_view line)>;  // with its line end; on the log's thread; must not throw

struct LogOptions {
  LogFormat format = LogFormat::kText;
  LogLevel level = LogLevel::kInfo;  // and above
  LogPrompts prompts = LogPrompts::kLeftOut;
  size_t queue_lines = 4096;
  std::function<std::chrono::system_clock::time_point()> now = std::chrono::system_clock::now;
  // How long the end of the log waits for a descriptor that nobody reads.
  std::chrono::milliseconds patience{1000};
};

struct LogField {
  std::string_view name;  // [a-z0-9_]
  std::variant<std::string_view, int64_t, double> value;
};

class Log {
 public:
  static constexpr size_t kMostLineBytes = 16 * 1024;  // a longer value is cut

  // Errors: kResourceExhausted (no thread).
  static Result<std::unique_ptr<Log>> to_sink(LogOptions options, LogSink sink);
  // To a file, a pipe or a terminal. The descriptor must outlive the log.
  static Result<std::unique_ptr<Log>> to_descriptor(LogOptions options, int fd);
  // Writes what waits.
  ~Log();
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  void write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields = {});
  // The line of a request; `prompt` and `reply` are left out unless the options ask for them.
  void write_request(const RequestFacts& facts, std::string_view prompt = {}, std::string_view reply = {});

  [[nodiscard]] LogPrompts prompts() const;  // whether it is worth while to make `prompt` and `reply`
  [[nodiscard]] uint64_t dropped_lines() const;

 private:
  struct Impl;
  explicit Log(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace cairn
