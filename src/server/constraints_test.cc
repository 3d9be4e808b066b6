#include "server/constraints.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>

namespace cairn {
namespace {

constexpr TenantId kAlice{1};
constexpr TenantId kBob{2};
constexpr auto kStart = ReasoningForm::Start::kMayOpen;

// Every byte is a token, and one ends a reply.
std::shared_ptr<const TokenTrie> bytes_trie() {
  PlainVocabulary vocabulary;
  for (int byte = 0; byte < 256; ++byte) vocabulary.texts.emplace_back(1, static_cast<char>(byte));
  vocabulary.texts.emplace_back("<end>");
  vocabulary.end_tokens = {256};
  auto trie = TokenTrie::build(vocabulary);
  EXPECT_TRUE(trie.ok()) << trie.status().message();
  return *trie;
}

TextCall call_for(std::string_view schema) {
  TextCall call;
  call.format = {.kind = ResponseKind::kJsonSchema, .schema = boost::json::parse(schema)};
  return call;
}

TextCall with_tool(ToolUse use) {
  TextCall call;
  call.tools.push_back(
      {.spec = {.name = "look", .parameters = boost::json::parse(R"({"type":"object"})").as_object()}});
  call.tool_choice.use = use;
  return call;
}

// Whether a reply of the guide may be this text.
bool takes(const Guide& guide, std::string_view text) {
  GuideWalk walk(std::shared_ptr<const Guide>(std::shared_ptr<void>(), &guide));
  for (const char byte : text) {
    if (!walk.take(static_cast<unsigned char>(byte))) return false;
  }
  return walk.may_end();
}

TEST(Constraints, FreeTextNeedsNone) {
  Constraints constraints(bytes_trie(), {}, {.tools = hermes_tool_form()});
  const auto guide = constraints.guide_for(TextCall{}, kAlice, kStart);
  ASSERT_TRUE(guide.ok());
  EXPECT_EQ(*guide, nullptr);
  const auto none = constraints.guide_for(with_tool(ToolUse::kNone), kAlice, kStart);
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(*none, nullptr);
}

TEST(Constraints, GuidesAreKeptForEachTenantApart) {
  Constraints constraints(bytes_trie(), {}, {});
  const TextCall call = call_for(R"({"type":"integer"})");
  const auto first = constraints.guide_for(call, kAlice, kStart);
  ASSERT_TRUE(first.ok()) << first.error().message;
  EXPECT_TRUE(takes(**first, "12"));
  EXPECT_FALSE(takes(**first, "x"));
  EXPECT_EQ(*constraints.guide_for(call, kAlice, kStart), *first);
  EXPECT_NE(*constraints.guide_for(call, kBob, kStart), *first);
}

TEST(Constraints, AFullStoreForgetsTheOldest) {
  Constraints constraints(bytes_trie(), {}, {});
  const auto first = constraints.guide_for(call_for(R"({"const":0})"), kAlice, kStart);
  for (size_t i = 1; i <= Constraints::kMostGuides; ++i) {
    ASSERT_TRUE(
        constraints.guide_for(call_for(R"({"const":)" + std::to_string(i) + "}"), kAlice, kStart).ok());
  }
  EXPECT_NE(*constraints.guide_for(call_for(R"({"const":0})"), kAlice, kStart), *first);
}

TEST(Constraints, RequiredToolsAreCalledInTheFamilysForm) {
  Constraints constraints(bytes_trie(), {}, {.tools = hermes_tool_form()});
  const auto guide = constraints.guide_for(with_tool(ToolUse::kRequired), kAlice, kStart);
  ASSERT_TRUE(guide.ok()) << guide.error().message;
  EXPECT_TRUE(takes(**guide, "<tool_call>\n{\"name\": \"look\", \"arguments\": {}}\n</tool_call>"));
  EXPECT_FALSE(takes(**guide, "I would rather talk."));
  const auto free = constraints.guide_for(with_tool(ToolUse::kAuto), kAlice, kStart);
  ASSERT_TRUE(free.ok()) << free.error().message;
  EXPECT_TRUE(takes(**free, "I would rather talk."));
}

TEST(Constraints, AReplyHasNoMoreCallsThanItMay) {
  Constraints constraints(bytes_trie(), {}, {.tools = hermes_tool_form()});
  TextCall call = with_tool(ToolUse::kRequired);
  const std::string one = "<tool_call>\n{\"name\": \"look\", \"arguments\": {}}\n</tool_call>";
  EXPECT_TRUE(takes(**constraints.guide_for(call, kAlice, kStart), one + "\n" + one));
  call.tool_calls_max = 1;
  const auto guide = constraints.guide_for(call, kAlice, kStart);
  EXPECT_TRUE(takes(**guide, one));
  EXPECT_FALSE(takes(**guide, one + "\n" + one));
}

TEST(Constraints, WhatCannotBeForcedIsRefused) {
  Constraints constraints(bytes_trie(), {}, {});
  const auto refused = constraints.guide_for(with_tool(ToolUse::kRequired), kAlice, kStart);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().param, "tool_choice");
}

TEST(Constraints, ErrorsNameTheField) {
  Constraints constraints(bytes_trie(), {}, {.tools = hermes_tool_form()});
  const std::pair<ApiFace, std::string_view> fields[] = {{ApiFace::kChat, "response_format"},
                                                         {ApiFace::kCompletions, "response_format"},
                                                         {ApiFace::kResponses, "text.format"},
                                                         {ApiFace::kOllamaChat, "format"},
                                                         {ApiFace::kOllamaGenerate, "format"}};
  for (const auto& [face, field] : fields) {
    TextCall wrong = call_for(R"({"type":"nonsense"})");
    wrong.face = face;
    const auto format = constraints.guide_for(wrong, kAlice, kStart);
    ASSERT_FALSE(format.ok());
    EXPECT_EQ(format.error().status, 400);
    EXPECT_EQ(format.error().param, field);
  }
  TextCall call = with_tool(ToolUse::kRequired);
  call.tools[0].spec.parameters = boost::json::parse(R"({"type":"nonsense"})").as_object();
  const auto tools = constraints.guide_for(call, kAlice, kStart);
  ASSERT_FALSE(tools.ok());
  EXPECT_EQ(tools.error().param, "tools");
}

TEST(Constraints, WithoutAVocabularyForItTheReasonIsSaid) {
  Constraints constraints(nullptr, invalid_argument("no token ends a reply"), {});
  const auto refused = constraints.guide_for(call_for(R"({"type":"integer"})"), kAlice, kStart);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().message, "no token ends a reply");
}

}  // namespace
}  // namespace cairn
