// Constraints in the engine, over the demo model and its vocabulary.
#include "engine/token_constraint.h"

#include <gtest/gtest.h>

#include <boost/json/parse.hpp>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/thread_pool.h"
#include "engine/engine.h"
#include "kernels/kernels.h"
#include "model/model.h"

namespace cairn {
namespace {

constexpr const char* kSchema = R"({"type":"object","properties":{"name":{"type":"string","maxLength":20},
  "age":{"type":"integer","minimum":0,"maximum":130},"friends":{"type":"array","items":{"type":"string"},"maxItems":3}},
  "required":["name","age"],"additionalProperties":false})";

class DemoModel : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    threads_ = std::make_unique<ThreadPool>(1);
    auto model = Model::load(CAIRN_SOURCE_DIR "/models/cairn-demo.gguf", kernels_for(available_isas().back()),
                             *threads_);
    ASSERT_TRUE(model.ok()) << model.status().message();
    model_ = *model;
    trie_ = TokenTrie::build(model_->tokenizer()).value();
  }
  static void TearDownTestSuite() {
    model_.reset();
    trie_.reset();
    threads_.reset();
  }

  static std::unique_ptr<Engine> engine() {
    auto engine = Engine::create(model_, *threads_, {.context = 512});
    EXPECT_TRUE(engine.ok()) << engine.status().message();
    return std::move(*engine);
  }
  static std::shared_ptr<const Guide> guide(const char* schema) {
    GuideSpec spec;
    spec.answer.kind = AnswerSpec::Kind::kJsonSchema;
    spec.answer.schema = boost::json::parse(schema);
    auto guide = Guide::compile(trie_, spec);
    EXPECT_TRUE(guide.ok()) << guide.status().message();
    return *guide;
  }

  static std::unique_ptr<ThreadPool> threads_;
  static std::shared_ptr<const Model> model_;
  static std::shared_ptr<const TokenTrie> trie_;
};
std::unique_ptr<ThreadPool> DemoModel::threads_;
std::shared_ptr<const Model> DemoModel::model_;
std::shared_ptr<const TokenTrie> DemoModel::trie_;

struct Reply {
  std::string text;
  RequestResult result;
};

Request request_of(const Tokenizer& tokenizer, const std::shared_ptr<const Guide>& guide, int64_t max_tokens,
                   uint64_t seed, Reply& reply) {
  Request request{.prompt = tokenizer.encode("A child in a story, as JSON:").value(),
                  .max_tokens = max_tokens};
  request.sampling.temperature = 1;
  request.sampling.seed = seed;
  request.constraint = std::make_shared<GuideConstraint>(guide);
  request.on_text = [&reply](std::string_view text) { reply.text += text; };
  request.on_finish = [&reply](const RequestResult& result) { reply.result = result; };
  return request;
}

void run(Engine& engine) {
  while (!engine.idle()) engine.step();
}

TEST_F(DemoModel, WhatEndsAsStopParsesAndWhatDoesNotEndsByLength) {
  const auto person = guide(kSchema);
  const auto engine = DemoModel::engine();
  std::vector<Reply> replies(24);
  for (size_t i = 0; i < replies.size(); ++i) {
    const auto max_tokens = static_cast<int64_t>(i < 4 ? 3 + i : 20 + i * 4);
    ASSERT_TRUE(engine->submit(request_of(model_->tokenizer(), person, max_tokens, i, replies[i])).ok());
  }
  run(*engine);
  const int64_t least = person->shortest_reply_tokens();
  for (size_t i = 0; i < replies.size(); ++i) {
    const Reply& reply = replies[i];
    const auto max_tokens = static_cast<int64_t>(i < 4 ? 3 + i : 20 + i * 4);
    if (max_tokens < least) {
      EXPECT_EQ(reply.result.reason, FinishReason::kLength) << reply.text;
      continue;
    }
    ASSERT_EQ(reply.result.reason, FinishReason::kEndToken) << reply.text;
    boost::system::error_code error;
    const auto value = boost::json::parse(reply.text, error);
    ASSERT_FALSE(error) << reply.text;
    EXPECT_TRUE(value.at("name").is_string());
    EXPECT_GE(value.at("age").as_int64(), 0);
    EXPECT_LE(value.at("age").as_int64(), 130);
    if (const auto* friends = value.get_object().if_contains("friends"))
      EXPECT_LE(friends->as_array().size(), 3u);
  }
}

TEST_F(DemoModel, AMaskOfItsVocabularyIsWhatTryingEachTokenGives) {
  const auto person = guide(kSchema);
  GuideWalk walk(person);
  for (int64_t i = 0; i < 60 && !walk.has_ended(); ++i) {
    TokenMask mask(trie_->vocab_size());
    walk.restrict(mask, 60 - i);
    const bool must_close = walk.closing_tokens() <= 60 - i;
    std::vector<TokenId> allowed;
    for (TokenId token = 0; token < trie_->vocab_size(); ++token) {
      GuideWalk next = walk;
      const bool leads_on = next.take(token) && (!must_close || next.closing_tokens() <= 59 - i);
      ASSERT_EQ(mask.allows(token), leads_on) << token << " at " << i;
      if (leads_on) allowed.push_back(token);
    }
    ASSERT_FALSE(allowed.empty());
    ASSERT_TRUE(walk.take(allowed[random_bits(5, 0, static_cast<uint64_t>(i)) % allowed.size()]));
  }
  EXPECT_TRUE(walk.has_ended());
}

TEST_F(DemoModel, OfAForkItIsItsOwn) {
  const auto person = guide(kSchema);
  const auto engine = DemoModel::engine();
  Reply first, second;
  const auto parent = engine->submit(request_of(model_->tokenizer(), person, 60, 1, first));
  ASSERT_TRUE(parent.ok());
  Request child = request_of(model_->tokenizer(), person, 60, 2, second);
  child.prompt.clear();
  ASSERT_TRUE(engine->fork(*parent, std::move(child)).ok());
  run(*engine);
  for (const Reply* reply : {&first, &second}) {
    EXPECT_EQ(reply->result.reason, FinishReason::kEndToken);
    boost::system::error_code error;
    boost::json::parse(reply->text, error);
    EXPECT_FALSE(error) << reply->text;
  }
  EXPECT_NE(first.text, second.text);
}

TEST_F(DemoModel, TheSameSeedGivesTheSameReplyWhateverTheGuideRemembers) {
  const auto warm = guide(kSchema);
  std::vector<Reply> replies(3);
  for (size_t i = 0; i < replies.size(); ++i) {
    const auto engine = DemoModel::engine();
    ASSERT_TRUE(
        engine->submit(request_of(model_->tokenizer(), i < 2 ? warm : guide(kSchema), 80, 7, replies[i]))
            .ok());
    run(*engine);
  }
  EXPECT_EQ(replies[0].text, replies[1].text);
  EXPECT_EQ(replies[0].text, replies[2].text);
}

TEST_F(DemoModel, WhereNothingIsLeftTheRequestEndsWithAnError) {
  const auto engine = DemoModel::engine();
  Reply reply;
  Request request = request_of(model_->tokenizer(), guide("{\"const\":1}"), 10, 1, reply);
  request.on_mask = [](TokenMask& allowed) { allowed.forbid_all(); };
  ASSERT_TRUE(engine->submit(std::move(request)).ok());
  run(*engine);
  EXPECT_EQ(reply.result.reason, FinishReason::kError);
  EXPECT_NE(reply.result.status.message().find("constraint"), std::string::npos);
}

TEST_F(DemoModel, ForcedTokensAreTakenToo) {
  const auto engine = DemoModel::engine();
  Reply reply;
  Request request = request_of(model_->tokenizer(), guide(kSchema), 80, 1, reply);
  request.forced_tokens = model_->tokenizer().encode("{\"name\": \"Mia", {.bos_eos = BosEos::kNone}).value();
  ASSERT_TRUE(engine->submit(std::move(request)).ok());
  run(*engine);
  EXPECT_EQ(reply.result.reason, FinishReason::kEndToken);
  boost::system::error_code error;
  const auto value = boost::json::parse(reply.text, error);
  ASSERT_FALSE(error) << reply.text;
  EXPECT_TRUE(std::string(value.at("name").as_string()).starts_with("Mia"));
}

TEST_F(DemoModel, FurtherEndTokensOnlyEndAWholeText) {
  const auto newline = model_->tokenizer().find("\n");
  ASSERT_TRUE(newline.has_value());
  GuideConstraint constraint(guide("{\"type\":\"array\",\"items\":{\"const\":1}}"), {*newline});
  TokenMask mask(trie_->vocab_size());
  constraint.restrict(mask, 50);
  EXPECT_FALSE(mask.allows(*newline));
  for (const char* part : {"[", "]"}) {
    const auto token = model_->tokenizer().find(part);
    ASSERT_TRUE(token.has_value());
    constraint.take(*token);
  }
  mask.allow_all();
  constraint.restrict(mask, 50);
  EXPECT_TRUE(mask.allows(*newline));
  for (const EndToken& end : model_->tokenizer().end_tokens()) EXPECT_TRUE(mask.allows(end.id));
  constraint.take(*newline);
  EXPECT_FALSE(constraint.walk().is_lost());
}

TEST_F(DemoModel, ARequestWhoseCallerPicksHasNone) {
  const auto engine = DemoModel::engine();
  Reply reply;
  Request request = request_of(model_->tokenizer(), guide("true"), 5, 1, reply);
  request.on_text = {};
  request.picks = Picks::kByCaller;
  EXPECT_EQ(engine->submit(std::move(request)).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace cairn
