#include "cli/terminal_input.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <string_view>

namespace cairn {
namespace {

TEST(Interrupt, IsAMarkThatCanBeCleared) {
  Interrupt interrupt(Interrupt::SecondTime::kIsTheSame);
  EXPECT_FALSE(interrupt.is_raised());
  std::raise(SIGINT);
  EXPECT_TRUE(interrupt.is_raised());
  std::raise(SIGINT);
  interrupt.clear();
  EXPECT_FALSE(interrupt.is_raised());
}

TEST(Interrupt, KeepsThatTheProgramMustEnd) {
  for (const int number : {SIGTERM, SIGHUP}) {
    Interrupt interrupt(Interrupt::SecondTime::kIsTheSame);
    std::raise(SIGINT);
    EXPECT_FALSE(interrupt.must_end());
    std::raise(number);
    EXPECT_TRUE(interrupt.is_raised());
    interrupt.clear();
    EXPECT_FALSE(interrupt.is_raised());
    EXPECT_TRUE(interrupt.must_end());
  }
}

TEST(Interrupt, LeavesAHangupIgnoredThatIs) {
  auto* before = std::signal(SIGHUP, SIG_IGN);
  {
    const Interrupt interrupt(Interrupt::SecondTime::kIsTheSame);
    std::raise(SIGHUP);
    EXPECT_FALSE(interrupt.is_raised());
  }
  EXPECT_EQ(std::signal(SIGHUP, before), SIG_IGN);
}

TEST(InterruptDeathTest, EndsTheProgramTheSecondTime) {
  EXPECT_EXIT(
      {
        const Interrupt interrupt(Interrupt::SecondTime::kEndsTheProgram);
        std::raise(SIGINT);
        std::raise(SIGINT);
        std::exit(0);
      },
      testing::KilledBySignal(SIGINT), "");
}

TEST(InterruptDeathTest, GivesTheSignalItsMeaningBack) {
  EXPECT_EXIT(
      {
        {
          const Interrupt interrupt(Interrupt::SecondTime::kIsTheSame);
        }
        std::raise(SIGINT);
        std::exit(0);
      },
      testing::KilledBySignal(SIGINT), "");
}

using Event = LineReader::Event;

// A reader of `text`, which ends after it. The text must fit into a pipe.
class Input {
 public:
  explicit Input(std::string_view text) {
    EXPECT_EQ(::pipe(ends_.data()), 0);
    EXPECT_EQ(::write(ends_[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
    ::close(ends_[1]);
  }
  ~Input() { ::close(ends_[0]); }
  [[nodiscard]] int fd() const { return ends_[0]; }

 private:
  std::array<int, 2> ends_{};
};

TEST(LineReader, GivesLinesUntilTheEnd) {
  const Input input("one\n\nthree");
  LineReader reader(input.fd());
  std::string line;
  EXPECT_EQ(reader.read(line), Event::kLine);
  EXPECT_EQ(line, "one");
  EXPECT_EQ(reader.read(line), Event::kLine);
  EXPECT_EQ(line, "");
  EXPECT_EQ(reader.read(line), Event::kLine);
  EXPECT_EQ(line, "three");
  EXPECT_EQ(reader.read(line), Event::kEnd);
  EXPECT_EQ(reader.read(line), Event::kEnd);
}

TEST(LineReader, OfNothingEndsAtOnce) {
  const Input input("");
  LineReader reader(input.fd());
  std::string line;
  EXPECT_EQ(reader.read(line), Event::kEnd);
}

TEST(LineReader, OfAClosedFileEnds) {
  LineReader reader(-1);
  std::string line;
  EXPECT_EQ(reader.read(line), Event::kEnd);
}

// A Ctrl-C that comes before the wait begins ends it all the same.
TEST(LineReader, IsWokenByAnInterruptThatCameBefore) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::pipe(ends.data()), 0);  // nothing comes, and nothing ends
  Interrupt interrupt(Interrupt::SecondTime::kIsTheSame);
  LineReader reader(ends[0], interrupt.fd());
  std::string line;
  std::raise(SIGINT);
  EXPECT_EQ(reader.read(line), Event::kInterrupted);
  interrupt.clear();
  ASSERT_EQ(::write(ends[1], "on\n", 3), 3);
  EXPECT_EQ(reader.read(line), Event::kLine);
  EXPECT_EQ(line, "on");
  ::close(ends[0]);
  ::close(ends[1]);
}

}  // namespace
}  // namespace cairn
