#include "cli/transcript.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/temporary_folder_testing.h"

namespace cairn {
namespace {

TEST(Transcript, ComesBackAsItWas) {
  const TemporaryFolder folder;
  const std::string path = folder.at("talk.json");
  const Transcript talk{"Be \"brief\".\n", {{"user", "Grüße\t🙂"}, {"assistant", ""}, {"user", "?"}}};
  ASSERT_TRUE(save_transcript(path, {}).ok());
  ASSERT_TRUE(save_transcript(path, talk).ok());
  struct stat facts{};
  ASSERT_EQ(::stat(path.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
  const auto loaded = load_transcript(path);
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(loaded->system, talk.system);
  ASSERT_EQ(loaded->messages.size(), 3U);
  EXPECT_EQ(loaded->messages[0].content, talk.messages[0].content);
  EXPECT_EQ(loaded->messages[1].role, "assistant");
}

TEST(Transcript, OfNothingIsEmpty) {
  const TemporaryFolder folder;
  ASSERT_TRUE(save_transcript(folder.at("a"), {}).ok());
  const auto loaded = load_transcript(folder.at("a"));
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->system, std::nullopt);
  EXPECT_TRUE(loaded->messages.empty());
}

TEST(Transcript, SaysWhatIsWrongWithAFile) {
  const TemporaryFolder folder;
  for (const auto& [text, says] :
       {std::pair("x", "JSON"),
        {"{}", "messages"},
        {R"({"messages": 7})", "messages"},
        {R"({"messages": ["x"]})", "message 1"},
        {R"({"messages": [{"role": "user", "content": 7}]})", "message 1"},
        {R"({"messages": [{"role": "user", "content": ""}, {"role": "system", "content": ""}]})",
         "message 2"},
        {R"({"messages": [{"role": "tool", "content": ""}]})", "tool"}}) {
    const auto loaded = load_transcript(folder.write("a", std::string_view(text)));
    ASSERT_FALSE(loaded.ok()) << text;
    EXPECT_NE(loaded.status().message().find(says), std::string::npos) << loaded.status().message();
  }
  EXPECT_EQ(load_transcript(folder.at("none")).status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace cairn
