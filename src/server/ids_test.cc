#include "server/ids.h"

#include <gtest/gtest.h>

#include <set>

namespace cairn {
namespace {

TEST(Ids, NoTwoAreAlike) {
  std::set<std::string> ids;
  for (int i = 0; i < 1000; ++i) ids.insert(new_reply_id());
  EXPECT_EQ(ids.size(), 1000U);
  EXPECT_EQ(ids.begin()->size(), 24U);
  EXPECT_TRUE(new_call_id().starts_with("call_"));
}

TEST(Ids, TheFacesPrefixesAreTakenOff) {
  EXPECT_EQ(bare_reply_id("chatcmpl-abc"), "abc");
  EXPECT_EQ(bare_reply_id("cmpl-abc"), "abc");
  EXPECT_EQ(bare_reply_id("resp_abc"), "abc");
  EXPECT_EQ(bare_reply_id("abc"), "abc");
  for (const ApiFace face : {ApiFace::kChat, ApiFace::kCompletions, ApiFace::kResponses, ApiFace::kOllamaChat,
                             ApiFace::kOllamaGenerate}) {
    EXPECT_EQ(bare_reply_id(shown_reply_id(face, "abc")), "abc");
  }
}

}  // namespace
}  // namespace cairn
