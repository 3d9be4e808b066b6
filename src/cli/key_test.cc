#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

#include "base/temporary_folder_testing.h"
#include "base/text_file.h"
#include "cli/keys_file.h"
#include "cli/parse.h"

namespace cairn {
namespace {

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

using Words = std::vector<std::string>;

TenantConfig config(const std::string& name) {
  return {.name = name, .key_hash = hash_of_key("key of " + name)};
}

std::string text_of(const std::string& path) { return read_text_file(path, 1 << 20)->text; }

TEST(Key, ReadsItsOptions) {
  const auto command =
      parse_command(Words{"key", "new", "alice", "--file", "k", "--weight", "2", "--kv", "2GiB", "--requests",
                          "60/min", "--tokens", "5/s", "--concurrent", "8", "--metrics"});
  ASSERT_TRUE(command.ok()) << command.status().message();
  const auto& options = std::get<KeyOptions>(*command);
  EXPECT_EQ(options.what, KeyOptions::What::kNew);
  EXPECT_EQ(options.file, "k");
  TenantConfig hashed = options.tenant;
  hashed.key_hash = hash_of_key("x");
  EXPECT_EQ(key_line(hashed).substr(78),
            "weight=2 kv=2147483648 requests=60/min tokens=5/s concurrent=8 metrics=yes");
  const auto list = parse_command(Words{"key", "list", "k"});
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(std::get<KeyOptions>(*list).what, KeyOptions::What::kList);
  EXPECT_EQ(std::get<KeyOptions>(*list).file, "k");
}

TEST(Key, RefusesWhatMakesNoSense) {
  const auto refusal = [](const Words& words) {
    const auto command = parse_command(words);
    EXPECT_FALSE(command.ok());
    return command.status().message();
  };
  EXPECT_SAYS(refusal({"key"}), "cairn key new NAME");
  EXPECT_SAYS(refusal({"key", "nwe"}), "did you mean new?");
  EXPECT_SAYS(refusal({"key", "new"}), "needs a name");
  EXPECT_SAYS(refusal({"key", "new", "a b"}), "is no name");
  EXPECT_SAYS(refusal({"key", "new", "a", "--weight", "0"}), "from 1 to 1000");
  EXPECT_SAYS(refusal({"key", "new", "a", "--requests", "60"}), "--requests 600/min");
  EXPECT_SAYS(refusal({"key", "new", "a", "b"}), "expects no argument 'b'");
  EXPECT_SAYS(refusal({"key", "list"}), "name of the keys file");
}

TEST(KeysFile, IsMadeForItsOwnerAlone) {
  const TemporaryFolder folder;
  const std::string path = folder.at("keys");
  const auto notes = add_key_line(path, config("a"));
  ASSERT_TRUE(notes.ok()) << notes.status().message();
  EXPECT_TRUE(notes->empty());
  EXPECT_EQ(text_of(path), key_line(config("a")) + "\n");
  EXPECT_EQ(read_text_file(path, 1 << 20)->mode, 0600U);
}

TEST(KeysFile, KeepsWhatIsThere) {
  const TemporaryFolder folder;
  const std::string path = folder.write("keys", "# ours\n" + key_line(config("a")));  // without a line end
  ASSERT_EQ(::chmod(path.c_str(), 0644), 0);
  const auto notes = add_key_line(path, config("b"));
  ASSERT_TRUE(notes.ok()) << notes.status().message();
  EXPECT_EQ(notes->size(), 1U);
  EXPECT_EQ(text_of(path), "# ours\n" + key_line(config("a")) + "\n" + key_line(config("b")) + "\n");
  EXPECT_EQ(read_text_file(path, 1 << 20)->mode, 0644U);
}

TEST(KeysFile, RefusesASecondOfANameOrAKeyAndWrongFiles) {
  const TemporaryFolder folder;
  const std::string path = folder.at("keys");
  ASSERT_TRUE(add_key_line(path, config("a")).ok());
  const std::string before = text_of(path);
  EXPECT_SAYS(add_key_line(path, config("a")).status().message(), "has a key for a already");
  TenantConfig same = config("a");
  same.name = "b";
  EXPECT_SAYS(add_key_line(path, same).status().message(), "this key has another name already");
  EXPECT_EQ(text_of(path), before);

  const std::string broken = folder.write("broken", "what is this\n");
  EXPECT_EQ(add_key_line(broken, config("a")).status().code(), StatusCode::kInvalidData);
  EXPECT_EQ(text_of(broken), "what is this\n");
  EXPECT_FALSE(add_key_line(folder.path(), config("a")).ok());
  EXPECT_FALSE(add_key_line("/dev/null", config("a")).ok());
  EXPECT_FALSE(add_key_line(folder.at("no/such/folder"), config("a")).ok());
}

TEST(KeysFile, ManyAtOnceLoseNothing) {
  const TemporaryFolder folder;
  const std::string path = folder.at("keys");
  std::vector<std::thread> threads;
  threads.reserve(8);
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&path, i] {
      for (int n = 0; n < 5; ++n) {
        EXPECT_TRUE(add_key_line(path, config("t" + std::to_string(i) + "-" + std::to_string(n))).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(KeyTable::load(path)->table->tenants().size(), 40U);
}

}  // namespace
}  // namespace cairn
