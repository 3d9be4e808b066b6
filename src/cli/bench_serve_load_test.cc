#include "cli/bench_serve_load.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace cairn {
namespace {

std::string text_of(const PlannedCall& call) { return std::get<std::string>(call.prompt); }
int64_t word_count(const std::string& text) { return 1 + std::ranges::count(text, ' '); }

std::vector<int64_t> draws(std::string_view spec, int count) {
  const auto lengths = Lengths::parse(spec);
  EXPECT_TRUE(lengths.ok()) << spec;
  std::vector<int64_t> values;
  for (int i = 0; i < count; ++i) values.push_back(lengths->draw(1, 2, static_cast<uint64_t>(i)));
  return values;
}

TEST(Lengths, FollowTheirDistribution) {
  EXPECT_EQ(draws("100", 3), (std::vector<int64_t>{100, 100, 100}));
  const auto uniform = draws("5-8", 4000);
  for (const int64_t value : {5, 6, 7, 8}) {
    EXPECT_NEAR(static_cast<double>(std::ranges::count(uniform, value)), 1000, 120) << value;
  }
  auto lognormal = draws("lognormal:100,0.5", 4000);
  std::ranges::sort(lognormal);
  EXPECT_NEAR(static_cast<double>(lognormal[2000]), 100, 5);
  EXPECT_NEAR(static_cast<double>(lognormal[3364]), 100 * std::exp(0.5), 8);  // one sigma above
  EXPECT_GE(lognormal.front(), 1);
  for (const char* bad : {"", "x", "0", "-5", "8-5", "5-", "lognormal:", "lognormal:100", "lognormal:100,-1",
                          "1e9", "nan", "5-inf"}) {
    EXPECT_FALSE(Lengths::parse(bad).ok()) << bad;
  }
}

TEST(LoadPlan, IsAPureFunctionOfItsOptions) {
  LoadOptions options{.rate = 10, .request_count = 20, .prompt_words = *Lengths::parse("10-20")};
  auto a = LoadPlan::create(options);
  auto b = LoadPlan::create(options);
  options.seed = 2;
  auto c = LoadPlan::create(options);
  ASSERT_TRUE(a.ok() && b.ok() && c.ok());
  EXPECT_EQ(a->size(), 20);
  int different = 0;
  for (int i = 0; i < 20; ++i) {
    const PlannedCall first = a->next();
    const PlannedCall second = b->next();
    EXPECT_EQ(first.prompt, second.prompt);
    EXPECT_EQ(first.at_s, second.at_s);
    EXPECT_EQ(first.max_tokens, 64);
    different += first.prompt != c->next().prompt ? 1 : 0;
    EXPECT_GE(word_count(text_of(first)), 10);
    EXPECT_LE(word_count(text_of(first)), 20);
  }
  EXPECT_EQ(different, 20);
}

TEST(LoadPlan, ArrivesAtItsRate) {
  auto plan = LoadPlan::create({.rate = 50, .seconds = 1000, .prompt_words = Lengths(1)});
  ASSERT_TRUE(plan.ok());
  EXPECT_FALSE(plan->size().has_value());
  EXPECT_EQ(plan->next().at_s, 0);
  double last = 0;
  double squares = 0;
  constexpr int kCalls = 5000;
  for (int i = 0; i < kCalls; ++i) {
    const double at = plan->next().at_s;
    EXPECT_GE(at, last);
    squares += (at - last) * (at - last);
    last = at;
  }
  EXPECT_NEAR(last, kCalls / 50.0, 5);
  EXPECT_NEAR(squares / kCalls, 2 / (50.0 * 50.0),
              0.0002);  // gaps are exponential: their mean square is 2 / rate^2
}

TEST(LoadPlan, SharesAPrefix) {
  auto plan = LoadPlan::create(
      {.request_count = 400, .prompt_words = Lengths(5), .shared_share = 0.25, .prefix_words = 20});
  ASSERT_TRUE(plan.ok());
  std::vector<std::string> prefixes;
  for (int i = 0; i < 400; ++i) {
    const std::string text = text_of(plan->next());
    EXPECT_EQ(word_count(text), 25);
    size_t end = 0;
    for (int word = 0; word < 20; ++word) end = text.find(' ', end + 1);
    prefixes.push_back(text.substr(0, end));
  }
  std::ranges::sort(prefixes);
  int64_t most = 0;
  for (const std::string& prefix : prefixes)
    most = std::max<int64_t>(most, std::ranges::count(prefixes, prefix));
  EXPECT_NEAR(static_cast<double>(most), 100, 30);
}

TEST(LoadPlan, ReadsTraces) {
  auto plan = LoadPlan::of_trace(
      "{\"at_ms\": 500, \"prompt\": [1, 2, 3], \"max_tokens\": 7}\n\n"
      "{\"at_ms\": 20.5, \"prompt\": \"Hi\"}\r\n{\"at_ms\": 30, \"prompt_words\": 4, \"max_tokens\": 1}",
      {});
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_EQ(plan->size(), 3);
  EXPECT_EQ(plan->arrivals(), LoadPlan::Arrivals::kPlanned);
  const PlannedCall first = plan->next();
  EXPECT_EQ(text_of(first), "Hi");
  EXPECT_DOUBLE_EQ(first.at_s, 0.0205);
  EXPECT_EQ(first.max_tokens, 64);
  EXPECT_EQ(word_count(text_of(plan->next())), 4);
  const PlannedCall last = plan->next();
  EXPECT_EQ(std::get<std::vector<int64_t>>(last.prompt), (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(last.max_tokens, 7);
  // In turn, without times.
  auto in_turn = LoadPlan::of_trace("{\"prompt\": \"a\"}\n{\"prompt\": \"b\"}", {.users = 2});
  ASSERT_TRUE(in_turn.ok());
  EXPECT_EQ(in_turn->arrivals(), LoadPlan::Arrivals::kClosedLoop);
}

TEST(LoadPlan, SaysWhatIsWrong) {
  const auto error_of = [](std::string_view text) { return LoadPlan::of_trace(text, {}).status().message(); };
  EXPECT_EQ(error_of(" \n"), "the trace has no requests");
  EXPECT_EQ(error_of("{\"at_ms\": 0, \"prompt\": \"a\"}\n{\"prompt\": \"a\"}"),
            "line 2 of the trace: at_ms, when it arrives, is missing or no number");
  for (const char* bad :
       {"[]", "{", "{\"at_ms\": -1, \"prompt\": \"a\"}", "{\"at_ms\": 0}", "{\"at_ms\": 0, \"prompt\": {}}",
        "{\"at_ms\": 0, \"prompt\": [-1]}", "{\"at_ms\": 0, \"prompt\": \"a\", \"max_tokens\": -1}",
        "{\"at_ms\": 0, \"prompt\": \"a\", \"prompt_words\": 1}"}) {
    EXPECT_TRUE(error_of(bad).starts_with("line 1 of the trace: ")) << bad;
  }
  EXPECT_FALSE(LoadPlan::create({.rate = 1, .users = 1}).ok());
  const auto missing = LoadPlan::create({.trace_path = "/no/such/file.jsonl"});
  EXPECT_NE(missing.status().message().find("/no/such/file.jsonl"), std::string::npos);
}

}  // namespace
}  // namespace cairn
