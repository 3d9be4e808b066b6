#include "text/reply/reply_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>

#include "base/random.h"
#include "text/reply/reply_decoder.h"
#include "text/reply/reply_testing.h"

namespace cairn {
namespace {

using Kind = ReplyPartKind;

ReplyFormat qwen() {
  ReplyFormat format;
  format.reasoning = ReplyMarks{"<think>", "</think>"};
  format.call_form = CallForm::kMarked;
  format.call_marks = {"<tool_call>", "</tool_call>"};
  return format;
}

ReplyFormat mistral() {
  ReplyFormat format;
  format.call_form = CallForm::kMarked;
  format.call_marks = {"[TOOL_CALLS]", ""};
  format.payload = CallPayload::kList;
  return format;
}

ReplyFormat llama() {
  ReplyFormat format;
  format.call_form = CallForm::kBare;
  format.call_marks = {"<|python_tag|>", ""};
  format.arguments_key = "parameters";
  return format;
}

ReplyFormat harmony() {
  ReplyFormat format;
  format.has_harmony_channels = true;
  format.call_form = CallForm::kHarmony;
  return format;
}

// With neighbours joined, and without offsets.
void join(std::vector<ReplyPart>& all, const std::vector<ReplyPart>& parts) {
  for (const ReplyPart& part : parts) {
    const bool is_text = part.kind != Kind::kCallBegin && part.kind != Kind::kCallEnd;
    if (is_text && !all.empty() && all.back().kind == part.kind) {
      all.back().text += part.text;
    } else {
      all.push_back({part.kind, part.text, 0, 0});
    }
  }
}

std::vector<ReplyPart> read_in_pieces(const ReplyFormat& format, const ReplyReaderOptions& options,
                                      const std::vector<std::string_view>& pieces) {
  ReplyReader reader(format, options);
  std::vector<ReplyPart> all;
  for (const std::string_view piece : pieces) join(all, reader.push(piece));
  join(all, reader.flush());
  return all;
}

std::string shown(const std::vector<ReplyPart>& parts) {
  std::string text;
  for (const ReplyPart& part : parts) {
    constexpr std::string_view kLetters = "CRbae";
    text += kLetters[static_cast<size_t>(part.kind)];
    text += "(" + part.text + ")";
  }
  return text;
}

// What comes of a reply, however it is cut: R(easoning), C(ontent), b(egin), a(rguments), e(nd).
std::string read(const ReplyFormat& format, std::string_view reply,
                 ReplyReaderOptions options = {.tools = {"f", "g"}}) {
  const auto whole = read_in_pieces(format, options, {reply});
  for (size_t cut = 0; cut <= reply.size(); ++cut) {
    const auto two = read_in_pieces(format, options, {reply.substr(0, cut), reply.substr(cut)});
    EXPECT_EQ(shown(two), shown(whole)) << "cut at byte " << cut << " of " << reply;
  }
  std::vector<std::string_view> bytes;
  for (size_t i = 0; i < reply.size(); ++i) bytes.push_back(reply.substr(i, 1));
  EXPECT_EQ(shown(read_in_pieces(format, options, bytes)), shown(whole)) << "byte by byte: " << reply;
  return shown(whole);
}

std::string read_as_it_comes(const ReplyFormat& format, std::string_view reply) {
  return read(format, reply, {.tools = {"f", "g"}, .delivery = CallDelivery::kAsItComes});
}

TEST(ReplyReader, ReasoningStandsApart) {
  EXPECT_EQ(read(qwen(), "<think>\nHm.\n</think>\n\nYes. "), "R(Hm.)C(Yes. )");
  EXPECT_EQ(read(qwen(), "\n <think></think>Yes"), "C(Yes)");
  EXPECT_EQ(read(qwen(), "  Yes <think> no </think>"), "C(  Yes <think> no </think>)");
  EXPECT_EQ(read(qwen(), "<think>Hm </thin k> < / more"), "R(Hm </thin k> < / more)");
  EXPECT_EQ(read(qwen(), "<think>never closed\n"), "R(never closed\n)");
  EXPECT_EQ(read(qwen(), "<thin"), "C(<thin)");
  EXPECT_EQ(read(qwen(), ""), "");
  EXPECT_EQ(read(qwen(), "Hm.\n</think>\nYes", {.begins = ReplyBeginning::kReasoning}), "R(Hm.)C(Yes)");
  EXPECT_EQ(read(qwen(), "<think>\nHm.\n</think>\nYes", {.begins = ReplyBeginning::kReasoning}),
            "R(Hm.)C(Yes)");
  EXPECT_EQ(read(qwen(), " go on <think>", {.begins = ReplyBeginning::kContent}), "C( go on <think>)");
}

TEST(ReplyReader, QwensCalls) {
  const std::string call =
      "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": [1, \"}\\\"\"]}}\n</tool_call>";
  EXPECT_EQ(read(qwen(), call), "b(f)a({\"a\": [1, \"}\\\"\"]})e()");
  EXPECT_EQ(read(qwen(), "I look.\n" + call + "\n" + call + "\n"),
            "C(I look.)b(f)a({\"a\": [1, \"}\\\"\"]})e()b(f)a({\"a\": [1, \"}\\\"\"]})e()");
  EXPECT_EQ(read(qwen(), "<think>Hm</think>\n\n" + call + "\nDone."),
            "R(Hm)b(f)a({\"a\": [1, \"}\\\"\"]})e()C(Done.)");
  EXPECT_EQ(read(qwen(), "<tool_call>{\"arguments\":{},\"name\":\"new\"}"), "b(new)a({})e()");
  EXPECT_EQ(read(qwen(), "<tool_call>{\"name\":\"f\"}</tool_call>"), "b(f)a({})e()");
  EXPECT_EQ(read(qwen(), "<tool_call>{\"name\":\"f\",\"arguments\":\"{\\\"a\\\": 1}\"}</tool_call>"),
            "b(f)a({\"a\": 1})e()");
  EXPECT_EQ(read(qwen(), call, {}), "C(" + call + ")") << "no tools were given";
}

TEST(ReplyReader, MalformedCallsAreContent) {
  for (const char* reply :
       {"<tool_call>", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": ", "<tool_call> and so on",
        "<tool_call>{\"name\": \"f\", \"arguments\": {}", "<tool_call>{\"name\": 1}</tool_call>",
        "<tool_call>{\"arguments\": {}}</tool_call>",
        "x <tool_call>{\"name\": \"f\", \"arguments\": [1]}</tool_call>",
        "<tool_call>{\"name\": \"f\", \"name\": \"g\"}</tool_call>", "<tool_call>[]</tool_call>",
        "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 01}}</tool_call>",
        "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"\n\"}}</tool_call>",
        "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"\\ud800\"}}</tool_call>",
        "<tool_call>{\"name\": \"f\", \"arguments\": \"{\"}</tool_call>", "<tool_call>{\"\\x\": 1}",
        "</tool_call>", "<tool_call>{\"name\": \"\", \"arguments\": {}}</tool_call>"}) {
    EXPECT_EQ(read(qwen(), reply), "C(" + std::string(reply) + ")");
  }
  EXPECT_EQ(read(qwen(), "<tool_call>no <tool_call>{\"name\":\"f\"}</tool_call>"),
            "C(<tool_call>no)b(f)a({})e()");
  std::string deep = "<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":";
  deep.append(500, '[');
  EXPECT_EQ(read(qwen(), deep), "C(" + deep + ")");
}

TEST(ReplyReader, ACallThatWasCutIsLeftOut) {
  const auto cut = [](const ReplyFormat& format, const std::string& reply, size_t size) {
    ReplyReader reader(format, {.tools = {"f", "g"}});
    std::vector<ReplyPart> parts;
    join(parts, reader.push(std::string_view(reply).substr(0, size)));
    join(parts, reader.flush(ReplyEnding::kCut));
    return shown(parts);
  };
  const std::string call = R"({"name": "f", "arguments": {"a": "<b>"}})",
                    bare = R"({"name": "f", "parameters": {}})";
  const std::string of_harmony = "<|channel|>commentary to=functions.f <|constrain|>json<|message|>";
  struct Case {
    ReplyFormat format;
    std::string before, call, shown_before, shown_call;
    size_t certain = 2;  // bytes of the call from which on it can be nothing else
  };
  const Case cases[] = {
      {qwen(), "I look.\n", "<tool_call>\n" + call, "C(I look.)", R"(b(f)a({"a": "<b>"})e())"},
      {mistral(), "Look:", "[TOOL_CALLS][" + call, "C(Look:)", R"(b(f)a({"a": "<b>"})e())"},
      {mistral(), "", "[TOOL_CALLS]f[ARGS]{\"a\": 1}", "", R"(b(f)a({"a": 1})e())"},
      {llama(), "", bare, "", "b(f)a({})e()"},
      {llama(), "", "<|python_tag|>" + bare, "", "b(f)a({})e()"},
      {harmony(), "", of_harmony + "{\"a\": 1}", "", R"(b(f)a({"a": 1})e())", 11},
  };
  for (const Case& c : cases) {
    const std::string reply = c.before + c.call;
    for (size_t size = c.before.size() + c.certain; size < reply.size(); ++size) {
      EXPECT_EQ(cut(c.format, reply, size), c.shown_before) << reply.substr(0, size);
    }
    EXPECT_EQ(cut(c.format, reply, reply.size()), c.shown_before + c.shown_call)
        << "but for its closing mark";
  }
  EXPECT_EQ(cut(mistral(), "[TOOL_CALLS][" + call + ", " + call, 60), R"(b(f)a({"a": "<b>"})e())");
  EXPECT_EQ(cut(qwen(), "1 <", 3), "C(1 <)") << "text, as far as anybody can tell";
  EXPECT_EQ(cut(qwen(), "<tool_call> and so on", 21), "C(<tool_call> and so on)") << "not cut but malformed";
}

TEST(ReplyReader, CallsAsTheyCome) {
  EXPECT_EQ(read_as_it_comes(qwen(), "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}}</tool_call>"),
            "b(f)a({\"a\": 1})e()");
  EXPECT_EQ(read_as_it_comes(qwen(), "<tool_call>{\"arguments\": {\"a\": 1}, \"name\": \"f\"}</tool_call>"),
            "b(f)a({\"a\": 1})e()");
  EXPECT_EQ(read_as_it_comes(qwen(), "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1"),
            "b(f)a({\"a\": 1)");
  EXPECT_EQ(read_as_it_comes(qwen(), "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": ?}}</tool_call>"),
            "b(f)a({\"a\": )C(?}}</tool_call>)");
  EXPECT_EQ(read_as_it_comes(qwen(), "<tool_call>{\"name\": \"f\", \"arguments\": {}, ?"), "b(f)a({})C(, ?)");
  ReplyReader reader(qwen(), {.tools = {"f"}, .delivery = CallDelivery::kAsItComes});
  EXPECT_EQ(shown(reader.push("<tool_call>{\"name\": \"f\", \"arguments\": {\"a")), "b(f)a({\"a)");
  EXPECT_EQ(shown(reader.push("\": 1}")), "a(\": 1})");
  EXPECT_EQ(shown(reader.push("}</tool_call>")), "e()");
}

TEST(ReplyReader, MistralsCalls) {
  EXPECT_EQ(read(mistral(),
                 "[TOOL_CALLS][{\"name\": \"f\", \"arguments\": {\"a\": 1}, \"id\": \"012345678\"}, "
                 "{\"name\": \"g\", \"arguments\": {}}]"),
            "b(f)a({\"a\": 1})e()b(g)a({})e()");
  EXPECT_EQ(read(mistral(), "Look:[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {}}] then"),
            "C(Look:)b(f)a({})e()C(then)");
  EXPECT_EQ(read(mistral(), "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g{}"),
            "b(f)a({\"a\": 1})e()b(g)a({})e()");
  EXPECT_EQ(read(mistral(), "[TOOL_CALLS]f[CALL_ID]0123[ARGS] {}"), "b(f)a({})e()");
  for (const char* reply : {"[TOOL_CALLS]", "[TOOL_CALLS]f", "[TOOL_CALLS]f[ARGS]", "[TOOL_CALLS]f[ARGS][",
                            "[TOOL", "[TOOL_CALLS]f(1)", "[TOOL_CALLS][", "[TOOL_CALLS][{\"name\": \"f\"",
                            "[1, 2]", "[TOOL_CALLS]f[CALL"}) {
    EXPECT_EQ(read(mistral(), reply), "C(" + std::string(reply) + ")");
  }
  EXPECT_EQ(read(mistral(), "[TOOL_CALLS][{\"name\": \"f\"}, 1]"), "b(f)a({})e()C(, 1])");
  const std::string long_name(1000, 'n');
  EXPECT_EQ(read(mistral(), "[TOOL_CALLS]" + long_name), "C([TOOL_CALLS]" + long_name + ")");
}

TEST(ReplyReader, LlamasCallsAreBare) {
  EXPECT_EQ(read(llama(), "{\"name\": \"f\", \"parameters\": {\"a\": \"1\"}}"), "b(f)a({\"a\": \"1\"})e()");
  EXPECT_EQ(read(llama(), "\n{\"type\": \"function\", \"name\": \"f\", \"parameters\": {}}"), "b(f)a({})e()");
  EXPECT_EQ(read(llama(), "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}"), "b(f)a({})e()");
  EXPECT_EQ(read(llama(), "{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}"),
            "b(f)a({})e()b(g)a({})e()");
  for (const char* reply : {"{\"name\": \"unknown\", \"parameters\": {}}", "{\"name\": \"f\", \"age\": 3}",
                            "{\"name\": \"f\"}", "{}", "So: {\"name\": \"f\", \"parameters\": {}}",
                            "{\"name\": \"f\", \"parameters\": {}", "{ x }", "<|python_tag|>print(1)"}) {
    EXPECT_EQ(read(llama(), reply), "C(" + std::string(reply) + ")");
  }
  EXPECT_EQ(read(llama(), "{\"name\": \"f\", \"parameters\": {}}", {}),
            "C({\"name\": \"f\", \"parameters\": {}})");
}

TEST(ReplyReader, HarmonysChannels) {
  EXPECT_EQ(read(harmony(),
                 "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>"
                 "Yes.<|return|>"),
            "R(Hm.)C(Yes.)");
  EXPECT_EQ(read(harmony(),
                 "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary "
                 "to=functions.f <|constrain|>json<|message|>{\"a\": 1}<|call|>"),
            "R(Hm.)b(f)a({\"a\": 1})e()");
  EXPECT_EQ(read(harmony(), " to=functions.f<|channel|>commentary json<|message|>{\"a\": 1}"),
            "b(f)a({\"a\": 1})e()");
  EXPECT_EQ(read_as_it_comes(harmony(), "<|channel|>commentary to=functions.f<|message|>{\"a\": 1"),
            "b(f)a({\"a\": 1)");
  EXPECT_EQ(read(harmony(),
                 "<|channel|>commentary<|message|>I look.<|end|><|start|>assistant<|channel|>final"
                 "<|message|>Yes"),
            "C(I look.Yes)");
  EXPECT_EQ(read(harmony(), "<|channel|>analysis<|message|>Hm.<|channel|>final<|message|>Yes"),
            "R(Hm.)C(Yes)");
  EXPECT_EQ(read(harmony(), "Just text, <|no mark|>"), "C(Just text, <|no mark|>)");
  EXPECT_EQ(read(harmony(), "<|chan"), "C(<|chan)");
  EXPECT_EQ(read(harmony(), "t"), "C(t)");
  EXPECT_EQ(read(harmony(), "<|channel|>analysis"), "") << "a header that was cut off says nothing";
  EXPECT_EQ(read(harmony(), "<|channel|>commentary to=functions.f<|message|>{bad"),
            "C(<|channel|>commentary to=functions.f<|message|>{bad)");
  EXPECT_EQ(read(harmony(), "more", {.begins = ReplyBeginning::kContent}), "C(more)");
  const std::string endless = "<|channel|>" + std::string(600, 'x');
  EXPECT_EQ(read(harmony(), endless), "C(" + endless + ")");
}

TEST(ReplyReader, PlainRepliesAreContentAtOnce) {
  ReplyReader reader(ReplyFormat(), {.tools = {"f"}});
  EXPECT_EQ(shown(reader.push("<think>{[")), "C(<think>{[)");
}

TEST(ReplyReader, HoldsNoMoreThanItMust) {
  ReplyReader reader(qwen(), {.tools = {"f"}});
  EXPECT_EQ(shown(reader.push("One <")), "C(One)");
  EXPECT_EQ(shown(reader.push("b> two")), "C( <b> two)");
  EXPECT_EQ(shown(reader.push(" <tool_cal")), "");
  EXPECT_EQ(shown(reader.push("m")), "C( <tool_calm)");
  const std::string blanks(1000, ' ');
  EXPECT_EQ(read(qwen(), "a" + blanks + "b"), "C(a" + blanks + "b)");
}

TEST(ReplyReader, SpecialTokensThatAreNoMarksAreDropped) {
  ReplyReader reader(mistral(), {.tools = {"f"}});
  std::vector<ReplyPart> all;
  join(all, reader.push("A"));
  join(all, reader.push_special("</s>"));
  join(all, reader.push_special("[TOOL_CALLS]"));
  join(all, reader.push("f"));
  join(all, reader.push_special("[ARGS]"));
  join(all, reader.push("{}"));
  join(all, reader.flush());
  EXPECT_EQ(shown(all), "C(A)b(f)a({})e()");
}

TEST(ReplyReader, PartsSayWhereTheyCameFrom) {
  const std::string reply = "Hi\n<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":1}}</tool_call> bye";
  ReplyReader reader(qwen(), {.tools = {"f"}});
  std::vector<ReplyPart> parts;
  for (size_t i = 0; i < reply.size(); ++i) {
    for (ReplyPart& part : reader.push(std::string_view(reply).substr(i, 1)))
      parts.push_back(std::move(part));
  }
  for (ReplyPart& part : reader.flush()) parts.push_back(std::move(part));
  size_t before = 0;
  for (const ReplyPart& part : parts) {
    EXPECT_LE(before, part.begin);
    EXPECT_LE(part.begin, part.end);
    before = part.end;
    if (part.kind == Kind::kCallBegin || part.kind == Kind::kCallEnd) continue;
    EXPECT_EQ(reply.substr(part.begin, part.end - part.begin), part.text);
  }
  EXPECT_EQ(before, reply.size());
}

// The same bytes again and again, cut into single ones: quadratic work would take minutes.
TEST(ReplyReader, WorkIsLinearInTheReply) {
  const std::clock_t begin = std::clock();
  for (const char* unit : {"<tool_call>", "<tool_call>{\"a\":[\"", "<", " ", "\n", "[TOOL_CALLS]n",
                           "<|channel|>", "{\"name\":", "<think></think>", "<|end|>",
                           "[TOOL_CALLS][{\"name\":\"f\"},", "<|channel|>analysis<|message|>a"}) {
    std::string reply;
    while (reply.size() < 60'000) reply += unit;
    for (const ReplyFormat& format : {qwen(), mistral(), llama(), harmony()}) {
      ReplyReader reader(format, {.tools = {"f"}, .delivery = CallDelivery::kAsItComes});
      for (size_t i = 0; i < reply.size(); ++i) {
        const auto parts = reader.push(std::string_view(reply).substr(i, 1));
        static_cast<void>(parts);
      }
      static_cast<void>(reader.flush());
    }
  }
  EXPECT_LT((std::clock() - begin) / CLOCKS_PER_SEC, 30);
}

TEST(ReplyReader, CallsBeyondTheLimitAreContent) {
  std::string reply = "<tool_call>{\"name\":\"f\",\"arguments\":{\"a\":\"";
  reply.append(ReplyReader::kMostHeld, 'x');
  reply += "\"}}</tool_call>";
  EXPECT_EQ(read_reply(qwen(), {.tools = {"f"}}, reply), (ReadReply{.content = reply}));
}

// Random replies made of the pieces that matter, cut at random.
TEST(ReplyReader, AnyCutGivesTheSameParts) {
  const std::vector<std::string> pieces{"<think>",
                                        "</think>",
                                        "<tool_call>",
                                        "</tool_call>",
                                        "\n",
                                        "  ",
                                        "{\"name\": \"f\", \"arguments\": {\"a\": 1}}",
                                        "{\"name\": \"f\", \"parameters\": {}}",
                                        "[TOOL_CALLS]",
                                        "[",
                                        "]",
                                        ", ",
                                        "f",
                                        "[ARGS]",
                                        "{}",
                                        "<",
                                        "<|",
                                        "<|channel|>",
                                        "<|message|>",
                                        "final",
                                        "analysis",
                                        " to=functions.f",
                                        "<|end|>",
                                        "<|call|>",
                                        "<|start|>",
                                        "x",
                                        "<|python_tag|>",
                                        "{\"name\"",
                                        ": ",
                                        "\"",
                                        ";"};
  uint64_t drawn = 0;
  const auto draw = [&](uint64_t below) { return random_bits(7, 0, drawn++) % below; };
  for (int round = 0; round < 3000; ++round) {
    std::string reply;
    const uint64_t count = draw(14);
    for (uint64_t i = 0; i < count; ++i) reply += pieces[draw(pieces.size())];
    const std::vector<ReplyFormat> formats{qwen(), mistral(), llama(), harmony()};
    const ReplyFormat& format = formats[draw(formats.size())];
    const ReplyReaderOptions options{.begins = static_cast<ReplyBeginning>(draw(3)),
                                     .tools = {"f"},
                                     .delivery = static_cast<CallDelivery>(draw(2))};
    std::vector<std::string_view> cut;
    for (std::string_view rest = reply; !rest.empty();) {
      const size_t size = std::min<size_t>(rest.size(), 1 + draw(9));
      cut.push_back(rest.substr(0, size));
      rest.remove_prefix(size);
    }
    EXPECT_EQ(shown(read_in_pieces(format, options, cut)), shown(read_in_pieces(format, options, {reply})))
        << reply;
  }
}

// What a family's template writes of calls is read back as the same calls.
TEST(ReplyReader, ReadsWhatTheTemplatesWrite) {
  for (const char* path :
       {"jinja/testdata/qwen2_5.jinja", "jinja/testdata/qwen3.jinja", "jinja/testdata/llama3_1.jinja",
        "jinja/testdata/llama3_2.jinja", "jinja/testdata/mistral_v3.jinja", "reply/testdata/hermes.jinja",
        "reply/testdata/mistral_nemo.jinja", "reply/testdata/smollm3.jinja", "reply/testdata/phi4_mini.jinja",
        "reply/testdata/gpt_oss.jinja"}) {
    SCOPED_TRACE(path);
    const ChatPrompter prompter = family_prompter(path);
    const std::vector<ToolSpec> tools{simple_tool("get_weather"), simple_tool("now")};
    std::vector<ChatTurn> turns{{.role = "user", .content = "Hi"}};
    const auto asked = prompter.prompt(turns, tools);
    ASSERT_TRUE(asked.ok()) << asked.status().message();
    turns.push_back({.role = "assistant", .content = {}});
    turns.back().tool_calls.push_back(
        {"call00001", "get_weather", R"({"city": "Zürich \"x\"", "days": [1, -2]})"});
    if (prompter.format().takes_many_calls) turns.back().tool_calls.push_back({"call00002", "now", "{}"});
    for (const ToolCall& call : turns.back().tool_calls)
      turns.push_back({.role = "tool", .content = "OK", .tool_call_id = call.id});
    const auto answered = prompter.prompt(turns, tools);
    ASSERT_TRUE(answered.ok()) << answered.status().message();
    // Between the prompt and what closes the turn.
    ASSERT_TRUE(answered->text.starts_with(asked->text)) << answered->text;
    std::string reply = answered->text.substr(asked->text.size());
    for (const char* end : {"<|im_end|>", "<|eot_id|>", "<|eom_id|>", "</s>", "<|end|>", "<|call|>"}) {
      if (const size_t at = reply.find(end); at != std::string::npos) reply.resize(at);
    }
    const ReadReply read = read_reply(
        prompter.format(), {.begins = asked->reply_begins, .tools = {"get_weather", "now"}}, reply);
    EXPECT_EQ(read.content, "") << reply;
    ASSERT_EQ(read.calls.size(), turns[1].tool_calls.size()) << reply;
    for (size_t i = 0; i < read.calls.size(); ++i) {
      EXPECT_EQ(read.calls[i].name, turns[1].tool_calls[i].name);
      EXPECT_EQ(boost::json::parse(read.calls[i].arguments),
                boost::json::parse(turns[1].tool_calls[i].arguments));
    }
  }
}

TEST(ReplyFormat, IsFoundFromTheTemplateAndTheVocabulary) {
  const auto format = [](const char* path) { return family_prompter(path).format(); };
  EXPECT_EQ(format("jinja/testdata/qwen3.jinja").reasoning, (ReplyMarks{"<think>", "</think>"}));
  EXPECT_FALSE(format("jinja/testdata/qwen2_5.jinja").reasoning.has_value());
  EXPECT_EQ(format("jinja/testdata/qwen2_5.jinja").call_marks, (ReplyMarks{"<tool_call>", "</tool_call>"}));
  EXPECT_EQ(format("jinja/testdata/llama3_2.jinja").call_form, CallForm::kBare);
  EXPECT_EQ(format("jinja/testdata/llama3_2.jinja").arguments_key, "parameters");
  EXPECT_EQ(format("jinja/testdata/mistral_v3.jinja").payload, CallPayload::kList);
  EXPECT_EQ(format("reply/testdata/phi4_mini.jinja").call_marks,
            (ReplyMarks{"<|tool_call|>", "<|/tool_call|>"}));
  EXPECT_TRUE(format("reply/testdata/gpt_oss.jinja").has_harmony_channels);
  EXPECT_EQ(format("reply/testdata/gpt_oss.jinja").end_tokens.size(), 2u);
  EXPECT_TRUE(format("jinja/testdata/gemma3.jinja").is_plain());
  EXPECT_TRUE(format("jinja/testdata/chatml.jinja").is_plain());
}

TEST(ReplyDecoder, ShowsTheMarksAndHidesOtherSpecialTokens) {
  const Tokenizer tokenizer = byte_tokenizer(family_controls());
  const ReplyFormat format = family_prompter("reply/testdata/gpt_oss.jinja").format();
  ReplyDecoder decoder(tokenizer, format);
  const auto tokens = tokenizer.encode("<|channel|>final<|message|>Zürich<|im_end|>!",
                                       {.bos_eos = BosEos::kNone, .special_text = SpecialText::kParsed});
  ASSERT_TRUE(tokens.ok());
  std::string text;
  for (const TokenId token : *tokens) text += decoder.push(token);
  EXPECT_EQ(text + decoder.flush(), "<|channel|>final<|message|>Zürich!");
}

}  // namespace
}  // namespace cairn
