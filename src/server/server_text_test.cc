// Texts through the whole server: the same as the engine makes alone, whatever else it is doing.
#include <gtest/gtest.h>

#include <atomic>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <thread>

#include "server/server_testing.h"

namespace cairn {
namespace {

using boost::json::value;

std::string text_of(const value& reply, size_t choice = 0) {
  return std::string(reply.at("choices").at(choice).at("text").as_string());
}

constexpr std::string_view kGreedy =
    R"({"model":"demo","prompt":"Once upon a time","max_tokens":24,"temperature":0})";
constexpr std::string_view kDrawn =
    R"({"model":"demo","prompt":"Once upon a time","max_tokens":24,"temperature":1,"seed":7})";

TEST(ServerText, ACompletionHasTextAndUsage) {
  const ServedTest served;
  const value reply = served.json("POST", "/v1/completions", kGreedy);
  EXPECT_FALSE(text_of(reply).empty());
  EXPECT_EQ(reply.at("model").as_string(), "demo");
  EXPECT_EQ(reply.at("usage").at("completion_tokens").to_number<int>(), 24);
  EXPECT_EQ(reply.at("choices").at(0).at("finish_reason").as_string(), "length");
}

TEST(ServerText, AStreamIsTheSameText) {
  const ServedTest served;
  const std::string whole = text_of(served.json("POST", "/v1/completions", kGreedy));
  std::string body(kGreedy);
  body.insert(body.size() - 1, R"(,"stream":true)");
  std::string streamed;
  const auto events = served.events("/v1/completions", body);
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back(), "[DONE]");
  for (size_t i = 0; i + 1 < events.size(); ++i) {
    const value event = boost::json::parse(events[i]);
    if (!event.at("choices").as_array().empty()) streamed += event.at("choices").at(0).at("text").as_string();
  }
  EXPECT_EQ(streamed, whole);
}

// Law 2 through HTTP: neighbours, hits and preemptions change nothing, no chance either.
TEST(ServerText, EachChoiceOfAStreamHasAnEndOfItsOwn) {
  const ServedTest served;
  for (const auto& [path, what] :
       {std::pair("/v1/completions", R"("prompt":["Once","Then"],"n":2)"),
        std::pair("/v1/chat/completions", R"("messages":[{"role":"user","content":"Hi"}],"n":4)")}) {
    const std::string reply =
        served.ask("POST", path,
                   "{" + std::string(what) + R"(,"max_tokens":3,"ignore_eos":true,"stream":true,"seed":1})");
    size_t count = 0;
    constexpr std::string_view kEnd = R"("finish_reason":"length")";
    for (size_t at = reply.find(kEnd); at != std::string::npos; at = reply.find(kEnd, at + 1)) ++count;
    EXPECT_EQ(count, 4U) << reply;
  }
}

TEST(ServerText, LoadChangesNoText) {
  const auto with_chances = [](std::string_view body) {
    return std::string(body.substr(0, body.size() - 1)) + R"(,"logprobs":3})";
  };
  const auto said = [](const value& reply) { return boost::json::serialize(reply.at("choices")); };
  const std::string greedy = with_chances(kGreedy);
  const std::string drawn = with_chances(kDrawn);
  const ServedTest alone({.context = 256});
  const std::string greedy_alone = said(alone.json("POST", "/v1/completions", greedy));
  const std::string drawn_alone = said(alone.json("POST", "/v1/completions", drawn));

  // Six texts of five blocks want 30, and there are 12: whoever came last loses its rows again and again.
  constexpr uint64_t kBlockBytes = 98'304;
  const ServedTest served({.max_sequences = 7, .context = 256, .pool_bytes = 12 * kBlockBytes});
  ASSERT_EQ(served.metric("cairn_kv_pool_bytes"), 12 * kBlockBytes);
  std::atomic<bool> is_over = false;
  std::vector<std::thread> others;
  for (int i = 0; i < 6; ++i) {
    others.emplace_back([&, i] {
      for (int round = 0; !is_over; ++round) {
        const std::string body = R"({"prompt":"The little dog )" + std::to_string(i * 1000 + round) +
                                 R"( went home.","max_tokens":150,"temperature":1,"logit_bias":{"2":-100}})";
        (void)served.json("POST", "/v1/completions", body);
      }
    });
  }
  EXPECT_TRUE(becomes_true([&] { return served.metric("cairn_running_requests") > 1; }));
  for (int round = 0; round < 6; ++round) {
    EXPECT_EQ(said(served.json("POST", "/v1/completions", greedy)), greedy_alone);
    EXPECT_EQ(said(served.json("POST", "/v1/completions", drawn)), drawn_alone);
  }
  is_over = true;
  for (std::thread& other : others) other.join();
  EXPECT_GT(served.metric("cairn_preemptions_total"), 0);
  // Texts ran beside each other: a step has a row of each.
  EXPECT_GT(served.metric("cairn_rows_total", R"(kind="decode")"), served.metric("cairn_steps_total"));
}

TEST(ServerText, SamplesOfOnePromptAreThoseOfTheirIndices) {
  const ServedTest served;
  const value three =
      served.json("POST", "/v1/completions",
                  R"({"prompt":"Once upon a time","max_tokens":12,"temperature":1,"seed":7,"n":3})");
  ASSERT_EQ(three.at("choices").as_array().size(), 3U);
  EXPECT_NE(text_of(three, 0), text_of(three, 1));
  const value one = served.json("POST", "/v1/completions",
                                R"({"prompt":"Once upon a time","max_tokens":12,"temperature":1,"seed":7})");
  EXPECT_EQ(text_of(one), text_of(three, 0));
  EXPECT_EQ(three.at("usage").at("completion_tokens").to_number<int>(), 36);
}

TEST(ServerText, PromptsMayBeListsAndTokens) {
  const ServedTest served;
  const value tokens = served.json("POST", "/tokenize", R"({"content":"Once upon a time"})").at("tokens");
  const std::string ids = boost::json::serialize(tokens);
  const value reply =
      served.json("POST", "/v1/completions",
                  R"({"prompt":[)" + ids + "," + ids + R"(],"max_tokens":24,"temperature":0})");
  ASSERT_EQ(reply.at("choices").as_array().size(), 2U);
  EXPECT_EQ(text_of(reply, 0), text_of(reply, 1));
  EXPECT_EQ(text_of(reply, 0), text_of(served.json("POST", "/v1/completions", kGreedy)));
}

TEST(ServerText, EchoWithLogprobsScoresThePrompt) {
  const ServedTest served;
  const value reply =
      served.json("POST", "/v1/completions",
                  R"({"prompt":"Once upon a time","max_tokens":0,"echo":true,"logprobs":2,"temperature":0})");
  EXPECT_EQ(text_of(reply), "Once upon a time");
  const auto& chances = reply.at("choices").at(0).at("logprobs").at("token_logprobs").as_array();
  EXPECT_EQ(static_cast<int64_t>(chances.size()), reply.at("usage").at("prompt_tokens").to_number<int64_t>());
  EXPECT_TRUE(chances.at(0).is_null());
  for (size_t i = 1; i < chances.size(); ++i) EXPECT_LE(chances.at(i).to_number<double>(), 0) << i;
}

TEST(ServerText, ChancesBelongToTheTokensOfTheText) {
  const ServedTest served;
  const value reply =
      served.json("POST", "/v1/completions",
                  R"({"prompt":"Once upon a time","max_tokens":8,"logprobs":3,"temperature":0})");
  const value& logprobs = reply.at("choices").at(0).at("logprobs");
  EXPECT_EQ(logprobs.at("tokens").as_array().size(), 8U);
  std::string text;
  for (const value& token : logprobs.at("tokens").as_array()) text += token.as_string();
  EXPECT_EQ(text, text_of(reply));
}

TEST(ServerText, StopStringsEndAText) {
  const ServedTest served;
  const std::string whole = text_of(served.json("POST", "/v1/completions", kGreedy));
  const std::string stop = whole.substr(whole.size() / 2, 4);
  const value reply = served.json(
      "POST", "/v1/completions",
      boost::json::serialize(boost::json::object{
          {"prompt", "Once upon a time"}, {"max_tokens", 24}, {"temperature", 0}, {"stop", stop}}));
  EXPECT_EQ(text_of(reply), whole.substr(0, whole.find(stop)));
  EXPECT_EQ(reply.at("choices").at(0).at("finish_reason").as_string(), "stop");
}

TEST(ServerText, JsonIsWhatASchemaAsksFor) {
  const ServedTest served;
  const value reply = served.json(
      "POST", "/v1/chat/completions",
      R"({"messages":[{"role":"user","content":"Who are you?"}],"max_tokens":80,"temperature":1,"seed":3,
          "response_format":{"type":"json_schema","json_schema":{"name":"who","strict":true,"schema":{"type":"object",
          "properties":{"name":{"type":"string","maxLength":12},"age":{"type":"integer"}},
          "required":["name","age"],"additionalProperties":false}}}})");
  ASSERT_EQ(reply.at("choices").at(0).at("finish_reason").as_string(), "stop");
  const value said = boost::json::parse(reply.at("choices").at(0).at("message").at("content").as_string());
  EXPECT_TRUE(said.at("name").is_string());
  EXPECT_TRUE(said.at("age").is_int64());
}

TEST(ServerText, ARepeatedPromptIsFoundAndExplained) {
  const ServedTest served;
  std::string prompt;
  for (int i = 0; i < 30; ++i) prompt += "The dog ran to the big red house. ";
  const auto body = boost::json::serialize(boost::json::object{
      {"prompt", prompt}, {"max_tokens", 1}, {"cairn", boost::json::object{{"explain_cache", true}}}});
  (void)served.json("POST", "/v1/completions", body);
  const value again = served.json("POST", "/v1/completions", body);
  const auto cached = again.at("usage").at("prompt_tokens_details").at("cached_tokens").to_number<int64_t>();
  EXPECT_GT(cached, 0);
  EXPECT_EQ(cached % kBlockSize, 0);
  EXPECT_EQ(again.at("cairn").at("cache").at("reason").as_string(), "complete");
  const value explained = served.json("GET", "/cairn/requests/" + std::string(again.at("id").as_string()));
  EXPECT_EQ(explained.at("reused_tokens").to_number<int64_t>(), cached);
  EXPECT_EQ(served.json("GET", "/cairn/requests/last").at("id"), explained.at("id"));
}

TEST(ServerText, AClientThatVanishesFreesItsBlocks) {
  const ServedTest served;
  constexpr int kMost = 16 * 900;  // tokens, of all 16 samples
  {
    RawClient client(served.port());
    client.send(ServedTest::post(
        "/v1/completions",
        R"({"prompt":"Once","max_tokens":900,"n":16,"stream":true,"temperature":1,"logit_bias":{"2":-100}})"));
    (void)client.read_until("data: ");
    client.reset();
  }
  EXPECT_TRUE(served.comes_to_rest(1));
  EXPECT_EQ(served.metric("cairn_requests_total", R"(outcome="cancelled")"), 1);
  EXPECT_EQ(served.metric("cairn_kv_blocks", R"(state="open")"), 0);
  EXPECT_EQ(served.metric("cairn_kv_blocks", R"(state="held")"), 0);
  EXPECT_LT(served.metric("cairn_generated_tokens_total"), kMost / 2);
}

TEST(ServerText, ADeadlineEndsAText) {
  const ServedTest served({.max_sequences = 1});
  RawClient other(served.port());  // has the only place for a while
  other.send(ServedTest::post("/v1/completions", R"({"prompt":"Once","max_tokens":900,"stream":true})"));
  (void)other.read_until("data: ");
  const value reply = served.json("POST", "/v1/completions",
                                  R"({"prompt":"Once","max_tokens":900,"deadline_ms":20})", {}, 504);
  EXPECT_EQ(reply.at("error").at("type").as_string(), "timeout_error");
}

TEST(ServerText, ErrorsNameTheField) {
  const ServedTest served;
  const auto param = [&](std::string_view body) {
    const value reply = served.json("POST", "/v1/chat/completions", body, {}, 400);
    const value& name = reply.at("error").at("param");
    return name.is_string() ? std::string(name.as_string()) : std::string();
  };
  EXPECT_EQ(
      param(R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"x"}}]}]})"),
      "messages[0].content[0].type");
  EXPECT_EQ(param(R"({"messages":[{"role":"user","content":"x"}],"temperature":"hot"})"), "temperature");
  (void)served.json("POST", "/v1/chat/completions",
                    R"({"model":"gpt-4","messages":[{"role":"user","content":"x"}]})", {}, 404);
  (void)served.json("POST", "/v1/completions", R"({"prompt":[999999]})", {}, 400);
  (void)served.json("POST", "/v1/chat/completions", "{", {}, 400);
  std::string long_prompt;
  for (int i = 0; i < 2000; ++i) long_prompt += "dog ";
  (void)served.json("POST", "/v1/completions",
                    boost::json::serialize(boost::json::object{{"prompt", long_prompt}}), {}, 400);
}

}  // namespace
}  // namespace cairn
