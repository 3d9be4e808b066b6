#include "engine/load_words.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

LoadReport report_of(LoadChoice choice) {
  return {.choice = choice,
          .found_positions = 320,
          .positions = {192, 0},
          .loading_ns = 5'550'000,
          .computing_ns = 1'200'000'000,
          .took_ns = 12'000'000};
}

TEST(LoadWords, NothingIsSaidWhereNoTierHadAnything) {
  EXPECT_FALSE(explain_load({}).has_value());
  EXPECT_EQ(load_choice_name(LoadChoice::kNone), "none");
}

TEST(LoadWords, SayWhatCameFromWhereAndBothEstimates) {
  EXPECT_EQ(
      explain_load(report_of(LoadChoice::kLoaded)),
      "320 were kept outside memory: 192 from disk came in 12 ms (estimated: loading 5.55 ms, computing "
      "1200 ms)");
  LoadReport mixed = report_of(LoadChoice::kLoaded);
  mixed.positions = {96, 64};
  mixed.computing_ns = 0;
  mixed.is_cut_short = true;
  EXPECT_EQ(explain_load(mixed),
            "320 were kept outside memory: 96 from disk and 64 from the remote store came in 12 ms "
            "(estimated: "
            "loading 5.55 ms, computing not known yet); a block was missing, damaged or late, so the rest "
            "was computed");
  mixed.positions = {0, 64};
  EXPECT_NE(explain_load(mixed)->find("64 from the remote store came"), std::string::npos);
}

TEST(LoadWords, SayWhyNothingWasLoaded) {
  EXPECT_EQ(explain_load(report_of(LoadChoice::kNotAllowed)),
            "320 more are kept outside memory, and were computed again, as was asked for");
  EXPECT_NE(explain_load(report_of(LoadChoice::kComputed))->find("expected to be quicker"),
            std::string::npos);
}

}  // namespace
}  // namespace cairn
