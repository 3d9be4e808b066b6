#include "cli/flag_names.h"

#include <gtest/gtest.h>

#include "cli/parse.h"
#include "kv/kv_cache.h"

namespace cairn {
namespace {

TEST(FlagNames, AnOptionOfTheLibraryBecomesAFlag) {
  EXPECT_EQ(with_flags("ask for a larger `context`"), "ask for a larger --context");
  EXPECT_EQ(with_flags("a shorter context (`context` 512 fits), a smaller codec (`kv_plan` int8)"),
            "a shorter context (--context 512 fits), a smaller codec (--kv int8)");
}

TEST(FlagNames, OtherWordsStay) {
  for (const char* message :
       {"", "a larger context", "`", "``", "`contexts`", "a ` alone", "`name` is no filter"}) {
    EXPECT_EQ(with_flags(message), message);
  }
  EXPECT_EQ(with_flags("a ` alone, then `context`"), "a ` alone, then --context");
  EXPECT_EQ(with_flags("`name` and `isa`"), "`name` and --isa");
}

// A flag that the parser does not know would send people astray.
TEST(FlagNames, EachFlagIsOneOfTheProgram) {
  for (const auto& [option, value] : {std::pair("context", "64"),
                                      {"kv_plan", "int8"},
                                      {"kv_memory_bytes", "2GiB"},
                                      {"prefill_chunk", "8"},
                                      {"thread_count", "1"},
                                      {"isa", "scalar"}}) {
    const std::string flag = with_flags(std::string("`") + option + "`");
    EXPECT_EQ(flag.rfind("--", 0), 0U) << flag;
    const std::vector<std::string> arguments{"generate", "-p", "a", flag, value};
    EXPECT_TRUE(parse_command(arguments).ok()) << flag;
  }
}

TEST(FlagNames, AMessageOfTheCacheNamesTheFlagHere) {
  const Status status = KvCache::create({.context = 0}).status();
  EXPECT_NE(status.message().find("`context`"), std::string::npos) << status.message();
  EXPECT_NE(with_flags(status.message()).find("--context must be"), std::string::npos);
}

}  // namespace
}  // namespace cairn
