// Files from outside that once failed, in ../shared/cases: each opens and runs. Its README says what each must do.
#include <gtest/gtest.h>

#include <filesystem>

#include "cairn/llm.h"
#include "engine/open_engine.h"

namespace cairn {
namespace {

const std::filesystem::path kCases = CAIRN_SOURCE_DIR "/../shared/cases";

#define REQUIRE_CASES() \
  if (!std::filesystem::exists(kCases)) GTEST_SKIP() << "the files of ../shared/cases are not here"

LoadedModel loaded(const std::string& name, std::optional<int64_t> context = std::nullopt) {
  auto loaded = load_model(kCases / name, {.thread_count = 1, .context = context});
  EXPECT_TRUE(loaded.ok()) << name << ": " << loaded.status().message();
  return std::move(loaded).value();
}

// How many tokens it generates of those asked for.
int64_t generated(const std::string& name, std::optional<int64_t> context) {
  auto llm = Llm::open(kCases / name, {.context = context, .thread_count = 1});
  EXPECT_TRUE(llm.ok()) << name << ": " << llm.status().message();
  if (!llm.ok()) return 0;
  int64_t count = 0;
  const auto id = llm->submit({.prompt = std::vector<TokenId>{1, 260, 300},
                               .max_tokens = 8,
                               .ignore_end_tokens = true,
                               .on_finish = [&](int64_t, const TextResult& result) {
                                 EXPECT_TRUE(result.status.ok()) << result.status.message();
                                 count = result.generated_tokens;
                               }});
  EXPECT_TRUE(id.ok()) << id.status().message();
  llm->run();
  return count;
}

TEST(SharedCases, PhiWithLongRopeRunsWithEitherFactors) {
  REQUIRE_CASES();
  const std::string name = "g24_phi_longrope.gguf";
  EXPECT_EQ(loaded(name).made_for, 128);
  EXPECT_EQ(loaded(name, 64).model->config().context_length, 64);
  EXPECT_EQ(loaded(name, 65).model->config().context_length, 128);
  EXPECT_NEAR(loaded(name).model->config().ropes[0].magnitude, 1.19, 1e-6);
  for (const int64_t context : {64, 128}) EXPECT_EQ(generated(name, context), 8);
}

TEST(SharedCases, YarnAsAModelCardWritesIt) {
  REQUIRE_CASES();
  EXPECT_EQ(loaded("h04_yarn_card").made_for, 128);
  EXPECT_EQ(generated("h04_yarn_card", 128), 8);
}

TEST(SharedCases, MatricesInIq4Nl) {
  REQUIRE_CASES();
  EXPECT_EQ(generated("q1_q3_k_m_with_iq4_nl.gguf", std::nullopt), 8);
}

}  // namespace
}  // namespace cairn
