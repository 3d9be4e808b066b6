#include "cli/chat_settings.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

Status accept(const SamplingOptions&) { return {}; }
Status refuse(const SamplingOptions&) { return invalid_argument("no"); }

TEST(ChatSettings, ChangeByName) {
  ChatSettings settings;
  for (const char* text : {"temp 0.25", "top-k=7", "top-p  = 0.5", "seed 18446744073709551615",
                           "max-tokens 3", "when-full stop", "statistics off"}) {
    EXPECT_TRUE(change_setting(text, accept, settings).ok()) << text;
  }
  EXPECT_EQ(settings.sampling.temperature, 0.25);
  EXPECT_EQ(settings.sampling.top_k, 7);
  EXPECT_EQ(settings.sampling.top_p, 0.5);
  EXPECT_EQ(settings.sampling.seed, UINT64_MAX);
  EXPECT_EQ(settings.max_tokens, 3);
  EXPECT_EQ(settings.when_full, WhenFull::kStop);
  EXPECT_FALSE(settings.shows_statistics);
  EXPECT_TRUE(change_setting("max-tokens none", accept, settings).ok());
  EXPECT_EQ(settings.max_tokens, std::nullopt);
}

TEST(ChatSettings, KeepWhatTheyWereAfterAMistake) {
  ChatSettings settings;
  for (const auto& [text, says] : {std::pair("tmep 1", "did you mean temp?"),
                                   {"temp", "temp is 0.8"},
                                   {"temp hot", "no number"},
                                   {"temp 1x", "no number"},
                                   {"max-tokens 0", "at least one"},
                                   {"when-full later", "drop"},
                                   {"statistics perhaps", "neither"},
                                   {"", "no setting"}}) {
    const Status status = change_setting(text, accept, settings);
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << text;
    EXPECT_NE(status.message().find(says), std::string::npos) << status.message();
  }
  EXPECT_FALSE(change_setting("temp 0.1", refuse, settings).ok());
  EXPECT_EQ(describe_settings(settings), describe_settings(ChatSettings()));
}

}  // namespace
}  // namespace cairn
