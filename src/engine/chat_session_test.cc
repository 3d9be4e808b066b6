// Conversations through the library's face.
#include "cairn/chat_session.h"

#include "engine/llm_testing.h"

namespace cairn {
namespace {

LlmOptions options() { return {.context = 512, .prefill_chunk = 64, .thread_count = 1}; }

const MadeModel& made() {
  static const MadeModel model("tiny-llama");
  return model;
}

// One character, so that a conversation's length is known.
constexpr const char* kTemplate =
    "{% for m in messages %}[{{ m.role }}|{{ m.content }}]{% endfor %}{% if add_generation_prompt %}>{% "
    "endif %}";

ChatSessionOptions written(const std::string& chat_template = kTemplate) {
  return {.prompt = {.chat_template = chat_template}};
}

ChatSession start(Llm& llm, const ChatSessionOptions& how = written()) {
  auto session = ChatSession::start(llm, how);
  EXPECT_TRUE(session.ok()) << session.status().message();
  return std::move(*session);
}

struct Turn {
  std::string text;
  TextResult result;
};

Turn turn(Llm& llm, ChatSession& chat, std::string_view question, int64_t max_tokens = 10) {
  Turn heard;
  TextRequest reply{.max_tokens = max_tokens, .ignore_end_tokens = true};
  reply.on_text = [&](int64_t, std::string_view text) { heard.text += text; };
  reply.on_finish = [&](int64_t, const TextResult& result) { heard.result = result; };
  const auto id = chat.ask(question, reply);
  EXPECT_TRUE(id.ok()) << id.status().message();
  llm.run();
  return heard;
}

TEST(ChatSession, TakesItsTurnsFromTheCache) {
  Llm llm = made().open(options());
  ChatSession chat = start(llm);
  EXPECT_TRUE(chat.notes().empty());
  const Turn first = turn(llm, chat, "Hello");
  ASSERT_EQ(chat.messages().size(), 2U);
  EXPECT_EQ(chat.messages()[0], (ChatMessage{"user", "Hello"}));
  EXPECT_EQ(chat.messages()[1].role, "assistant");
  const Turn second = turn(llm, chat, "and then?");
  EXPECT_EQ(chat.messages().size(), 4U);
  EXPECT_GE(second.result.reused_tokens, first.result.prompt_tokens - 1);

  // The same as a request of its own with the prompt that the template writes.
  const auto prompt = llm.chat_prompt(chat.messages().first(3), written().prompt);
  ASSERT_TRUE(prompt.ok()) << prompt.status().message();
  TextsHeard alone;
  Llm other = made().open(options());
  ASSERT_TRUE(other
                  .submit(hearing({.prompt = prompt->tokens,
                                   .max_tokens = 10,
                                   .stop_strings = prompt->stop_strings,
                                   .ignore_end_tokens = true},
                                  alone))
                  .ok());
  other.run();
  EXPECT_EQ(alone.texts[0], second.text);
  EXPECT_EQ(alone.results.at(0).prompt_tokens, second.result.prompt_tokens);
}

TEST(ChatSession, NextQuestionsMayBeAskedFromTheEnd) {
  Llm llm = made().open(options());
  ChatSession chat = start(llm);
  int ends = 0;
  TextRequest reply{.max_tokens = 4, .ignore_end_tokens = true};
  reply.on_finish = [&](int64_t, const TextResult&) {
    ++ends;
    EXPECT_FALSE(chat.is_answering());
    if (ends < 3) EXPECT_TRUE(chat.ask("more", reply).ok());
  };
  ASSERT_TRUE(chat.ask("Hello", reply).ok());
  EXPECT_TRUE(chat.is_answering());
  EXPECT_EQ(chat.ask("too early").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(chat.undo().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(chat.reset().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(chat.set_messages({}).code(), StatusCode::kInvalidArgument);
  llm.run();
  EXPECT_EQ(ends, 3);
  EXPECT_EQ(chat.messages().size(), 6U);
}

TEST(ChatSession, TakesBackWhatCameToNothing) {
  Llm llm = made().open(options());
  ChatSession chat = start(llm);
  const auto id = chat.ask("Hello");
  ASSERT_TRUE(id.ok());
  EXPECT_TRUE(llm.cancel(*id));
  EXPECT_TRUE(chat.messages().empty());

  TextRequest reply;
  reply.on_mask = [](int64_t, TokenMask& allowed) { allowed.forbid_all(); };
  TextResult told;
  reply.on_finish = [&](int64_t, const TextResult& result) { told = result; };
  ASSERT_TRUE(chat.ask("Hello", reply).ok());
  llm.run();
  EXPECT_EQ(told.reason, FinishReason::kError);
  EXPECT_TRUE(chat.messages().empty());

  EXPECT_EQ(chat.ask("\xFF").status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(chat.ask("a", {.prompt = "b"}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(chat.ask("a", {.sample_count = 2}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(chat.ask("a", {.sampling = {.top_p = 7}}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_TRUE(chat.messages().empty());
  EXPECT_FALSE(chat.is_answering());
}

TEST(ChatSession, GoesBackAndStartsAgain) {
  Llm llm = made().open(options());
  ChatSession chat = start(llm);
  const std::string reply = turn(llm, chat, "Hello").text;
  turn(llm, chat, "more");
  EXPECT_TRUE(chat.undo().ok());
  EXPECT_EQ(chat.messages().size(), 2U);
  EXPECT_TRUE(chat.reset().ok());
  EXPECT_TRUE(chat.undo().ok());
  EXPECT_TRUE(chat.messages().empty());
  EXPECT_EQ(turn(llm, chat, "Hello").text, reply);
  const std::vector<ChatMessage> messages{{"system", "S"}, {"user", "Q"}, {"assistant", "A"}};
  ASSERT_TRUE(chat.set_messages(messages).ok());
  EXPECT_EQ(chat.messages().size(), 2U);
}

TEST(ChatSession, LongOnesLoseTheirOldestTurns) {
  Llm llm = made().open({.context = 128, .prefill_chunk = 64, .thread_count = 1});
  ChatSession chat = start(llm);
  ChatSessionOptions stops = written();
  stops.when_full = WhenFull::kStop;
  ChatSession stopping = start(llm, stops);
  for (int i = 0; i < 8; ++i) turn(llm, chat, "one and two and three");
  EXPECT_GT(chat.dropped_message_count(), 0);
  EXPECT_EQ(chat.messages().size(), 16U);
  Status last;
  for (int i = 0; i < 8 && last.ok(); ++i) {
    last = stopping.ask("one and two and three", {.max_tokens = 10, .ignore_end_tokens = true}).status();
    llm.run();
  }
  EXPECT_EQ(last.code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(stopping.dropped_message_count(), 0);
}

TEST(ChatSession, MayBeClosedWhileATurnRuns) {
  Llm llm = made().open(options());
  Turn heard;
  {
    ChatSession chat = start(llm);
    TextRequest reply{.max_tokens = 6, .ignore_end_tokens = true};
    reply.on_text = [&](int64_t, std::string_view text) { heard.text += text; };
    reply.on_finish = [&](int64_t, const TextResult& result) { heard.result = result; };
    ASSERT_TRUE(chat.ask("Hello", reply).ok());
    llm.step();
    ChatSession other = start(llm);
    other = std::move(chat);
  }
  llm.run();
  EXPECT_EQ(heard.result.reason, FinishReason::kLength);
  EXPECT_EQ(llm.cache_statistics().used_bytes, 0U);  // no session keeps rows
}

TEST(ChatPrompt, IsWhatTheTemplateWrites) {
  const Llm llm = made().open(options());
  const std::vector<ChatMessage> messages{{"system", "S"}, {"user", "Q"}};
  const auto own = llm.chat_prompt(messages, written().prompt);
  ASSERT_TRUE(own.ok()) << own.status().message();
  EXPECT_EQ(own->text, "[system|S][user|Q]>");
  EXPECT_EQ(own->tokens.front(), llm.facts().begin_token);
  EXPECT_NE(own->tokens.at(1), llm.facts().begin_token);
  EXPECT_EQ(llm.detokenize(own->tokens), own->text);
  const auto chatml = llm.chat_prompt(messages, {.chat_template = "chatml"});
  EXPECT_EQ(chatml->text,
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nQ<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(chatml->stop_strings, std::vector<std::string>{"<|im_end|>"});
  const auto plain = llm.chat_prompt(messages, {.chat_template = "plain"});
  EXPECT_EQ(plain->text, "S\n\nUser: Q\nAssistant:");
  const auto variable =
      llm.chat_prompt(messages, {.chat_template = "{{ mood }}", .variables = {{"mood", "!"}}});
  EXPECT_EQ(variable->text, "!");

  for (const std::string& name : chat_template_names()) {
    EXPECT_TRUE(llm.chat_prompt(messages, {.chat_template = name}).ok()) << name;
  }
  EXPECT_EQ(llm.chat_prompt({}, written().prompt).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(llm.chat_prompt(messages, {.chat_template = "{% if %}"}).status().code(),
            StatusCode::kInvalidArgument);
}

TEST(Detokenizer, GivesWholeCharacters) {
  const Llm llm = made().open(options());
  const std::string text = "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80.";
  const auto tokens = llm.tokenize(text);
  ASSERT_TRUE(tokens.ok());
  for (const TextPosition position : {TextPosition::kStart, TextPosition::kContinuation}) {
    Detokenizer parts = llm.detokenizer(position);
    std::string whole;
    for (const TokenId token : *tokens) {
      const std::string part = parts.push(token);
      if (!part.empty()) EXPECT_NE(static_cast<unsigned char>(part.front()) & 0xC0, 0x80);
      whole += part;
    }
    EXPECT_EQ(parts.push(-1) + parts.push(1 << 30) + parts.flush(), "");
    EXPECT_TRUE(whole.ends_with(text)) << whole;
    if (position == TextPosition::kStart) EXPECT_EQ(whole, llm.detokenize(*tokens));
  }
}

TEST(LlmBeams, AreTheLikeliestOfAll) {
  Llm llm = made().open(options());
  const TextRequest asked{
      .prompt = std::vector<TokenId>{5, 12, 19, 26}, .max_tokens = 6, .ignore_end_tokens = true};
  TextsHeard greedy;
  ASSERT_TRUE(llm.submit(hearing(asked, greedy)).ok());  // runs beside the search
  const auto one = llm.search_beams(asked, {.width = 1});
  ASSERT_TRUE(one.ok()) << one.status().message();
  ASSERT_EQ(one->size(), 1U);
  EXPECT_EQ(one->front().tokens, greedy.tokens.at(0));
  EXPECT_EQ(one->front().reason, FinishReason::kLength);
  EXPECT_EQ(one->front().text, greedy.texts[0]);
  const auto four = llm.search_beams(asked, {.width = 4});
  ASSERT_TRUE(four.ok());
  ASSERT_EQ(four->size(), 4U);
  EXPECT_GE(four->front().log_probability, one->front().log_probability);
  for (size_t i = 1; i < 4; ++i) EXPECT_LE((*four)[i].score, (*four)[i - 1].score);
  EXPECT_EQ(llm.cache_statistics().used_bytes, 0U);

  TextRequest full = asked;
  full.prompt = std::vector<TokenId>(510, 7);
  full.max_tokens = {};
  EXPECT_EQ(llm.search_beams(full, {.width = 2})->front().reason, FinishReason::kContextFull);
}

TEST(LlmBeams, WrongOnesAreRefused) {
  Llm llm = made().open(options());
  const TextRequest asked{.prompt = std::vector<TokenId>{5, 12, 19, 26}, .max_tokens = 6};
  const auto refused = [&](auto&& change, const BeamOptions& beams = {.width = 2}) {
    TextRequest request = asked;
    change(request);
    return llm.search_beams(request, beams).status().code() == StatusCode::kInvalidArgument;
  };
  EXPECT_FALSE(refused([](TextRequest&) {}));
  EXPECT_TRUE(refused([](TextRequest&) {}, {.width = 99}));
  EXPECT_TRUE(refused([](TextRequest& r) { r.prompt = ""; }));
  EXPECT_TRUE(refused([](TextRequest& r) { r.sampling.temperature = 1; }));
  EXPECT_TRUE(refused([](TextRequest& r) { r.sample_count = 2; }));
  EXPECT_TRUE(refused([](TextRequest& r) { r.on_token = [](int64_t, TokenId) {}; }));
  EXPECT_TRUE(refused([](TextRequest& r) { r.on_logits = [](int64_t, std::span<const float>) {}; }));
  EXPECT_TRUE(refused([](TextRequest& r) { r.on_mask = [](int64_t, TokenMask&) {}; }));
  EXPECT_TRUE(refused([](TextRequest& r) { r.on_choice = [](int64_t, const TokenChoice&) {}; }));
  EXPECT_TRUE(refused([](TextRequest& r) { r.on_finish = [](int64_t, const TextResult&) {}; }));
  bool called = false;
  TextRequest request = asked;
  request.on_token = [&](int64_t, TokenId) {
    called = true;
    EXPECT_EQ(llm.search_beams(asked, {.width = 2}).status().code(), StatusCode::kInvalidArgument);
  };
  request.ignore_end_tokens = true;
  ASSERT_TRUE(llm.submit(request).ok());
  llm.run();
  EXPECT_TRUE(called);
}

}  // namespace
}  // namespace cairn
