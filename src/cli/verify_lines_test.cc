#include "cli/verify_lines.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>

namespace cairn {
namespace {

class VerifyLinesTest : public testing::Test {
 protected:
  VerifyLinesTest() { EXPECT_EQ(::pipe(pipe_.data()), 0); }
  ~VerifyLinesTest() override {
    for (const int fd : pipe_) ::close(fd);
  }
  std::string written() {
    std::array<char, 4096> buffer{};
    const ssize_t count = ::read(pipe_[0], buffer.data(), buffer.size());
    return {buffer.data(), count < 0 ? 0 : static_cast<size_t>(count)};
  }
  static LawRow row_of(const char* plan, LawOutcome outcome) {
    LawRow row{.law = 2,
               .what = "prefill chunk 7",
               .kv_plan = *KvPlan::parse(plan),
               .outcome = outcome,
               .position_count = 3,
               .logit_count = 1500};
    if (outcome == LawOutcome::kDifferent) row.difference = LogitDifference{0, 12, 5, 1.25F, 1.5F};
    return row;
  }

  std::array<int, 2> pipe_{};
};

TEST_F(VerifyLinesTest, APlanIsThereWhenTheNextBeginsAndAFaultAtOnce) {
  Console console(Console::Colours::kNever, pipe_[1]);
  const Interrupt interrupt(Interrupt::SecondTime::kIsTheSame);
  const Watch watch{console, interrupt};
  PlanLines lines(watch);
  lines.begin(Isa::kAvx2);
  lines.add(row_of("f16", LawOutcome::kEqual));
  lines.add(row_of("f16", LawOutcome::kEqual));
  lines.add(row_of("int4", LawOutcome::kDifferent));
  const std::string text = written();
  const size_t plan = text.find("avx2     f16");
  const size_t fault = text.find("avx2, int4, law 2, prefill chunk 7: DIFFERS at position 12");
  EXPECT_NE(plan, std::string::npos) << text;
  EXPECT_NE(fault, std::string::npos) << text;
  EXPECT_LT(plan, fault);
  EXPECT_NE(text.find("3,000  equal"), std::string::npos) << text;
  lines.end();
  EXPECT_NE(written().find("1 NOT EQUAL"), std::string::npos);
}

TEST_F(VerifyLinesTest, NothingIsPrintedBesideJson) {
  Console console(Console::Colours::kNever, pipe_[1]);
  const Interrupt interrupt(Interrupt::SecondTime::kIsTheSame);
  const Watch watch{console, interrupt, Watch::Lines::kNone};
  PlanLines lines(watch);
  lines.add(row_of("f16", LawOutcome::kDifferent));
  lines.end();
  console.write("end");
  EXPECT_EQ(written(), "end");
}

}  // namespace
}  // namespace cairn
