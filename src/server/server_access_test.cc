// Who may do what at the whole server, and that tenants learn nothing of each other.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <latch>
#include <tuple>

#include "server/server_testing.h"

namespace cairn {
namespace {

using boost::json::value;

constexpr std::string_view kAlice = "alice-key";
constexpr std::string_view kBob = "bob-key";

std::string two_keys(std::string_view bobs_settings = {}) {
  return test_key_line("alice", kAlice, "metrics=yes") + test_key_line("bob", kBob, bobs_settings);
}

std::string long_prompt() {
  std::string prompt;
  for (int i = 0; i < 30; ++i) prompt += "The dog ran to the big red house. ";
  return boost::json::serialize(boost::json::object{
      {"prompt", prompt}, {"max_tokens", 1}, {"cairn", boost::json::object{{"explain_cache", true}}}});
}

int64_t cached_of(const value& reply) {
  return reply.at("usage").at("prompt_tokens_details").at("cached_tokens").to_number<int64_t>();
}

TEST(ServerAccess, WithoutAKeyOnlyOpenPathsAnswer) {
  const ServedTest served({.keys = two_keys()});
  for (const char* path : {"/health", "/ready", "/", "/api/version"}) {
    EXPECT_NE(status_of(served.ask("GET", path)), 401) << path;
  }
  for (const char* path : {"/v1/models", "/metrics", "/cairn/requests/last", "/api/tags", "/api/ps"}) {
    EXPECT_EQ(status_of(served.ask("GET", path)), 401) << path;
    EXPECT_EQ(status_of(served.ask("GET", path, {}, "wrong")), 401) << path;
  }
  EXPECT_EQ(status_of(served.ask("POST", "/v1/completions", R"({"prompt":"x"})")), 401);
  EXPECT_EQ(status_of(served.ask("GET", "/v1/models", {}, kBob)), 200);
  EXPECT_EQ(status_of(served.ask("GET", "/v1/models", {}, {}, "X-Api-Key: bob-key\r\n")), 200);
}

TEST(ServerAccess, OnlyAKeyThatMayReadsTheMetrics) {
  const ServedTest served({.keys = two_keys()});
  EXPECT_EQ(status_of(served.ask("GET", "/metrics", {}, kAlice)), 200);
  EXPECT_EQ(status_of(served.ask("GET", "/metrics", {}, kBob)), 403);
}

TEST(ServerAccess, TenantsShareNoBlocks) {
  const ServedTest served({.keys = two_keys()});
  (void)served.json("POST", "/v1/completions", long_prompt(), kAlice);
  EXPECT_GT(cached_of(served.json("POST", "/v1/completions", long_prompt(), kAlice)), 0);
  const value bobs = served.json("POST", "/v1/completions", long_prompt(), kBob);
  EXPECT_EQ(cached_of(bobs), 0);
  EXPECT_EQ(bobs.at("cairn").at("cache").at("reason").as_string(), "nothing_known");
}

TEST(ServerAccess, AcrossTenantsBlocksAreSharedButNoText) {
  const ServedTest served({.keys = two_keys(), .sharing = TenantSharing::kAcrossTenants});
  (void)served.json("POST", "/v1/completions", long_prompt(), kAlice);
  EXPECT_GT(cached_of(served.json("POST", "/v1/completions", long_prompt(), kBob)), 0);
  std::string other = long_prompt();
  other.replace(other.find("red house", 500), 9, "old table");
  const value bobs = served.json("POST", "/v1/completions", other, kBob);
  EXPECT_EQ(boost::json::serialize(bobs).find("red"), std::string::npos);
}

TEST(ServerAccess, ExplanationsBelongToTheirTenant) {
  const ServedTest served({.keys = two_keys()});
  const value reply = served.json("POST", "/v1/completions", long_prompt(), kAlice);
  const std::string path = "/cairn/requests/" + std::string(reply.at("id").as_string());
  (void)served.json("GET", path, {}, kAlice);
  const value unknown = served.json("GET", "/cairn/requests/cmpl-000000000000000000000000", {}, kBob, 404);
  EXPECT_EQ(served.json("GET", path, {}, kBob, 404), unknown);
  (void)served.json("GET", "/cairn/requests/last", {}, kBob, 404);
}

TEST(ServerAccess, ASaltOfTheClientsOwnParts) {
  const ServedTest served;
  std::string salted = long_prompt();
  salted.insert(1, R"("cache_salt":"mine",)");
  (void)served.json("POST", "/v1/completions", long_prompt());
  EXPECT_EQ(cached_of(served.json("POST", "/v1/completions", salted)), 0);
  EXPECT_GT(cached_of(served.json("POST", "/v1/completions", salted)), 0);
}

TEST(ServerAccess, RatesAreAnsweredWith429) {
  const ServedTest served({.keys = two_keys("requests=2/h")});
  (void)served.json("POST", "/v1/completions", R"({"prompt":"x","max_tokens":1})", kBob);
  (void)served.json("POST", "/v1/completions", R"({"prompt":"x","max_tokens":1})", kBob);
  const std::string reply = served.ask("POST", "/v1/completions", R"({"prompt":"x","max_tokens":1})", kBob);
  EXPECT_EQ(status_of(reply), 429);
  EXPECT_NE(reply.find("Retry-After: "), std::string::npos) << reply;
  (void)served.json("POST", "/v1/completions", R"({"prompt":"x","max_tokens":1})", kAlice);
}

TEST(ServerAccess, AFullHouseIsAnsweredWith429AndNobodysShareIsTaken) {
  const ServedTest served({.max_sequences = 1, .texts_max = 4, .keys = two_keys()});
  std::vector<RawClient> alices;
  for (int i = 0; i < 3; ++i) {  // her own place, and both of those that are for anybody
    alices.emplace_back(served.port());
    alices.back().send(
        ServedTest::post("/v1/completions", R"({"prompt":"Once","max_tokens":900,"stream":true})", kAlice));
    EXPECT_EQ(status_of(alices.back().read_until("\r\n\r\n")), 200);
  }
  EXPECT_EQ(status_of(served.ask("POST", "/v1/completions", R"({"prompt":"x"})", kAlice)), 429);
  RawClient bob(served.port());
  bob.send(ServedTest::post("/v1/completions", R"({"prompt":"Once","max_tokens":1,"stream":true})", kBob));
  EXPECT_EQ(status_of(bob.read_until("\r\n\r\n")), 200);
}

// How many of the first half of Alice's and Bob's texts to end are Alice's, where there is one place for all.
int alices_among_first(const std::string& alices_settings, const std::string& bobs_settings) {
  constexpr int kEach = 12;
  ServedTest served({.max_sequences = 1,
                     .keys = test_key_line("alice", kAlice, alices_settings + " metrics=yes") +
                             test_key_line("bob", kBob, bobs_settings)});
  // No step runs until all of them are in the engine's mail: the head of a stream says that it is.
  std::latch gate(1);
  EXPECT_TRUE(served.server().engine().ask([&gate](Engine&) { gate.wait(); }).ok());
  std::vector<RawClient> clients;
  for (int i = 0; i < kEach; ++i) {
    for (const std::string_view key : {kAlice, kBob}) {
      clients.emplace_back(served.port());
      clients.back().send(
          ServedTest::post("/v1/completions", R"({"prompt":"Once","max_tokens":8,"stream":true})", key));
      EXPECT_EQ(status_of(clients.back().read_until("\r\n\r\n")), 200);
    }
  }
  gate.count_down();
  EXPECT_TRUE(served.comes_to_rest(2 * kEach, kAlice));
  EXPECT_TRUE(becomes_true([&] { return served.log_lines().size() >= 2 * kEach; }));
  const std::vector<std::string> lines = served.log_lines();
  return static_cast<int>(std::count_if(lines.begin(), lines.begin() + kEach, [](const std::string& line) {
    return line.find("tenant=alice") != std::string::npos;
  }));
}

TEST(ServerAccess, WorkIsPartedByWeight) {
  // Two threads tell of ends: neighbours may change places.
  EXPECT_NEAR(alices_among_first("weight=3", "weight=1"), 9, 1);
  EXPECT_NEAR(alices_among_first("weight=1", "weight=1"), 6, 1);
  EXPECT_NEAR(alices_among_first("weight=1", "weight=3"), 3, 1);
}

TEST(ServerAccess, AQuotaOfTheCacheIsKept) {
  constexpr uint64_t kBlockBytes = 98'304;
  constexpr uint64_t kQuota = 6 * kBlockBytes;
  const ServedTest served({.keys = two_keys(fmt::format("kv={}", kQuota))});
  const auto used = [&](std::string_view tenant) {
    return served.metric("cairn_tenant_kv_used_bytes", fmt::format("tenant=\"{}\"", tenant), kAlice);
  };
  EXPECT_EQ(served.metric("cairn_tenant_kv_quota_bytes", R"(tenant="bob")", kAlice), kQuota);
  // More than six blocks.
  const value refused = served.json("POST", "/v1/completions", long_prompt(), kBob, 400);
  EXPECT_EQ(refused.at("error").at("code").as_string(), "context_length_exceeded");
  (void)served.json("POST", "/v1/completions", long_prompt(), kAlice);
  for (int i = 0; i < 6; ++i) {  // three blocks each, which others may find again
    std::string prompt = fmt::format("Story {} of them. ", i);
    for (int j = 0; j < 11; ++j) prompt += "The dog ran to the big red house. ";
    const std::string body = boost::json::serialize(
        boost::json::object{{"prompt", prompt}, {"max_tokens", 2}, {"temperature", 0}});
    const value bobs = served.json("POST", "/v1/completions", body, kBob);
    EXPECT_EQ(bobs.at("choices"), served.json("POST", "/v1/completions", body, kAlice).at("choices"));
    EXPECT_LE(used("bob"), kQuota);
  }
  EXPECT_GT(used("bob"), kQuota / 2);
  EXPECT_GT(used("alice"), kQuota);
  const value cut = served.json("POST", "/v1/completions",
                                R"({"prompt":"Once","max_tokens":900,"logit_bias":{"2":-100}})", kBob);
  EXPECT_EQ(cut.at("usage").at("total_tokens").to_number<int>(), 6 * kBlockSize);
  EXPECT_LE(used("bob"), kQuota);
}

TEST(ServerAccess, AQuotaThatRefusesIsNamed) {
  constexpr uint64_t kBlockBytes = 98'304;
  const auto message = [](const ServedTest& served, std::string_view body) {
    const value refused = served.json("POST", "/v1/completions", body, kBob, 400);
    return std::string(refused.at("error").at("message").as_string());
  };
  ServedTest served({.keys = two_keys(fmt::format("kv={}", 6 * kBlockBytes))});
  EXPECT_EQ(served.log_lines(), std::vector<std::string>());
  const std::string large = message(served, long_prompt());
  EXPECT_NE(large.find("the kv quota of 'bob', 589824 bytes, has room for 192"), std::string::npos) << large;
  auto keys = KeyTable::parse(two_keys(fmt::format("kv={}", kBlockBytes - 1)), "keys");
  ASSERT_TRUE(keys.ok());
  (void)served.server().reload_keys(std::make_shared<const KeyTable>(std::move(*keys)));
  const std::string any = message(served, R"({"prompt":"Once"})");
  EXPECT_NE(any.find("the kv quota of 'bob' is 98303 bytes, but the shortest text of this model takes 98304"),
            std::string::npos)
      << any;
  // Its owner hears of it before anybody is refused: in the log, where the keys were read.
  EXPECT_TRUE(becomes_true([&] {
    const auto lines = served.log_lines();
    return std::ranges::any_of(lines, [](const std::string& line) {
      return line.find("warning the quota of 'bob' is kv=98303") != std::string::npos;
    });
  }));
}

TEST(ServerAccess, KeysAreReadAgain) {
  ServedTest served({.keys = two_keys()});
  auto keys = KeyTable::parse(test_key_line("carol", "carol-key"), "keys");
  ASSERT_TRUE(keys.ok());
  const auto change = served.server().reload_keys(std::make_shared<const KeyTable>(std::move(*keys)));
  EXPECT_EQ(change.added, 1U);
  EXPECT_EQ(change.removed, 2U);
  EXPECT_EQ(status_of(served.ask("GET", "/v1/models", {}, kBob)), 401);
  EXPECT_EQ(status_of(served.ask("GET", "/v1/models", {}, "carol-key")), 200);
}

TEST(ServerAccess, ForeignPagesAreRefused) {
  const ServedTest served;
  EXPECT_EQ(status_of(served.ask("GET", "/v1/models", {}, {}, "Origin: https://evil.example\r\n")), 403);
  EXPECT_EQ(status_of(served.ask("GET", "/v1/models", {}, {}, "Origin: http://localhost\r\n")), 200);
}

TEST(ServerAccess, UnknownPathsAndMethodsAreNamed) {
  const ServedTest served;
  EXPECT_EQ(served.json("POST", "/v1/embeddings", "{}", {}, 404).at("error").at("type").as_string(),
            "not_found_error");
  for (const auto& [method, path, allowed] :
       {std::tuple("GET", "/v1/completions", "POST"), std::tuple("POST", "/v1/models", "GET, HEAD"),
        std::tuple("DELETE", "/api/chat", "POST")}) {
    const std::string reply = served.ask(method, path);
    EXPECT_EQ(status_of(reply), 405) << reply;
    EXPECT_NE(reply.find("\r\nAllow: " + std::string(allowed) + "\r\n"), std::string::npos) << reply;
  }
}

// What a client was given is what its server's log can be searched for.
TEST(ServerAccess, TheLogAndTheHeaderHaveTheIdOfTheReply) {
  ServedTest served;
  for (const auto& [path, body] :
       {std::pair("/v1/completions", R"({"prompt":"Once","max_tokens":1})"),
        std::pair("/v1/chat/completions", R"({"messages":[{"role":"user","content":"Hi"}],"max_tokens":1})"),
        std::pair("/v1/responses", R"({"input":"Hi","max_output_tokens":1})")}) {
    served.forget_log_lines();
    const std::string reply = served.ask("POST", path, body);
    const std::string id(boost::json::parse(body_of(reply)).at("id").as_string());
    EXPECT_NE(reply.find("X-Request-Id: " + id + "\r\n"), std::string::npos) << reply;
    EXPECT_TRUE(becomes_true([&] { return !served.log_lines().empty(); }));
    EXPECT_NE(served.log_lines().at(0).find(" id=" + id + " "), std::string::npos) << served.log_lines()[0];
    (void)served.json("GET", "/cairn/requests/" + id);
  }
  served.forget_log_lines();
  const std::string refused = served.ask("POST", "/v1/completions", "{");
  EXPECT_NE(refused.find("X-Request-Id: cmpl-"), std::string::npos) << refused;
  EXPECT_TRUE(becomes_true([&] { return !served.log_lines().empty(); }));
  EXPECT_NE(served.log_lines().at(0).find(" id=cmpl-"), std::string::npos);
}

TEST(ServerAccess, PromptsAreLoggedOnlyWhereAskedFor) {
  for (const LogPrompts prompts : {LogPrompts::kLeftOut, LogPrompts::kLogged}) {
    std::vector<std::string> lines;
    {
      ServedTest served({.log_prompts = prompts});
      (void)served.json("POST", "/v1/completions", R"({"prompt":"Once upon a purple time","max_tokens":1})");
      EXPECT_TRUE(becomes_true([&] { return !served.log_lines().empty(); }));
      lines = served.log_lines();
    }
    ASSERT_FALSE(lines.empty());
    EXPECT_EQ(lines[0].find("purple") != std::string::npos, prompts == LogPrompts::kLogged) << lines[0];
  }
}

}  // namespace
}  // namespace cairn
