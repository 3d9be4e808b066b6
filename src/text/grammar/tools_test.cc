// Tool calls and reasoning: what replies in each family's form look like.
#include <gtest/gtest.h>

#include <boost/json/object.hpp>
#include <string>
#include <vector>

#include "text/grammar/grammar_testing.h"

namespace cairn {
namespace {

using Need = ToolCallSpec::Need;
using TextBefore = ToolCallSpec::TextBefore;

ToolCallSpec weather(ToolForm form) {
  ToolCallSpec tools;
  tools.tools = {
      {"weather",
       json_of(R"({"type":"object","properties":{"city":{"type":"string"}},"required":["city"]})")},
      {"time", nullptr}};
  tools.form = std::move(form);
  tools.calls_max = 2;
  return tools;
}

std::shared_ptr<const Guide> guide_of(const GuideSpec& spec) {
  const auto guide = Guide::compile(byte_vocabulary(), spec);
  EXPECT_TRUE(guide.ok()) << guide.status().message();
  return *guide;
}

void expect_reads(const GuideSpec& spec, const std::vector<std::string>& good,
                  const std::vector<std::string>& bad) {
  const auto guide = guide_of(spec);
  for (const std::string& text : good) EXPECT_TRUE(reads(guide, text)) << text;
  for (const std::string& text : bad) EXPECT_FALSE(reads(guide, text)) << text;
}

const std::string kHermesCall =
    "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Rome\"}}\n</tool_call>";
const std::string kHermesTime = "<tool_call>\n{\"name\": \"time\", \"arguments\": {}}\n</tool_call>";

TEST(Tools, HermesCallsThatMustBe) {
  GuideSpec spec;
  spec.tools = weather(hermes_tool_form());
  expect_reads(spec,
               {kHermesCall, kHermesTime, kHermesCall + "\n" + kHermesTime, " " + kHermesCall,
                "<tool_call>\n{\"name\":\"time\",\"arguments\":{}}\n</tool_call>"},
               {"", "Hello", "x" + kHermesCall, kHermesCall + "\n",
                kHermesCall + "\n" + kHermesCall + "\n" + kHermesCall,
                "<tool_call>\n{\"name\": \"other\", \"arguments\": {}}\n</tool_call>",
                "<tool_call>\n{\"name\": \"weather\", \"arguments\": {}}\n</tool_call>",
                "<tool_call>\n{\"arguments\": {}, \"name\": \"time\"}\n</tool_call>"});
}

TEST(Tools, HermesCallsThatMayBe) {
  GuideSpec spec;
  spec.tools = weather(hermes_tool_form());
  spec.tools->need = Need::kMay;
  expect_reads(spec, {"", "Hello {}", kHermesCall, "\n" + kHermesCall, "<tool_cal", "<tool_x>"},
               {"<tool_call>", "<tool_call>\nx", kHermesCall + "x"});
  spec.tools->text_before = TextBefore::kFree;
  expect_reads(spec,
               {"", "Hello <tool_", "Let me see.\n" + kHermesCall, "<tool<tool_" + kHermesTime, "\xFF\xFE"},
               {"Well <tool_call>", "Well <tool_call>\n{\"name\": \"x", kHermesCall + " well"});
  spec.tools->need = Need::kMust;
  expect_reads(spec, {"Let me see.\n" + kHermesCall, kHermesCall}, {"", "Hello"});
}

TEST(Tools, CallsOrAnAnswerInJson) {
  GuideSpec spec;
  spec.tools = weather(hermes_tool_form());
  spec.tools->need = Need::kMay;
  spec.answer = {AnswerSpec::Kind::kJsonSchema, json_of("{\"type\":\"integer\"}")};
  expect_reads(spec, {"12", kHermesTime}, {"", "Hello", "<tool"});
  spec.answer = {AnswerSpec::Kind::kJsonObject, nullptr};
  spec.tools = weather(llama3_tool_form());
  spec.tools->need = Need::kMay;
  expect_reads(spec, {"{}", "{\"name\": \"other\"}", "{\"name\": \"time\", \"parameters\": {}}"},
               {"", "Hello"});
}

TEST(Tools, Llama3) {
  GuideSpec spec;
  spec.tools = weather(llama3_tool_form());
  spec.tools->calls_max = 1;
  const std::string call = "{\"name\": \"weather\", \"parameters\": {\"city\": \"Rome\"}}";
  expect_reads(spec, {call}, {"", "Hello", call + call, call + "\n", "{}"});
  spec.tools->need = Need::kMay;
  expect_reads(spec, {call, "\n" + call, "", "Hello {", "\"{\""}, {"{}", "{\"a\":1}", call + "x"});
}

TEST(Tools, Mistral) {
  GuideSpec spec;
  spec.tools = weather(mistral_tool_form({}));
  const std::string one = "{\"name\": \"time\", \"arguments\": {}}";
  expect_reads(spec, {"[TOOL_CALLS][" + one + "]", "[TOOL_CALLS][" + one + ", " + one + "]"},
               {"[" + one + "]", "[TOOL_CALLS][]", "[TOOL_CALLS]" + one,
                "[TOOL_CALLS][" + one + "," + one + "," + one + "]"});
}

TEST(Tools, ANameInAMarker) {
  ToolForm form;
  form.begin = {{"<call "}};
  form.call = ToolForm::Call::kNameInMarker;
  form.before_arguments = {{">"}};
  form.end = {{"</call>"}};
  GuideSpec spec;
  spec.tools = weather(form);
  expect_reads(spec, {"<call time>{}</call>", "<call weather>{\"city\":\"\"}</call><call time>{}</call>"},
               {"<call tim>{}</call>", "<call time>{}"});
}

TEST(Tools, ArgumentsAreAnObjectWhateverElseTheirSchemaAllows) {
  for (const char* parameters : {
           R"({"type":["object","null"],"properties":{"a":{"type":"integer"}},"required":["a"]})",
           R"({"properties":{"a":{"type":"integer"}},"required":["a"],"nullable":true,"type":"object"})",
           R"({"anyOf":[{"type":"string"},{"$ref":"#/$defs/o"},{"type":"null"}],"$defs":{"o":{"type":"object",
               "nullable":true,"properties":{"a":{"type":"integer"}},"required":["a"]}}})",
           R"({"$ref":"#/$defs/x","$defs":{"x":{"oneOf":[{"const":"b"},{"enum":["c",{"a":1}]}]}}})",
       }) {
    ToolCallSpec tools;
    tools.tools = {{"f", json_of(parameters)}};
    tools.form = llama3_tool_form();
    GuideSpec spec;
    spec.tools = tools;
    SCOPED_TRACE(parameters);
    const std::string begin = R"({"name": "f", "parameters": )";
    expect_reads(spec, {begin + R"({"a":1}})"},
                 {begin + "null}", begin + R"("b"})", begin + R"("c"})", begin + "{}}"});
  }
}

TEST(Tools, ASchemaThatAllowsNoObjectIsRefused) {
  for (const char* parameters :
       {R"({"type":"array"})", R"({"type":["string","null"]})", R"({"enum":["a",1]})", R"({"const":null})",
        R"({"$ref":"#/$defs/x","$defs":{"x":{"type":"string"}}})", R"({"$ref":"#"})",
        R"({"anyOf":[{"type":"string"},false]})", R"({"allOf":[{"type":"object"},{"type":"string"}]})"}) {
    GuideSpec spec;
    spec.tools = weather(hermes_tool_form());
    spec.tools->tools[0].parameters = json_of(parameters);
    const auto guide = Guide::compile(byte_vocabulary(), spec);
    ASSERT_FALSE(guide.ok()) << parameters;
    EXPECT_NE(guide.status().message().find("allows no object"), std::string::npos)
        << guide.status().message();
  }
}

TEST(Tools, MarkersThatAreTokens) {
  const auto trie = mixed_vocabulary(500, 2);  // <a> is token 1, <b> token 2; a byte's token is 5 more
  const auto byte = [](char c) { return static_cast<TokenId>(5 + static_cast<uint8_t>(c)); };
  ToolForm form = mistral_tool_form(TokenId{1});
  form.end = {{"", TokenId{2}}};
  GuideSpec spec;
  spec.tools = weather(form);
  spec.tools->need = Need::kMay;
  spec.tools->text_before = TextBefore::kFree;
  const auto guide = Guide::compile(trie, spec).value();
  GuideWalk walk(guide);
  TokenMask mask(trie->vocab_size());
  walk.restrict(mask, 1'000);
  for (TokenId token = 0; token < trie->vocab_size(); ++token)
    EXPECT_EQ(mask.allows(token), token != 4) << token;
  ASSERT_TRUE(walk.take(byte('x')) && walk.take(2) && walk.may_end() && walk.take(1));
  EXPECT_FALSE(walk.may_end());
  mask.allow_all();
  walk.restrict(mask, 1'000);
  EXPECT_TRUE(mask.allows(byte('[')));
  EXPECT_FALSE(mask.allows(byte('x')) || mask.allows(1) || mask.allows(2) || mask.allows(0));
  for (const char c : std::string("[{\"name\":\"time\",\"arguments\":{}}]")) ASSERT_TRUE(walk.take(byte(c)));
  EXPECT_FALSE(walk.may_end());
  EXPECT_EQ(walk.closing_tokens(), 2);
  mask.allow_all();
  walk.restrict(mask, 2);
  EXPECT_TRUE(mask.allows(2));
  EXPECT_FALSE(mask.allows(1) || mask.allows(byte(' ')));
  ASSERT_TRUE(walk.take(2));
  EXPECT_TRUE(walk.may_end());
}

TEST(Tools, FreeTextIsNotClosedInTimeButNoCallBeginsThatCannotBe) {
  const auto trie = mixed_vocabulary(500, 2);
  const auto byte = [](char c) { return static_cast<TokenId>(5 + static_cast<uint8_t>(c)); };
  for (const TextBefore before : {TextBefore::kFree, TextBefore::kNone}) {
    GuideSpec spec;
    spec.tools = weather(mistral_tool_form(TokenId{1}));
    spec.tools->need = Need::kMay;
    spec.tools->text_before = before;
    GuideWalk walk(Guide::compile(trie, spec).value());
    TokenMask mask(trie->vocab_size());
    for (const char c : std::string("Hi")) {
      for (const int64_t remaining : {1, 2, 5}) {
        mask.allow_all();
        walk.restrict(mask, remaining);
        EXPECT_TRUE(mask.allows(byte('x')) && mask.allows(byte('[')) && mask.allows(2)) << remaining;
        // Behind free text, calls that do not come first are none, and their marker is text.
        EXPECT_EQ(mask.allows(1), before == TextBefore::kNone && c == 'i') << remaining;
      }
      ASSERT_TRUE(walk.take(byte(c)));
    }
    EXPECT_TRUE(walk.may_end());
  }
}

TEST(Tools, NamesOfSpecialTokensBecomeThoseTokens) {
  TokenizerTables tables{
      .model = "llama", .tokens = {"<unk>", "<s>", "</s>", "<tool_call>"}, .types = {2, 3, 3, 3}};
  for (int byte = 0; byte < 256; ++byte) {
    constexpr char kHex[] = "0123456789ABCDEF";
    tables.tokens.push_back(std::string("<0x") + kHex[byte / 16] + kHex[byte % 16] + ">");
    tables.types.push_back(static_cast<int64_t>(TokenType::kByte));
  }
  tables.scores.assign(tables.tokens.size(), 0.0F);
  tables.eos = 2;
  const Tokenizer tokenizer = make_tokenizer(std::move(tables)).value();
  const ToolForm form = with_tokens(hermes_tool_form(), tokenizer);
  EXPECT_EQ(form.begin[0].token, TokenId{3});
  EXPECT_FALSE(form.begin[1].token.has_value() || form.end[0].token.has_value() ||
               form.end[1].token.has_value());
  const ReasoningForm reasoning =
      with_tokens(ReasoningForm{.open = {{"<tool_call>"}}, .close = {{"</think>"}}}, tokenizer);
  EXPECT_EQ(reasoning.open[0].token, TokenId{3});
  EXPECT_FALSE(reasoning.close[0].token.has_value());

  GuideSpec spec;
  spec.tools = weather(form);
  const auto guide = Guide::compile(TokenTrie::build(tokenizer).value(), spec).value();
  GuideWalk walk(guide);
  TokenMask mask(tokenizer.vocab_size());
  walk.restrict(mask, 1'000);
  EXPECT_TRUE(mask.allows(3));
  EXPECT_FALSE(mask.allows(4 + '<') || mask.allows(0) || mask.allows(1) || mask.allows(2));
}

TEST(Tools, NearItsEndAReplyOfFreeTextIsMadeToCall) {
  GuideSpec spec;
  spec.tools = weather(hermes_tool_form());
  spec.tools->text_before = TextBefore::kFree;
  const auto guide = Guide::compile(mixed_vocabulary(900, 3), spec).value();
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const RandomReply reply = random_reply(guide, 90, seed);
    ASSERT_TRUE(reply.has_ended) << reply.text;
    const size_t call = reply.text.find("<tool_call>\n");
    ASSERT_NE(call, std::string::npos);
    EXPECT_TRUE(reply.text.ends_with("\n</tool_call>"));
  }
}

TEST(Tools, ReasoningBeforeAnAnswer) {
  GuideSpec spec;
  spec.reasoning = ReasoningForm{.open = {{"<think>"}}, .close = {{"</think>"}}};
  spec.answer = {AnswerSpec::Kind::kJsonSchema, json_of("{\"type\":\"integer\"}")};
  expect_reads(spec, {"12", "<think>Hm {</thin\n</think>\n\n12", "<think></think>12", " 12"},
               {"<think>12", "<think></think>", "<think></think>\n\n\n\n\n\n\n12", "Hm</think>12"});
  spec.reasoning->start = ReasoningForm::Start::kIsOpen;
  expect_reads(spec, {"Hm</think>12", "</think> 12"}, {"12", "<think>"});
  spec.tools = weather(hermes_tool_form());
  expect_reads(spec, {"Hm <tool_call></think>\n" + kHermesTime}, {kHermesTime, "Hm</think>12"});
}

TEST(Tools, WhatDoesNotGoTogetherIsRefused) {
  const auto message_of = [](const GuideSpec& spec) {
    const auto guide = Guide::compile(byte_vocabulary(), spec);
    EXPECT_FALSE(guide.ok());
    return guide.ok() ? std::string() : guide.status().message();
  };
  GuideSpec spec;
  spec.tools = weather(llama3_tool_form());
  spec.tools->text_before = TextBefore::kFree;
  EXPECT_NE(message_of(spec).find("needs a marker"), std::string::npos);
  spec.tools = weather(hermes_tool_form());
  spec.tools->tools.clear();
  EXPECT_NE(message_of(spec).find("no tools"), std::string::npos);
  spec.tools = weather(hermes_tool_form());
  spec.tools->calls_max = 0;
  EXPECT_NE(message_of(spec).find("calls_max"), std::string::npos);
  spec.tools = weather(hermes_tool_form());
  spec.tools->tools[0].parameters = json_of(R"({"properties":{"a":{"not":{}}}})");
  EXPECT_NE(message_of(spec).find("tool \"weather\""), std::string::npos);
  EXPECT_NE(message_of(spec).find("\"not\""), std::string::npos);
  spec.tools->tools[0].parameters = json_of("[]");
  EXPECT_NE(message_of(spec).find("must be a schema"), std::string::npos);
  spec = {};
  spec.reasoning = ReasoningForm{};
  EXPECT_NE(message_of(spec).find("no marker that closes"), std::string::npos);
}

}  // namespace
}  // namespace cairn
