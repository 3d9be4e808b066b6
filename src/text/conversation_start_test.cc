#include "text/conversation_start.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

Tokenizer byte_tokenizer() {
  TokenizerTables tables{.model = "llama", .tokens = {"<unk>", "<s>", "</s>"}, .types = {2, 3, 3}};
  tables.bos = 1;
  tables.eos = 2;
  tables.unk = 0;
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (size_t byte = 0; byte < 256; ++byte) {
    tables.tokens.push_back(std::string("<0x") + kDigits[byte / 16] + kDigits[byte % 16] + ">");
    tables.types.push_back(static_cast<int64_t>(TokenType::kByte));
  }
  tables.scores.assign(tables.tokens.size(), 0);
  return *make_tokenizer(std::move(tables));
}

struct Started {
  std::string prompt;  // of the question "Hi"
  std::string notes;
};

Started start(const ConversationStart& how) {
  auto started = start_conversation(byte_tokenizer(), how);
  EXPECT_TRUE(started.ok()) << started.status().message();
  if (!started.ok()) return {};
  started->conversation.add_user("Hi");
  std::string notes;
  for (const std::string& note : started->notes) notes += note;
  return {*started->conversation.prompt_text(), notes};
}

TEST(StartConversation, WithTheModelsOwnTemplateSaysNothing) {
  const Started own =
      start({.model_template = "{{ mood }}[{{ messages[0].content }}]", .variables = {{"mood", "!"}}});
  EXPECT_EQ(own.prompt, "![Hi]");
  EXPECT_EQ(own.notes, "");
}

TEST(StartConversation, ReplacesATemplateThatDoesNotRun) {
  // Each writes ChatML, and cannot be read, or fails when it runs.
  for (const std::string broken : {"{% include 'x' %}", "{{ 1 | nothing }}", "{% if %}", "{{ varargs() }}"}) {
    const Started started = start({.model_template = "<|im_start|>" + broken});
    EXPECT_EQ(started.prompt, "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
    EXPECT_NE(started.notes.find("does not run"), std::string::npos) << started.notes;
    EXPECT_NE(started.notes.find("chatml"), std::string::npos);
  }
  const Started unknown = start({.model_template = "{% include 'x' %}"});
  EXPECT_EQ(unknown.prompt, "User: Hi\nAssistant:");
  EXPECT_NE(unknown.notes.find("line 1"), std::string::npos) << unknown.notes;
}

// Fails only in the second turn, so it would have failed in the middle of a conversation.
TEST(StartConversation, TriesTwoTurns) {
  const Started started =
      start({.model_template = "[INST]{% if messages | length > 1 %}{{ 1 / 0 }}{% endif %}"});
  EXPECT_NE(started.notes.find("mistral"), std::string::npos) << started.notes;
}

TEST(StartConversation, FindsAPlaceForTheSystemMessage) {
  const std::string refuses =
      "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}[{{ messages[0].content "
      "}}]";
  const Started started = start({.model_template = refuses, .system = "S"});
  EXPECT_EQ(started.prompt, "[S\n\nHi]");
  EXPECT_NE(started.notes.find("first question"), std::string::npos) << started.notes;
}

TEST(StartConversation, TakesWhatIsChosen) {
  const std::string own = "{{ 1 / 0 }}";
  EXPECT_EQ(start({.model_template = own, .chosen = find_chat_form("chatml")}).prompt,
            "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(start({.model_template = own, .chosen = find_chat_form("plain")}).prompt, "User: Hi\nAssistant:");
  EXPECT_EQ(start({.chosen = ChatForm{.source = "<{{ messages[0].content }}>"}}).prompt, "<Hi>");
  EXPECT_FALSE(find_chat_form("chatlm").has_value());
  const auto started =
      start_conversation(byte_tokenizer(), {.model_template = "x", .chosen = ChatForm{.source = "{% if %}"}});
  ASSERT_FALSE(started.ok());
  EXPECT_EQ(started.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(started.status().message().find("`chat_template`"), std::string::npos);
}

TEST(StartConversation, WithoutATemplateSaysSo) {
  const Started started = start({});
  EXPECT_EQ(started.prompt, "User: Hi\nAssistant:");
  EXPECT_NE(started.notes.find("no chat template"), std::string::npos);
}

}  // namespace
}  // namespace cairn
