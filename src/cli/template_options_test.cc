#include "cli/template_options.h"

#include <gtest/gtest.h>

#include "base/temporary_folder_testing.h"

namespace cairn {
namespace {

TEST(ChosenChatForm, IsANameOrAFile) {
  const TemporaryFolder folder;
  EXPECT_NE(chosen_chat_form("chatml")->source->find("<|im_start|>"), std::string::npos);
  EXPECT_FALSE(chosen_chat_form("plain")->source.has_value());
  EXPECT_EQ(*chosen_chat_form(folder.write("a.jinja", std::string_view("<{{ 1 }}>")))->source, "<{{ 1 }}>");
  for (const std::string& chosen :
       {std::string("chatlm"), folder.at("none"), folder.path(), folder.write("empty", std::string_view())}) {
    const auto form = chosen_chat_form(chosen);
    ASSERT_FALSE(form.ok()) << chosen;
    EXPECT_EQ(form.status().code(), StatusCode::kInvalidArgument);
    EXPECT_NE(form.status().message().find("--chat-template"), std::string::npos);
  }
  EXPECT_NE(chosen_chat_form("chatlm").status().message().find("did you mean chatml?"), std::string::npos);
}

TEST(TemplateVariable, IsReadByItsLooks) {
  const auto value = [](const std::string& text) { return parse_template_variable(text)->second; };
  EXPECT_EQ(value("a=false"), TemplateVariable(false));
  EXPECT_EQ(value("a=true"), TemplateVariable(true));
  EXPECT_EQ(value("a=-3"), TemplateVariable(int64_t{-3}));
  EXPECT_EQ(value("a=low"), TemplateVariable(std::string("low")));
  EXPECT_EQ(value("a=\"3\""), TemplateVariable(std::string("3")));
  EXPECT_EQ(value("a=b=c"), TemplateVariable(std::string("b=c")));
  EXPECT_EQ(value("a="), TemplateVariable(std::string()));
  EXPECT_EQ(parse_template_variable("enable_thinking=false")->first, "enable_thinking");
  for (const char* text : {"a", "=a", ""}) EXPECT_FALSE(parse_template_variable(text).ok()) << text;
}

}  // namespace
}  // namespace cairn
