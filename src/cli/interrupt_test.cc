#include "cli/interrupt.h"

#include <gtest/gtest.h>

#include <cstdlib>

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

}  // namespace
}  // namespace cairn
