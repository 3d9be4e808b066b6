// What an Llm says of its model, open or not.
#include "engine/llm_testing.h"

namespace cairn {
namespace {

LlmOptions options() { return {.context = 256, .prefill_chunk = 50, .thread_count = 1}; }

TEST(LlmFacts, OfAModelThatIsOpen) {
  const MadeModel made("tiny-llama");
  const Llm llm = made.open(options());
  const ModelFacts& facts = llm.facts();
  EXPECT_EQ(facts.family, "llama");
  EXPECT_FALSE(facts.name.empty());
  EXPECT_GT(facts.layer_count, 0);
  EXPECT_EQ(std::ssize(facts.layer_windows), facts.layer_count);
  EXPECT_EQ(facts.head_count % facts.kv_head_count, 0);
  EXPECT_GT(facts.head_dim, 0);
  EXPECT_EQ(facts.vocab_size, llm.vocab_size());
  EXPECT_EQ(facts.context_length, 2048);  // not the 256 that it was opened for
  EXPECT_GT(facts.parameter_count, 0U);
  EXPECT_GT(facts.file_bytes, 0U);
  EXPECT_EQ(facts.tokenizer_kind, "sentencepiece-bpe");
  ASSERT_TRUE(facts.begin_token.has_value());
  EXPECT_EQ(llm.tokenize("Hello")->front(), *facts.begin_token);
  ASSERT_FALSE(facts.end_tokens.empty());
  for (const EndOfReply& end : facts.end_tokens) {
    EXPECT_FALSE(end.reason.empty()) << end.text;
    EXPECT_LT(end.id, facts.vocab_size);
  }
}

TEST(LlmFacts, AreKnownBeforeItIsOpen) {
  for (const char* shape : {"tiny-llama", "tiny-qwen3"}) {
    SCOPED_TRACE(shape);
    const MadeModel made(shape);
    const auto described = Llm::describe(made.path(), options());
    ASSERT_TRUE(described.ok()) << described.status().message();
    const Llm llm = made.open(options());
    EXPECT_EQ(described->facts, llm.facts());
    EXPECT_EQ(described->memory, llm.memory_plan());
    EXPECT_EQ(described->context, llm.context());
    EXPECT_EQ(described->memory.kv_bytes, llm.cache_statistics().pool_bytes);
    EXPECT_GT(described->memory.total_bytes(), described->memory.weights_bytes);
  }
}

// Open refuses what does not fit; describe says how much it would be.
TEST(LlmFacts, ArePlannedBeyondThisMachine) {
  const MadeModel made("tiny-llama");
  LlmOptions huge = options();
  huge.context = 2048;
  huge.max_sequences = 65536;
  huge.kv_plan = "f32";
  const auto described = Llm::describe(made.path(), huge);
  ASSERT_TRUE(described.ok()) << described.status().message();
  EXPECT_GT(described->memory.kv_bytes, uint64_t{1} << 30);
}

TEST(LlmFacts, WrongOptionsAreRefusedAsByOpen) {
  const MadeModel made("tiny-llama");
  LlmOptions wrong = options();
  wrong.context = 5000;
  EXPECT_EQ(Llm::describe(made.path(), wrong).status(), Llm::open(made.path(), wrong).status());
  wrong = options();
  wrong.kv_plan = "int5";
  EXPECT_EQ(Llm::describe(made.path(), wrong).status(), Llm::open(made.path(), wrong).status());
  EXPECT_EQ(Llm::describe(made.path() + ".not").status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace cairn
