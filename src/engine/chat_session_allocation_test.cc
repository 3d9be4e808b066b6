// Each allocation of a turn fails in turn (allocation_failure_testing.h).
#include "cairn/chat_session.h"
#include "engine/allocation_failure_testing.h"
#include "engine/llm_testing.h"

namespace cairn {
namespace {

constexpr const char* kQuestion = "a question that is longer than a string's own room";

struct TurnHeard {
  std::string text;
  std::vector<TextResult> results;
};

TextRequest hearing_turn(TurnHeard& heard) {
  TextRequest reply{.max_tokens = 6, .ignore_end_tokens = true, .likeliest_count = 3};
  reply.on_mask = [](int64_t, TokenMask& allowed) { allowed.forbid(3); };
  reply.on_choice = [](int64_t, const TokenChoice&) {};
  reply.on_text = [&heard](int64_t, std::string_view text) {
    const SoundAllocations sound;
    heard.text += text;
  };
  reply.on_finish = [&heard](int64_t, const TextResult& result) {
    const SoundAllocations sound;
    heard.results.push_back(result);
  };
  return reply;
}

// A turn is asked and ends once, or is refused; then the conversation is what was heard, and can go on.
TEST(ChatSessionAllocations, OfATurn) {
  const MadeModel made("tiny-llama");
  Llm llm = made.open({.context = 256, .prefill_chunk = 50, .thread_count = 1});
  auto chat = ChatSession::start(llm, {.prompt = {.chat_template = "plain"}});
  ASSERT_TRUE(chat.ok()) << chat.status().message();
  TurnHeard truth;
  ASSERT_TRUE(chat->ask(kQuestion, hearing_turn(truth)).ok());
  llm.run();
  for_each_failure([&](int64_t n, FailingAllocations which) {
    EXPECT_TRUE(chat->reset().ok());
    TurnHeard heard;
    TextRequest reply = hearing_turn(heard);
    const Attempt tried = attempt(n, which, [&] {
      Status status = chat->ask(kQuestion, std::move(reply)).status();
      llm.run();
      return status;
    });
    if (!expect_no_throw(tried)) return tried;
    EXPECT_FALSE(chat->is_answering());
    EXPECT_EQ(heard.results.size(), tried.status.ok() ? 1U : 0U);
    const bool ended_well = tried.status.ok() && heard.results.at(0).reason != FinishReason::kError;
    if (ended_well) {
      EXPECT_EQ(heard.text, truth.text);
    } else if (tried.status.ok()) {
      EXPECT_EQ(heard.results.at(0).status.code(), StatusCode::kResourceExhausted);
    }
    EXPECT_EQ(chat->messages().size() % 2, 0U);
    if (ended_well) EXPECT_EQ(chat->messages().size(), 2U);
    return tried;
  });
  EXPECT_TRUE(chat->reset().ok());
  TurnHeard after;
  ASSERT_TRUE(chat->ask(kQuestion, hearing_turn(after)).ok());
  llm.run();
  EXPECT_EQ(after.text, truth.text);
}

TEST(ChatSessionAllocations, OfStart) {
  const MadeModel made("tiny-llama");
  Llm llm = made.open({.context = 256, .prefill_chunk = 50, .thread_count = 1});
  for_each_failure([&](int64_t n, FailingAllocations which) {
    const ChatSessionOptions options{.prompt = {.chat_template = "chatml"}, .system = "Be brief and kind."};
    const Attempt tried = attempt(n, which, [&] { return ChatSession::start(llm, options).status(); });
    (void)expect_no_throw(tried);
    return tried;
  });
}

}  // namespace
}  // namespace cairn
