// Why a prompt was processed again, asked of the whole server: what a tenant hears of it, and what the log says.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include "engine/memory_plan.h"
#include "server/server_testing.h"

namespace cairn {
namespace {

using boost::json::value;

constexpr std::string_view kAlice = "alice-key";
constexpr std::string_view kBob = "bob-key";
constexpr int64_t kContext = 256;

// Of all layers.
uint64_t bytes_of_blocks(uint64_t count) {
  const LoadedModel& demo = demo_model();
  const auto shape = kv_shape_of(demo.model->config(), demo.engine_options.kv_plan, kContext);
  EXPECT_TRUE(shape.ok()) << shape.status().message();
  const auto geometry = KvGeometry::make(*shape);
  EXPECT_TRUE(geometry.ok()) << geometry.status().message();
  return count * geometry->block_bytes();
}

// Three blocks and a few tokens; no two texts begin alike.
boost::json::array text(int64_t number, int64_t token_count = 100) {
  boost::json::array tokens;
  for (int64_t i = 0; i < token_count; ++i) tokens.push_back(200 + number * 100 + i);
  return tokens;
}

std::string call_for(boost::json::array prompt) {
  return boost::json::serialize(boost::json::object{
      {"prompt", std::move(prompt)}, {"max_tokens", 1}, {"cairn", {{"explain_cache", true}}}});
}

value explained(const ServedTest& served, boost::json::array prompt, std::string_view key = {}) {
  return served.json("POST", "/v1/completions", call_for(std::move(prompt)), key).at("cairn").at("cache");
}

boost::json::object only_cause(std::string_view cause) { return {{"cause", cause}}; }

bool says(const value& explanation, std::string_view words) {
  return std::string_view(explanation.at("words").as_string()).find(words) != std::string_view::npos;
}

TEST(ServerExplanation, AQuotaIsNamedAsTheCause) {
  const std::string quota = fmt::format("kv={}", bytes_of_blocks(10));
  ServedTest served({.context = kContext, .keys = test_key_line("alice", kAlice, quota)});
  for (int64_t i = 0; i < 6; ++i) (void)explained(served, text(i), kAlice);
  const value why = explained(served, text(0), kAlice);
  EXPECT_EQ(why.at("reason").as_string(), "evicted");
  EXPECT_EQ(why.at("evicted"), only_cause("quota"));
  EXPECT_TRUE(says(why, "the next block was evicted, to keep within the quota of its tenant")) << why;
  EXPECT_EQ(served.json("GET", "/cairn/requests/last", {}, kAlice).at("evicted"), why.at("evicted"));
}

// Alice's blocks give way to Bob's: she hears of it, but neither how many steps he has had since nor how much he asked for. Who
// reads the log sees both.
TEST(ServerExplanation, ATenantHearsNoNumberOfOthers) {
  ServedTest served({.context = kContext,
                     .pool_bytes = bytes_of_blocks(10),
                     .keys = test_key_line("alice", kAlice) + test_key_line("bob", kBob)});
  (void)explained(served, text(0), kAlice);
  for (int64_t i = 1; i < 6; ++i) (void)explained(served, text(i), kBob);
  const value why = explained(served, text(0), kAlice);
  EXPECT_EQ(why.at("evicted"), only_cause("memory"));
  EXPECT_TRUE(says(why, "the next block was evicted, when memory was needed")) << why;
  EXPECT_TRUE(becomes_true([&] { return served.log_lines().size() == 7; }));
  EXPECT_NE(served.log_lines().back().find("steps ago, when "), std::string::npos)
      << served.log_lines().back();
}

TEST(ServerExplanation, WithoutTenantsTheNumbersAreTold) {
  const ServedTest served({.context = kContext, .pool_bytes = bytes_of_blocks(10)});
  for (int64_t i = 0; i < 6; ++i) (void)explained(served, text(i));
  const value why = explained(served, text(0));
  EXPECT_EQ(why.at("reason").as_string(), "evicted");
  EXPECT_GT(why.at("evicted").at("steps_ago").to_number<int64_t>(), 0);
  EXPECT_GT(why.at("evicted").at("wanted_blocks").to_number<int64_t>(), 0);
}

// As docs/serving.md has it.
TEST(ServerExplanation, OfSeveralPromptsTheFirstIsExplained) {
  const ServedTest served;
  (void)explained(served, text(0));
  const value reply = served.json("POST", "/v1/completions", call_for({text(0), text(1, 50)}));
  EXPECT_EQ(reply.at("usage").at("prompt_tokens"), 150);
  EXPECT_EQ(reply.at("cairn").at("cache").at("prompt_tokens"), 100);
  EXPECT_EQ(reply.at("cairn").at("cache").at("reused_tokens"), 96);
}

}  // namespace
}  // namespace cairn
