#include "server/explanation.h"

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

namespace cairn {
namespace {

Tokenizer tokenizer() {
  TokenizerTables tables{.model = "llama", .tokens = {"<unk>", "cat", "dog"}, .scores = {0, 0, 0}};
  tables.types = {2, 1, 1};
  tables.unk = 0;
  auto made = make_tokenizer(std::move(tables));
  EXPECT_TRUE(made.ok()) << made.status().message();
  return *made;
}

constexpr KvMatchReport kDiffers{.end = KvMatchEnd::kTokensDiffer,
                                 .text_positions = 100,
                                 .found_positions = 32,
                                 .differs_at = 40,
                                 .wanted_token = 1,
                                 .known_token = 2};

TEST(Explanation, NamesTheTokensThatDiffer) {
  const Tokenizer words = tokenizer();
  const auto json = explanation_json(kDiffers, {.tokenizer = words});
  EXPECT_EQ(json.at("reused_tokens"), 32);
  EXPECT_EQ(json.at("reason"), "tokens_differ");
  EXPECT_EQ(json.at("differs_at"), 40);
  EXPECT_EQ(json.at("prompt_has").as_object().at("text"), "cat");
  EXPECT_EQ(json.at("cache_has").as_object().at("text"), "dog");
}

TEST(Explanation, HidesWhatMayBeAnotherTenants) {
  const Tokenizer words = tokenizer();
  const auto json = explanation_json(kDiffers, {.tokenizer = words, .known_text = KnownText::kHidden});
  EXPECT_FALSE(json.contains("cache_has"));
  EXPECT_EQ(boost::json::serialize(json).find("dog"), std::string::npos);
  EXPECT_EQ(json.at("prompt_has").as_object().at("text"), "cat");
}

TEST(Explanation, NamesATemplateThatRewritesEarlierTurns) {
  const Tokenizer words = tokenizer();
  const std::string said = explanation_words(kDiffers, {.tokenizer = words, .rewrites_earlier_turns = true});
  EXPECT_NE(said.find("without their reasoning"), std::string::npos) << said;
  const KvMatchReport complete{.end = KvMatchEnd::kComplete, .text_positions = 65, .found_positions = 64};
  EXPECT_EQ(
      explanation_words(complete, {.tokenizer = words, .rewrites_earlier_turns = true}).find("reasoning"),
      std::string::npos);
}

constexpr KvMatchReport kEvicted{.end = KvMatchEnd::kEvicted,
                                 .text_positions = 100,
                                 .found_positions = 32,
                                 .evicted_steps_ago = 7,
                                 .wanted_blocks = 3,
                                 .idle_blocks = 2};

KvMatchReport by_quota() {
  KvMatchReport report = kEvicted;
  report.is_evicted_by_quota = true;
  report.wanted_blocks = report.idle_blocks = 0;
  return report;
}

boost::json::object only_cause(std::string_view cause) { return {{"cause", cause}}; }

TEST(Explanation, SaysWhenABlockWasEvicted) {
  const Tokenizer words = tokenizer();
  const auto json = explanation_json(kEvicted, {.tokenizer = words});
  const boost::json::object evicted{
      {"cause", "memory"}, {"steps_ago", 7}, {"wanted_blocks", 3}, {"idle_blocks", 2}};
  EXPECT_EQ(json.at("evicted"), evicted);
  EXPECT_NE(json.at("words").as_string().find("evicted 7 steps ago"), std::string::npos) << json;
}

// All numbers of it count what others have asked for: a step is one of the whole engine.
TEST(Explanation, ATenantLearnsOfAnEvictionButNoNumber) {
  const Tokenizer words = tokenizer();
  const auto json = explanation_json(kEvicted, {.tokenizer = words, .pressure = Pressure::kHidden});
  EXPECT_EQ(json.at("evicted"), only_cause("memory"));
  EXPECT_EQ(json.at("words"),
            "cache: 32 of 100 prompt tokens found; the next block was evicted, when memory was needed");
}

TEST(Explanation, AQuotaIsNamedAsTheCause) {
  const Tokenizer words = tokenizer();
  const auto json = explanation_json(by_quota(), {.tokenizer = words, .pressure = Pressure::kHidden});
  EXPECT_EQ(json.at("evicted"), only_cause("quota"));
  EXPECT_EQ(
      json.at("words"),
      "cache: 32 of 100 prompt tokens found; the next block was evicted, to keep within the quota of its "
      "tenant");
}

// Where tenants share, the block may have counted for another one.
TEST(Explanation, NobodyLearnsOfAnothersQuota) {
  const Tokenizer words = tokenizer();
  const ExplanationPlace place{
      .tokenizer = words, .known_text = KnownText::kHidden, .pressure = Pressure::kHidden};
  EXPECT_EQ(explanation_json(by_quota(), place), explanation_json(kEvicted, place));
}

}  // namespace
}  // namespace cairn
