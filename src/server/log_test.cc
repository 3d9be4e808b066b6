#include "server/log.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <condition_variable>
#include <mutex>
#include <vector>

#include "base/utf8.h"
#include "server/log_line.h"

namespace cairn {
namespace {

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

std::chrono::system_clock::time_point fixed_time() {
  return std::chrono::system_clock::time_point(std::chrono::milliseconds(1'764'458'096'123));
}

// What a log wrote, once it is over.
class Lines {
 public:
  std::unique_ptr<Log> log(LogOptions options = {}) {
    options.now = fixed_time;
    auto made = Log::to_sink(std::move(options), [this](std::string_view line) { text_ += line; });
    EXPECT_TRUE(made.ok());
    return std::move(made).value();
  }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  std::string text_;
};

RequestFacts facts() {
  return {.id = "req-1",
          .tenant = "alice",
          .endpoint = "/v1/chat/completions",
          .prompt_tokens = 100,
          .reused_tokens = 64,
          .generated_tokens = 7,
          .ttft_s = 0.25,
          .tpot_s = 0.0405,
          .duration_s = 1.5,
          .reason = "evicted 3 steps ago"};
}

TEST(Log, WritesALineForPeople) {
  Lines lines;
  lines.log()->write(LogLevel::kWarning, "something happened",
                     {{"name", "plain"}, {"words", "two words"}, {"n", int64_t{-5}}, {"x", 0.5}});
  EXPECT_EQ(
      lines.text(),
      "2025-11-29T23:14:56.123Z warning something happened name=plain words=\"two words\" n=-5 x=0.5\n");
}

TEST(Log, WritesALineForPrograms) {
  Lines lines;
  lines.log({.format = LogFormat::kJson})->write(LogLevel::kInfo, "started", {{"port", int64_t{8080}}});
  EXPECT_EQ(
      lines.text(),
      "{\"time\":\"2025-11-29T23:14:56.123Z\",\"level\":\"info\",\"message\":\"started\",\"port\":8080}\n");
}

TEST(Log, ARequestIsALine) {
  Lines lines;
  lines.log()->write_request(facts(), "my secret prompt", "my secret reply");
  EXPECT_EQ(
      lines.text(),
      "2025-11-29T23:14:56.123Z info request id=req-1 tenant=alice endpoint=/v1/chat/completions status=200 "
      "outcome=stop prompt_tokens=100 reused_tokens=64 generated_tokens=7 ttft_ms=250 tpot_ms=40.5 "
      "duration_ms=1500 reason=\"evicted 3 steps ago\"\n");
}

TEST(Log, TextIsLoggedOnlyWhereThatIsAsked) {
  Lines lines;
  lines.log({.prompts = LogPrompts::kLogged})->write_request(facts(), "a\nb", "c d");
  EXPECT_SAYS(lines.text(), "prompt=\"a\\nb\" reply=\"c d\"\n");
}

TEST(Log, LevelsBelowAreLeftOut) {
  Lines lines;
  {
    const auto log = lines.log({.level = LogLevel::kWarning});
    log->write(LogLevel::kDebug, "one");
    log->write(LogLevel::kInfo, "two");
    log->write(LogLevel::kWarning, "three");
    log->write(LogLevel::kError, "four");
    log->write_request(facts());
    RequestFacts failed = facts();
    failed.outcome = RequestOutcome::kError;
    log->write_request(failed);
  }
  EXPECT_EQ(lines.text().find("one"), std::string::npos);
  EXPECT_EQ(lines.text().find("two"), std::string::npos);
  EXPECT_SAYS(lines.text(), "three");
  EXPECT_SAYS(lines.text(), "four");
  EXPECT_EQ(std::ranges::count(lines.text(), '\n'), 3);
}

TEST(Log, NamesOfOptions) {
  EXPECT_EQ(log_format_from_name("json"), LogFormat::kJson);
  EXPECT_EQ(log_format_from_name("JSON"), std::nullopt);
  EXPECT_EQ(log_level_from_name("error"), LogLevel::kError);
  EXPECT_EQ(log_level_from_name("trace"), std::nullopt);
}

// ---- hostile texts

TEST(Log, WhateverIsLoggedALineIsALine) {
  const std::string hostile =
      std::string("a\0b", 3) + "\x1b[31m\r\n2025 info forged\x7f\xc2\x9b\xe2\x80\xae\xff\xc0\xaf \"q\" \\";
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const std::array<LogField, 1> fields{{{"value", hostile}}};
    const std::string line = log_line(format, fixed_time(), LogLevel::kInfo, hostile, fields);
    EXPECT_EQ(std::ranges::count(line, '\n'), 1) << line;
    EXPECT_TRUE(line.ends_with('\n'));
    EXPECT_EQ(find_invalid_utf8(line), std::nullopt);
    for (const char c : line.substr(0, line.size() - 1)) {
      EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) << static_cast<int>(c);
    }
    EXPECT_EQ(line.find("\xe2\x80\xae"), std::string::npos);
    EXPECT_EQ(line.find("\xc2\x9b"), std::string::npos);
    if (format == LogFormat::kText) continue;
    const auto object = boost::json::parse(line).as_object();
    EXPECT_TRUE(std::string_view(object.at("value").as_string()).ends_with("\"q\" \\"));
  }
}

TEST(Log, NumbersAreJsonWhateverTheyAre) {
  for (const double value : {0.0, -0.0001, 1e300, std::nan(""), HUGE_VAL, -HUGE_VAL, 12345.6789}) {
    const std::array<LogField, 1> fields{{{"value", value}}};
    const std::string line = log_line(LogFormat::kJson, fixed_time(), LogLevel::kInfo, "m", fields);
    boost::system::error_code error;
    (void)boost::json::parse(line, error);
    EXPECT_FALSE(error) << line;
  }
}

TEST(Log, LongTextsAreCut) {
  const std::string text(1 << 20, '\n');
  for (const LogFormat format : {LogFormat::kText, LogFormat::kJson}) {
    const std::array<LogField, 3> fields{{{"first", text}, {"second", text}, {"third", int64_t{1}}}};
    const std::string line = log_line(format, fixed_time(), LogLevel::kInfo, text, fields);
    EXPECT_LE(line.size(), Log::kMostLineBytes);
    if (format == LogFormat::kJson) {
      EXPECT_TRUE(boost::json::parse(line).is_object());
    }
  }
  Lines lines;
  lines.log({.prompts = LogPrompts::kLogged})->write_request(facts(), std::string(100'000, 'p'), "the reply");
  EXPECT_SAYS(lines.text(), "reply=\"the reply\"");
  EXPECT_LE(lines.text().size(), Log::kMostLineBytes);
}

// ---- slow and absent readers

TEST(Log, ASlowSinkHoldsNobodyUpAndDropsTheOldest) {
  std::mutex mutex;
  std::condition_variable changed;
  bool may_go_on = false;
  std::string text;
  uint64_t dropped = 0;
  {
    auto made = Log::to_sink({.queue_lines = 16, .now = fixed_time}, [&](std::string_view line) {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return may_go_on; });
      text += line;
    });
    ASSERT_TRUE(made.ok());
    const auto log = std::move(made).value();
    for (int64_t i = 0; i < 1000; ++i)
      log->write(LogLevel::kInfo, "m", {{"n", i}});  // returns though nothing is read
    dropped = log->dropped_lines();
    EXPECT_GE(dropped, 980U);
    const std::lock_guard lock(mutex);
    may_go_on = true;
    changed.notify_all();
  }
  EXPECT_EQ(static_cast<uint64_t>(std::ranges::count(text, '\n')) + dropped, 1000U);
  EXPECT_SAYS(text, "n=999\n");
}

TEST(Log, APipeThatNobodyReadsDoesNotHoldTheEndUp) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  std::chrono::steady_clock::time_point begin;
  {
    auto made = Log::to_descriptor({.queue_lines = 64, .patience = std::chrono::milliseconds(100)}, ends[1]);
    ASSERT_TRUE(made.ok());
    const auto log = std::move(made).value();
    const std::string text(8000, 'x');
    for (int i = 0; i < 1000; ++i) log->write(LogLevel::kInfo, "m", {{"text", text}});
    EXPECT_GT(log->dropped_lines(), 0U);
    begin = std::chrono::steady_clock::now();
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(3));
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(Log, WritesToADescriptor) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);
  {
    auto made = Log::to_descriptor({.now = fixed_time}, ends[1]);
    ASSERT_TRUE(made.ok());
    (*made)->write(LogLevel::kInfo, "hello");
  }
  std::array<char, 200> buffer{};
  const ssize_t got = ::read(ends[0], buffer.data(), buffer.size());
  EXPECT_EQ(std::string(buffer.data(), static_cast<size_t>(std::max<ssize_t>(got, 0))),
            "2025-11-29T23:14:56.123Z info hello\n");
  ::close(ends[0]);
  ::close(ends[1]);
}

TEST(Log, AClosedDescriptorIsCountedNotFatal) {
  const int fd = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  ASSERT_GE(fd, 0);
  auto made = Log::to_descriptor({.now = fixed_time}, fd);
  ASSERT_TRUE(made.ok());
  (*made)->write(LogLevel::kInfo, "hello");
  for (int i = 0; i < 1000 && (*made)->dropped_lines() == 0; ++i) ::usleep(1000);
  EXPECT_EQ((*made)->dropped_lines(), 1U);
  made = internal_error("");  // ends the log before its descriptor
  ::close(fd);
}

}  // namespace
}  // namespace cairn
