// A chat's engine is exchanged for one without an end, or stays as it is.
#include "cli/chat_engine.h"

#include <gtest/gtest.h>

#include "base/temporary_folder_testing.h"
#include "model/synth.h"

namespace cairn {
namespace {

class ChatEngineTest : public ::testing::Test {
 protected:
  OpenModel opened(const std::string& shape, OpenOptions options) {
    const std::string path = folder_.at(shape + ".gguf");
    EXPECT_TRUE(write_synthetic_model({.shape = shape, .type = TensorType::kF32}, path).ok());
    options.thread_count = 1;
    Result<LoadedModel> loaded = load_model(path, std::move(options));
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    return {std::move(loaded).value(), path};
  }

  TemporaryFolder folder_;
};

TEST_F(ChatEngineTest, GoesOnBehindSinksAndAWindowWithinItsContext) {
  const OpenModel model = opened("tiny-llama", {.context = 200, .kv_plan = KvPlan(KvFormat::kInt8)});
  Result<ChatEngine> chat = ChatEngine::create(model);
  ASSERT_TRUE(chat.ok()) << chat.status().message();
  EXPECT_EQ(chat->engine().context(), 200);
  EXPECT_FALSE(chat->is_endless());
  EXPECT_EQ(chat->endless_view(), (Visibility{.window = 196, .sinks = 4}));
  ASSERT_TRUE(chat->go_endless().ok());
  EXPECT_TRUE(chat->is_endless());
  EXPECT_EQ(chat->engine().context(), kEndless);
  const KvGeometry& geometry = chat->engine().cache().geometry();
  EXPECT_EQ(geometry.visibility(0), (Visibility{.window = 196, .sinks = 4}));
  EXPECT_EQ(geometry.plan().text(), "int8,sinks=4,window=196");
  EXPECT_EQ(chat->go_endless().code(), StatusCode::kInvalidArgument);
}

TEST_F(ChatEngineTest, StaysWhereATextMustHaveAnEnd) {
  const OpenModel gpt2 = opened("tiny-gpt2", {.context = 100});
  Result<ChatEngine> chat = ChatEngine::create(gpt2);
  ASSERT_TRUE(chat.ok());
  const Engine* const engine = &chat->engine();
  EXPECT_FALSE(chat->endless_view().has_value());
  EXPECT_NE(chat->go_endless().message().find("a table of"), std::string::npos);
  EXPECT_EQ(&chat->engine(), engine);
  EXPECT_FALSE(chat->is_endless());

  const OpenModel growing = opened("tiny-llama", {.engine = {.storage = KvStorageKind::kGrowing}});
  chat = ChatEngine::create(growing);
  ASSERT_TRUE(chat.ok());
  EXPECT_NE(chat->go_endless().message().find("paged"), std::string::npos);
  EXPECT_EQ(chat->engine().context(), growing.engine_options.context);
}

}  // namespace
}  // namespace cairn
