#include "text/named_templates.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "text/chat_template.h"
#include "text/jinja/vectors_testing.h"

namespace cairn {
namespace {

const std::vector<ChatMessage> kTalk{
    {"system", "S"}, {"user", "one"}, {"assistant", "two"}, {"user", "three"}};

std::string rendered(std::string_view source, const std::vector<ChatMessage>& messages) {
  const auto parsed = ChatTemplate::parse(source);
  EXPECT_TRUE(parsed.ok()) << parsed.status().message();
  ChatTemplateOptions options;
  options.bos_token = "<s>";
  options.eos_token = "</s>";
  const auto text = parsed->render(messages, options);
  EXPECT_TRUE(text.ok()) << text.status().message();
  return text.ok() ? *text : "";
}

TEST(NamedTemplates, AllWriteAWholeConversation) {
  for (const NamedTemplate& each : named_templates()) {
    SCOPED_TRACE(each.name);
    const std::string text = rendered(each.source, kTalk);
    size_t at = 0;
    for (const std::string word : {"S", "one", "two", "three"}) {
      at = text.find(word, at);
      ASSERT_NE(at, std::string::npos) << word << " in " << text;
    }
    EXPECT_NE(text.find(each.mark), std::string::npos);
    EXPECT_EQ(find_named_template(each.name)->source, each.source);
  }
  EXPECT_EQ(find_named_template("nothing"), std::nullopt);
}

// The forms are those of the published templates, where the tests have one.
TEST(NamedTemplates, EqualThePublishedOnes) {
  const std::vector<ChatMessage> plain(kTalk.begin() + 1, kTalk.end());
  for (const auto& [name, file] : {std::pair("chatml", "chatml.jinja"),
                                   {"llama3", "llama3.jinja"},
                                   {"gemma", "gemma.jinja"},
                                   {"zephyr", "zephyr.jinja"},
                                   {"llama2", "llama2.jinja"},
                                   {"phi3", "phi3.jinja"}}) {
    SCOPED_TRACE(name);
    EXPECT_EQ(rendered(find_named_template(name)->source, plain),
              rendered(jinja::read_testdata(file), plain));
  }
  EXPECT_EQ(rendered(find_named_template("llama2")->source, kTalk),
            rendered(jinja::read_testdata("llama2.jinja"), kTalk));
}

TEST(NamedTemplates, AreFoundByTheirMarks) {
  for (const NamedTemplate& each : named_templates())
    EXPECT_EQ(named_template_like(each.source)->name, each.name);
  for (const auto& [file, name] : {std::pair("qwen3.jinja", "chatml"),
                                   {"llama3_1.jinja", "llama3"},
                                   {"gemma3.jinja", "gemma"},
                                   {"phi3.jinja", "phi3"},
                                   {"zephyr.jinja", "zephyr"},
                                   {"llama2.jinja", "llama2"},
                                   {"mistral_v3.jinja", "mistral"}}) {
    EXPECT_EQ(named_template_like(jinja::read_testdata(file))->name, name) << file;
  }
  EXPECT_EQ(named_template_like("{{ messages }}"), std::nullopt);
}

}  // namespace
}  // namespace cairn
