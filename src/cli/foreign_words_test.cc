#include "cli/foreign_words.h"

#include <gtest/gtest.h>

#include "cli/option_values.h"
#include "cli/parse.h"

namespace cairn {
namespace {

TEST(ForeignWords, FormatsOfTheSameMeaningAreRead) {
  EXPECT_EQ(read_kv_plan("fp16")->text(), "f16");
  EXPECT_EQ(read_kv_plan("float32")->text(), "f32");
  EXPECT_EQ(read_kv_plan("BF16")->text(), "bf16");
  EXPECT_EQ(read_kv_plan("k=fp16,v=int8")->text(), "k=f16,v=int8");
  EXPECT_EQ(read_kv_plan("layers 0-3: half; rest: int8")->text(),
            read_kv_plan("layers 0-3: f16; rest: int8")->text());
}

TEST(ForeignWords, OtherFormatsAreNotGuessedButNamed) {
  for (const auto& [text, part] : {std::pair("q8_0", "q8_0: the nearest is int8"),
                                   {"k=q4_0,v=f16", "q4_0: the nearest is int4"},
                                   {"Q8_0", "the nearest is int8"}}) {
    const Status status = read_kv_plan(text).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find(part), std::string::npos) << status.message();
  }
  EXPECT_EQ(read_kv_plan("int5").status().message().find("nearest"), std::string::npos);
}

TEST(ForeignWords, WhatIsHintedAtIsRead) {
  for (const char* plan : {"k=int8,v=int8", "int8", "int4", "int3", "int2"}) {
    EXPECT_TRUE(read_kv_plan(plan).ok()) << plan;
  }
}

// A hint at an option that this program has would never be seen.
TEST(ForeignWords, NoneIsAnOptionHere) {
  for (const char* word : {"-ngl", "--cache-type-k", "-b", "--flash-attn", "--mlock", "-r", "-cnv"}) {
    const auto hint = hint_for_option(word);
    ASSERT_TRUE(hint.has_value()) << word;
    const std::vector<std::string> arguments{"generate", "-p", "x", word, "1"};
    const auto parsed = parse_command(arguments);
    ASSERT_FALSE(parsed.ok()) << word;
    EXPECT_NE(parsed.status().message().find(*hint), std::string::npos) << parsed.status().message();
  }
}

}  // namespace
}  // namespace cairn
