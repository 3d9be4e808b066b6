#include "cli/chat_command.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

ChatLine line_of(std::string_view text) {
  const auto line = parse_chat_line(text);
  EXPECT_TRUE(line.ok()) << line.status().message();
  return line.ok() ? *line : ChatLine{};
}

std::string error_of(std::string_view text) {
  const auto line = parse_chat_line(text);
  EXPECT_FALSE(line.ok()) << text;
  EXPECT_EQ(line.status().code(), StatusCode::kInvalidArgument);
  return line.status().message();
}

TEST(ChatLine, IsWordsWhereItDoesNotBeginWithASlash) {
  for (const char* text : {"Hello", " /tmp is full", "  //x", "a /b", "", "?"}) {
    EXPECT_EQ(line_of(text).command, ChatCommand::kSay);
    EXPECT_EQ(line_of(text).argument, text);
  }
  EXPECT_EQ(line_of("//etc/hosts").command, ChatCommand::kSay);
  EXPECT_EQ(line_of("//etc/hosts").argument, "/etc/hosts");
}

TEST(ChatLine, OfSeveralLinesIsATextThatWasPasted) {
  for (const char* text : {"/usr/bin/env: not found\nwhat is this?", "/save a.json\nfoo", "/undo\nx"}) {
    EXPECT_EQ(line_of(text).command, ChatCommand::kSay);
    EXPECT_EQ(line_of(text).argument, text);
  }
}

TEST(ChatLine, NamesACommand) {
  EXPECT_EQ(line_of("/?").command, ChatCommand::kHelp);
  EXPECT_EQ(line_of("/help").command, ChatCommand::kHelp);
  EXPECT_EQ(line_of("/exit").command, ChatCommand::kExit);
  EXPECT_EQ(line_of("/reset \r").command, ChatCommand::kReset);
  EXPECT_EQ(line_of(" /reset").command, ChatCommand::kReset);
  EXPECT_EQ(line_of("/Reset").command, ChatCommand::kReset);
  EXPECT_EQ(line_of("/undo").command, ChatCommand::kUndo);
  EXPECT_EQ(line_of("/again").command, ChatCommand::kAgain);
  EXPECT_EQ(line_of("/stats").command, ChatCommand::kStats);
  EXPECT_EQ(line_of("/set").argument, "");
  EXPECT_EQ(line_of("/set temp 0").argument, "temp 0");
  EXPECT_EQ(line_of("/system  Be brief.\nAlways. ").argument, "Be brief.\nAlways.");
  EXPECT_EQ(line_of("/save a file.json").argument, "a file.json");
  EXPECT_EQ(line_of("/load x").command, ChatCommand::kLoad);
}

TEST(ChatLine, WithAnUnknownCommandIsNotForTheModel) {
  EXPECT_NE(error_of("/rest").find("did you mean /reset?"), std::string::npos);
  EXPECT_NE(error_of("/etc/passwd is a file").find("/etc/passwd"), std::string::npos);
  EXPECT_NE(error_of("/nonsense").find("with two"), std::string::npos);
  EXPECT_NE(error_of("/").find("/? lists them"), std::string::npos);
  EXPECT_NE(error_of("/undo 2").find("takes no argument"), std::string::npos);
  EXPECT_NE(error_of("/save").find("/save FILE"), std::string::npos);
}

}  // namespace
}  // namespace cairn
