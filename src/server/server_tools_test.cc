// Tool calls through the whole server, by a template that makes the demo model call.
#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <string>

#include "server/server_testing.h"

namespace cairn {
namespace {

using boost::json::value;

std::string must_call(std::string_view more) {
  return R"({"messages":[{"role":"user","content":"Rain?"}],"temperature":0,"tool_choice":"required","tools":[{"type":
            "function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"place":{"enum":
            ["Bern","Rome"]}},"required":["place"],"additionalProperties":false}}}],)" +
         std::string(more) + "}";
}

TEST(ServerTools, ACallIsReadOutOfTheReply) {
  const ServedTest served({.chat_template = tools_template()});
  const value reply = served.json("POST", "/v1/chat/completions", must_call(R"("max_tokens":80)"));
  const value& choice = reply.at("choices").at(0);
  EXPECT_EQ(choice.at("finish_reason").as_string(), "tool_calls");
  EXPECT_EQ(choice.at("message").at("tool_calls").at(0).at("function").at("name").as_string(), "get_weather");
}

// By the most tokens, or by a stop string that stands in the call.
TEST(ServerTools, ACallThatWasCutIsNoContent) {
  const ServedTest served({.chat_template = tools_template()});
  for (const auto& [limit, finish] : {std::pair(R"("max_tokens":8)", "length"),
                                      std::pair(R"("max_tokens":80,"stop":"arguments")", "stop")}) {
    const value reply = served.json("POST", "/v1/chat/completions", must_call(limit));
    const value& choice = reply.at("choices").at(0);
    EXPECT_EQ(choice.at("finish_reason").as_string(), finish);
    EXPECT_EQ(choice.at("message").as_object().if_contains("tool_calls"), nullptr);
    EXPECT_EQ(choice.at("message").at("content").as_string(), "");
    std::string streamed;
    for (const std::string& event :
         served.events("/v1/chat/completions", must_call(std::string(limit) + R"(,"stream":true)"))) {
      if (event == "[DONE]") continue;
      const value delta = boost::json::parse(event).at("choices").at(0).at("delta");
      if (const auto* content = delta.as_object().if_contains("content")) streamed += content->as_string();
    }
    EXPECT_EQ(streamed, "");
  }
}

}  // namespace
}  // namespace cairn
