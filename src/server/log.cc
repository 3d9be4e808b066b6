#include "server/log.h"

#include <poll.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/sink.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include "server/log_line.h"

namespace cairn {
namespace {

// Hands finished lines on.
class LineSink final : public spdlog::sinks::sink {
 public:
  explicit LineSink(LogSink take) : take_(std::move(take)) {}

  void log(const spdlog::details::log_msg& message) override {
    take_({message.payload.data(), message.payload.size()});
  }
  void flush() override {}
  void set_pattern(const std::string& /*pattern*/) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter> /*formatter*/) override {}

 private:
  LogSink take_;
};

// Writes to a descriptor, and waits for its reader until the log ends: then for a while only.
class DescriptorWriter {
 public:
  DescriptorWriter(int fd, std::chrono::milliseconds patience) : fd_(fd), patience_(patience) {}

  void write(std::string_view line) {
    while (!line.empty()) {
      if (!wait_for_room()) {
        lost_.fetch_add(1);
        return;
      }
      // A pipe that has room has room for so much (PIPE_BUF): a write of more could wait in spite of it.
      constexpr size_t kPiece = 4096;
      const ssize_t wrote = ::write(fd_, line.data(), std::min(line.size(), kPiece));
      if (wrote < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (wrote < 0) {  // closed, or a full disk
        lost_.fetch_add(1);
        return;
      }
      line.remove_prefix(static_cast<size_t>(wrote));
    }
  }
  void end_soon() {
    give_up_at_ = std::chrono::steady_clock::now() + patience_;
    is_ending_.store(true);
  }
  [[nodiscard]] uint64_t lost() const { return lost_.load(); }

 private:
  bool wait_for_room() {
    constexpr int kSliceMs = 50;
    for (;;) {
      const bool is_over = is_ending_.load() && std::chrono::steady_clock::now() >= give_up_at_;
      pollfd wait{.fd = fd_, .events = POLLOUT, .revents = 0};
      if (::poll(&wait, 1, is_over ? 0 : kSliceMs) > 0) return true;  // an error too: write() says which
      if (is_over) return false;
    }
  }

  int fd_;
  std::chrono::milliseconds patience_;
  std::atomic<uint64_t> lost_{0};
  std::atomic<bool> is_ending_{false};
  std::chrono::steady_clock::time_point give_up_at_;  // read only once is_ending_
};

double ms_of(double seconds) { return seconds * 1e3; }

}  // namespace

std::optional<LogFormat> log_format_from_name(std::string_view name) {
  if (name == "text") return LogFormat::kText;
  if (name == "json") return LogFormat::kJson;
  return std::nullopt;
}

std::optional<LogLevel> log_level_from_name(std::string_view name) {
  if (name == "debug") return LogLevel::kDebug;
  if (name == "info") return LogLevel::kInfo;
  if (name == "warning") return LogLevel::kWarning;
  if (name == "error") return LogLevel::kError;
  return std::nullopt;
}

struct Log::Impl {
  LogOptions options;
  std::shared_ptr<DescriptorWriter> writer;  // null: lines go to a function
  std::shared_ptr<spdlog::details::thread_pool> pool;
  std::shared_ptr<spdlog::async_logger> logger;
  std::atomic<uint64_t> failed{0};

  void start(LogSink take) {
    pool = std::make_shared<spdlog::details::thread_pool>(options.queue_lines, 1);
    logger = std::make_shared<spdlog::async_logger>("", std::make_shared<LineSink>(std::move(take)), pool,
                                                    spdlog::async_overflow_policy::overrun_oldest);
    logger->set_level(spdlog::level::trace);
    // Its own handler would print.
    logger->set_error_handler([this](const std::string& /*message*/) { failed.fetch_add(1); });
  }

  void put(LogLevel level, std::string_view message, std::span<const LogField> fields) {
    if (level < options.level) return;
    const std::string line = log_line(options.format, options.now(), level, message, fields);
    logger->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
  }
};

Log::Log(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<Log>> Log::to_sink(LogOptions options, LogSink sink) {
  auto impl = std::make_unique<Impl>();
  impl->options = std::move(options);
  try {
    impl->start(std::move(sink));
  } catch (const std::exception&) {  // spdlog's own, or no thread
    return resource_exhausted("cannot start the log's thread: too many threads, or no memory");
  }
  return std::unique_ptr<Log>(new Log(std::move(impl)));
}

Result<std::unique_ptr<Log>> Log::to_descriptor(LogOptions options, int fd) {
  auto writer = std::make_shared<DescriptorWriter>(fd, options.patience);
  CAIRN_ASSIGN_OR_RETURN(
      auto log, to_sink(std::move(options), [writer](std::string_view line) { writer->write(line); }));
  log->impl_->writer = std::move(writer);
  return log;
}

Log::~Log() {
  if (impl_->writer != nullptr) impl_->writer->end_soon();
  impl_->pool.reset();  // its thread ends when its queue is empty; only then does nobody use the sink
  impl_->logger.reset();
}

void Log::write(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
  impl_->put(level, message, {fields.begin(), fields.size()});
}

void Log::write_request(const RequestFacts& facts, std::string_view prompt, std::string_view reply) {
  std::vector<LogField> fields{{"id", facts.id},
                               {"tenant", facts.tenant},
                               {"endpoint", facts.endpoint},
                               {"status", int64_t{facts.status}},
                               {"outcome", request_outcome_name(facts.outcome)},
                               {"prompt_tokens", facts.prompt_tokens},
                               {"reused_tokens", facts.reused_tokens},
                               {"generated_tokens", facts.generated_tokens}};
  if (facts.ttft_s.has_value()) fields.push_back({"ttft_ms", ms_of(*facts.ttft_s)});
  if (facts.tpot_s.has_value()) fields.push_back({"tpot_ms", ms_of(*facts.tpot_s)});
  fields.push_back({"duration_ms", ms_of(facts.duration_s)});
  if (!facts.reason.empty()) fields.push_back({"reason", facts.reason});
  const bool shows_text = impl_->options.prompts == LogPrompts::kLogged;
  // So that the reply has its place beside a long prompt.
  constexpr size_t kMostPromptBytes = Log::kMostLineBytes / 3;
  if (shows_text) fields.push_back({"prompt", prompt.substr(0, kMostPromptBytes)});
  if (shows_text) fields.push_back({"reply", reply});
  impl_->put(facts.outcome == RequestOutcome::kError ? LogLevel::kError : LogLevel::kInfo, "request", fields);
}

LogPrompts Log::prompts() const { return impl_->options.prompts; }

uint64_t Log::dropped_lines() const {
  const uint64_t lost = impl_->writer == nullptr ? 0 : impl_->writer->lost();
  return impl_->pool->overrun_counter() + impl_->failed.load() + lost;
}

}  // namespace cairn
