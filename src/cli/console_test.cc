#include "cli/console.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <stdlib.h>

#include <array>
#include <csignal>
#include <string>

#include "cli/parse.h"
#include "kv/kv_cache.h"

namespace cairn {
namespace {

class Pipe {
 public:
  Pipe() { EXPECT_EQ(::pipe(ends_.data()), 0); }
  ~Pipe() {
    close_end(0);
    close_end(1);
  }
  [[nodiscard]] int write_end() const { return ends_[1]; }
  void close_end(size_t which) {
    if (ends_[which] >= 0) ::close(ends_[which]);
    ends_[which] = -1;
  }
  // All that was written; ends the writing.
  std::string text() {
    close_end(1);
    std::string text;
    std::array<char, 256> part;
    for (ssize_t got = 0; (got = ::read(ends_[0], part.data(), part.size())) > 0;) {
      text.append(part.data(), static_cast<size_t>(got));
    }
    return text;
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

TEST(Console, WritesPlainTextIntoAPipe) {
  Pipe out, err;
  Console console(Console::Colours::kOnTerminals, out.write_end(), err.write_end());
  EXPECT_TRUE(console.write("result "));
  EXPECT_TRUE(console.write_foreign("\x1b[31mraw\n"));  // a file gets what the model said
  EXPECT_TRUE(console.write_opening("begin"));
  EXPECT_EQ(console.styled(Console::Style::kRed, "x"), "x");
  console.note("a note");
  console.error("it broke");
  {
    ProgressBar bar(console, "loading");
    bar.update(1, 2);
  }
  EXPECT_EQ(out.text(), "result \x1b[31mraw\nbegin");
  EXPECT_EQ(err.text(), "a note\ncairn: it broke\n");
}

TEST(Console, RemembersTheFirstFailedWrite) {
  const int full = ::open("/dev/full", O_WRONLY);
  if (full < 0) GTEST_SKIP() << "there is no /dev/full here";
  Pipe err;
  Console console(Console::Colours::kNever, full, err.write_end());
  EXPECT_TRUE(console.out_status().ok());
  EXPECT_FALSE(console.write("x"));
  EXPECT_FALSE(console.write("y"));
  EXPECT_NE(console.out_status().message().find("No space left"), std::string::npos);
  ::close(full);
}

TEST(Console, SaysThatNobodyReads) {
  std::signal(SIGPIPE, SIG_IGN);
  Pipe out, err;
  out.close_end(0);
  Console console(Console::Colours::kNever, out.write_end(), err.write_end());
  EXPECT_FALSE(console.write("x"));
  EXPECT_NE(console.out_status().message().find("broken pipe"), std::string::npos);
}

// A terminal of our own: its master end reads what the program wrote.
class Terminal {
 public:
  Terminal() : master_(::posix_openpt(O_RDWR | O_NOCTTY)) {
    if (master_ < 0 || ::grantpt(master_) != 0 || ::unlockpt(master_) != 0) return;
    slave_ = ::open(::ptsname(master_), O_RDWR | O_NOCTTY);
  }
  ~Terminal() {
    ::close(slave_);
    ::close(master_);
  }
  [[nodiscard]] bool works() const { return slave_ >= 0; }
  [[nodiscard]] int fd() const { return slave_; }
  // What it shows by the time that it ends with `end`; all of it after some seconds at most. The system
  // passes on what was written when it likes, and in parts.
  [[nodiscard]] std::string text_until(std::string_view end) const {
    constexpr int kPatienceMs = 5000;
    std::string text;
    std::array<char, 1024> part;
    while (!text.ends_with(end)) {
      pollfd waiting{.fd = master_, .events = POLLIN};
      if (::poll(&waiting, 1, kPatienceMs) <= 0) break;
      const ssize_t got = ::read(master_, part.data(), part.size());
      if (got <= 0) break;
      text.append(part.data(), static_cast<size_t>(got));
    }
    return text;
  }

 private:
  int master_;
  int slave_ = -1;
};

TEST(Console, LetsNoModelCommandATerminal) {
  const Terminal terminal;
  if (!terminal.works()) GTEST_SKIP() << "no pseudo-terminal can be had here";
  Console console(Console::Colours::kOnTerminals, terminal.fd(), terminal.fd());
  EXPECT_TRUE(console.out_is_terminal());
  console.write_foreign(
      "a\x1b[2J\x07\x7f\xc2\x9b"
      "b\xc3\xa9\n");
  EXPECT_EQ(terminal.text_until("\n"), "a[2Jb\xc3\xa9\r\n");
  EXPECT_EQ(console.styled(Console::Style::kBold, "x"), "\x1b[1mx\x1b[0m");
}

TEST(ProgressBars, ShowAndGoAwayOnATerminal) {
  const Terminal terminal;
  if (!terminal.works()) GTEST_SKIP() << "no pseudo-terminal can be had here";
  Console console(Console::Colours::kNever, terminal.fd(), terminal.fd());
  {
    ProgressBar bar(console, "loading");
    bar.update(1, 2);
    bar.update(2, 2);  // too soon: not drawn
  }
  const std::string text = terminal.text_until("\r\x1b[K");
  EXPECT_NE(text.find("loading  50 % [###"), std::string::npos) << text;
  EXPECT_EQ(text.find("100 %"), std::string::npos);
  EXPECT_TRUE(text.ends_with("\r\x1b[K"));
}

TEST(ProgressBars, AreNotShownWhereATerminalObeysNothing) {
  const Terminal terminal;
  if (!terminal.works()) GTEST_SKIP() << "no pseudo-terminal can be had here";
  Console console(Console::Colours::kOnTerminals, terminal.fd(), terminal.fd(),
                  Console::Commands::kAreIgnored);
  {
    ProgressBar bar(console, "loading");
    bar.update(1, 2);
  }
  console.error("no");
  console.write_opening("bold\n");
  EXPECT_EQ(terminal.text_until("bold\r\n"), "cairn: no\r\nbold\r\n");
}

TEST(FlagNames, AnOptionOfTheLibraryBecomesAFlag) {
  EXPECT_EQ(with_flags("ask for a larger `context`"), "ask for a larger --context");
  EXPECT_EQ(with_flags("a shorter context (`context` 512 fits), a smaller codec (`kv_plan` int8)"),
            "a shorter context (--context 512 fits), a smaller codec (--kv int8)");
}

TEST(FlagNames, OtherWordsStay) {
  for (const char* message :
       {"", "a larger context", "`", "``", "`contexts`", "a ` alone", "`name` is no filter"}) {
    EXPECT_EQ(with_flags(message), message);
  }
  EXPECT_EQ(with_flags("a ` alone, then `context`"), "a ` alone, then --context");
  EXPECT_EQ(with_flags("`name` and `isa`"), "`name` and --isa");
}

// A flag that the parser does not know would send people astray.
TEST(FlagNames, EachFlagIsOneOfTheProgram) {
  for (const auto& [option, value] : {std::pair("context", "64"),
                                      {"kv_plan", "int8"},
                                      {"kv_memory_bytes", "2GiB"},
                                      {"prefill_chunk", "8"},
                                      {"thread_count", "1"},
                                      {"isa", "scalar"}}) {
    const std::string flag = with_flags(std::string("`") + option + "`");
    EXPECT_EQ(flag.rfind("--", 0), 0U) << flag;
    const std::vector<std::string> arguments{"generate", "-p", "a", flag, value};
    EXPECT_TRUE(parse_command(arguments).ok()) << flag;
  }
}

TEST(FlagNames, ACommandMayHaveAFlagOfItsOwn) {
  const Status status = resource_exhausted("`max_sequences` 3, `max_sequences` 4, `context` 5");
  EXPECT_EQ(with_flag(status, "max_sequences", "--samples"),
            resource_exhausted("--samples 3, --samples 4, `context` 5"));
}

TEST(FlagNames, AMessageOfTheCacheNamesTheFlagHere) {
  const Status status = KvCache::create({.context = 0}).status();
  EXPECT_NE(status.message().find("`context`"), std::string::npos) << status.message();
  EXPECT_NE(with_flags(status.message()).find("--context must be"), std::string::npos);
}

}  // namespace
}  // namespace cairn
