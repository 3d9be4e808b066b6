// What is wrong with a request is said with the field's name in the interface that it came by.
#include <gtest/gtest.h>

#include "server/server_testing.h"

namespace cairn {
namespace {

constexpr std::string_view kSchema = R"({"type":"nonsense"})";

TEST(ServerRefusal, ASchemaThatCannotBeIsNamedAsItsInterfaceNamesIt) {
  const ServedTest served;
  const std::string schema(kSchema);
  const auto chat = served.json(
      "POST", "/v1/chat/completions",
      R"({"messages":[{"role":"user","content":"Hi"}],"response_format":{"type":"json_schema","json_schema":{"name":"x","schema":)" +
          schema + "}}}",
      {}, 400);
  EXPECT_EQ(chat.at("error").at("param"), "response_format");
  const auto responses = served.json(
      "POST", "/v1/responses",
      R"({"input":"Hi","text":{"format":{"type":"json_schema","name":"x","schema":)" + schema + "}}}", {},
      400);
  EXPECT_EQ(responses.at("error").at("param"), "text.format");
  const auto ollama =
      served.json("POST", "/api/chat",
                  R"({"messages":[{"role":"user","content":"Hi"}],"format":)" + schema + "}", {}, 400);
  EXPECT_NE(std::string(ollama.at("error").as_string()).find("nonsense"), std::string::npos) << ollama;
}

}  // namespace
}  // namespace cairn
