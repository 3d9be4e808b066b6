// Every supported family's template against python3-jinja2, conversation by conversation.
#include "text/chat_template.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "text/jinja/vectors_testing.h"

namespace cairn {
namespace {

TEST(ChatTemplate, EveryFamilyEqualsPython) {
  const boost::json::value file = boost::json::parse(jinja::read_testdata("families.json"));
  const auto& conversations = file.at("conversations").as_array();
  std::set<std::string> templates;
  for (const boost::json::value& each : file.at("cases").as_array()) {
    const std::string name(each.at("template").as_string());
    templates.insert(name);
    const auto number = static_cast<std::size_t>(each.at("conversation").as_int64());
    SCOPED_TRACE(name + ", conversation " + std::to_string(number));
    const auto parsed = ChatTemplate::parse(jinja::read_testdata(name));
    ASSERT_TRUE(parsed.ok()) << parsed.status().message();
    ChatTemplateOptions options;
    options.add_generation_prompt = each.at("prompt").as_bool();
    options.bos_token = "<s>";
    options.eos_token = "</s>";
    if (each.at("clock").as_bool()) options.now = jinja::kTestNow;
    if (const auto* thinking = each.as_object().if_contains("thinking")) {
      options.variables.emplace_back("enable_thinking", thinking->as_bool());
    }
    const auto text = parsed->render(jinja::messages_of(conversations.at(number)), options);
    if (const auto* expected = each.as_object().if_contains("text")) {
      ASSERT_TRUE(text.ok()) << text.status().message();
      EXPECT_EQ(*text, std::string(expected->as_string()));
    } else if (const auto* refusal = each.as_object().if_contains("refusal")) {
      ASSERT_FALSE(text.ok());
      EXPECT_EQ(text.status().code(), StatusCode::kInvalidArgument);
      EXPECT_TRUE(text.status().message().ends_with(std::string(refusal->as_string())));
    } else {
      EXPECT_FALSE(text.ok());
    }
  }
  EXPECT_GE(templates.size(), 14u);
}

TEST(ChatTemplate, TokensThatAreAbsentAreUndefined) {
  const auto parsed =
      ChatTemplate::parse("{{ bos_token is defined }}{{ strftime_now is defined }}{{ tools }}");
  ASSERT_TRUE(parsed.ok());
  EXPECT_EQ(*parsed->render({}, {}), "FalseFalseNone");
}

TEST(ChatTemplate, RefusesATimeThatIsNone) {
  const auto parsed = ChatTemplate::parse("{{ strftime_now('%Y') }}");
  ASSERT_TRUE(parsed.ok());
  ChatTemplateOptions options;
  options.now = CivilTime{2025, 2, 29};
  EXPECT_FALSE(parsed->render({}, options).ok());
}

TEST(ChatTemplate, RendersLongConversationsInTheirOwnSize) {
  const auto parsed = ChatTemplate::parse(jinja::read_testdata("qwen3.jinja"));
  ASSERT_TRUE(parsed.ok());
  std::vector<ChatMessage> messages;
  for (int i = 0; i < 2000; ++i)
    messages.push_back({i % 2 == 0 ? "user" : "assistant", std::string(5000, 'x')});
  const auto text = parsed->render(messages, {});
  ASSERT_TRUE(text.ok()) << text.status().message();
  EXPECT_GT(text->size(), 10'000'000u);
  messages = {{"user", std::string(30 << 20, 'y')}};
  EXPECT_TRUE(parsed->render(messages, {}).ok());
}

}  // namespace
}  // namespace cairn
