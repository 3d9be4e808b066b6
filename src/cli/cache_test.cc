// cairn cache on folders that a small cache filled, and on a real Redis.
#include "cli/cache.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <iterator>
#include <sstream>

#include "base/temporary_folder_testing.h"
#include "cli/cache_places.h"
#include "cli/console.h"
#include "cli/open_model.h"
#include "cli/parse.h"
#include "files/json.h"
#include "kv/tiers/block_export.h"
#include "kv/tiers/kept_blocks_testing.h"
#include "model/fingerprint.h"
#include "server/api_keys.h"
#include "store/disk_store_testing.h"
#include "store/redis_server_testing.h"

namespace cairn {
namespace {

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

using Words = std::vector<std::string>;
namespace fs = std::filesystem;

constexpr const char* kModel = CAIRN_SOURCE_DIR "/models/cairn-demo.gguf";

struct Ran {
  Result<ExitCode> code;
  std::string out;
  std::string err;

  [[nodiscard]] std::string refusal() const {
    return code.ok() ? "it was not refused" : code.status().message();
  }
};

std::string text_of(std::FILE* file) {
  std::string text(static_cast<size_t>(std::ftell(file)), '\0');
  EXPECT_EQ(std::fseek(file, 0, SEEK_SET), 0);
  EXPECT_EQ(std::fread(text.data(), 1, text.size(), file), text.size());
  std::fclose(file);
  return text;
}

// `cairn cache` with these words.
Ran run(const Words& words) {
  Words all{"cache"};
  all.insert(all.end(), words.begin(), words.end());
  const auto command = parse_command(all);
  if (!command.ok()) return {.code = command.status(), .out = {}, .err = {}};
  std::FILE* const out = std::tmpfile();
  std::FILE* const err = std::tmpfile();
  Console console(Console::Colours::kNever, fileno(out), fileno(err));
  Ran ran{.code = run_cache(std::get<CacheOptions>(*command), console), .out = {}, .err = {}};
  std::fseek(out, 0, SEEK_END);
  std::fseek(err, 0, SEEK_END);
  ran.out = text_of(out);
  ran.err = text_of(err);
  return ran;
}

bool is_done(const Ran& ran) {
  EXPECT_TRUE(ran.code.ok()) << ran.refusal();
  return ran.code.ok() && *ran.code == ExitCode::kDone;
}

std::vector<boost::json::object> lines_of(const std::string& out) {
  std::vector<boost::json::object> objects;
  std::istringstream lines(out);
  for (std::string line; std::getline(lines, line);) {
    const auto value = parse_json(line, {});
    EXPECT_TRUE(value.ok() && value->is_object()) << line;
    if (value.ok() && value->is_object()) objects.push_back(value->as_object());
  }
  return objects;
}

// What of a model's blocks says that they are the demo model's.
std::string identity_of_demo() {
  const auto plan = ModelFile::open(kModel)->plan();
  EXPECT_TRUE(plan.ok());
  return "model=" + std::string(64, 'a') + "\narithmetic=test\n" + config_text(plan->config);
}

std::vector<TokenId> demo_tokens(const std::string& text) {
  return *ModelFile::open(kModel)->tokenizer({})->encode(text, {.bos_eos = BosEos::kOfPrompt});
}

std::string long_text() {
  std::string text = "Once upon a time";
  for (int i = 0; i < 60; ++i) text += ", there was a little girl";
  return text;
}

// Two texts of nobody that begin alike, five and four blocks, three of them in both; and one of alice, two blocks.
class Cache : public ::testing::Test {
 protected:
  Cache() {
    const std::string key_hash = fmt::format("sha256:{}", to_hex(hash_of_key("key of alice")));
    keys = folder.write(
        "keys", std::string_view("alice " + key_hash + "\nbob sha256:" + std::string(64, 'b') + "\n"));
    fs::permissions(keys, fs::perms(0600));
    const auto loaded = KeyTable::load(keys);
    EXPECT_TRUE(loaded.ok());
    alice_salt = salt_of(loaded->table->tenants()[0]);
    const std::shared_ptr<DiskStore> store = open_kept(kept);
    const auto start = some_tokens(96);
    a = keep_text(store, {joined(start, some_tokens(64, 500))});
    b = keep_text(store, {joined(start, some_tokens(40, 700))});
    of_alice = keep_text(store, {some_tokens(70), alice_salt});
  }
  // One more, with other rows.
  std::vector<BlockName> keep(const KeptText& text, const std::string& identity) {
    return keep_text(std::shared_ptr(open_kept(kept)), text, identity);
  }
  uint64_t record_count() { return open_kept(kept)->counts().record_count; }
  uint64_t pinned_count() { return open_kept(kept)->counts().pinned_count; }
  bool has(const BlockName& name) { return open_kept(kept)->find(record_name_of(name)).has_value(); }
  // Whether any file of the folder has a block's name, as its record and every list of records do.
  bool holds(const BlockName& name) {
    for (const auto& file : fs::directory_iterator(kept)) {
      const auto bytes = file_content(file.path().string());
      if (!std::ranges::search(bytes, std::as_bytes(std::span(name))).empty()) return true;
    }
    return false;
  }

  TemporaryFolder folder;
  std::string kept = folder.at("kept");
  std::string keys;
  std::string alice_salt;
  std::vector<BlockName> a, b, of_alice;
};

TEST(CacheOptions, AreRead) {
  const auto command = parse_command(Words{"cache", "export", "--kv-disk", "d", "-m", "m", "-p", "text",
                                           "--tenant", "alice", "--api-keys", "k", "-o", "f", "--force"});
  ASSERT_TRUE(command.ok()) << command.status().message();
  const auto& options = std::get<CacheOptions>(*command);
  EXPECT_EQ(options.what, CacheOptions::What::kExport);
  EXPECT_EQ(options.disk, "d");
  EXPECT_EQ(options.model_path, "m");
  EXPECT_EQ(options.prompt.text, "text");
  EXPECT_EQ(options.tenant, "alice");
  EXPECT_EQ(options.api_keys, "k");
  EXPECT_EQ(options.file, "f");
  EXPECT_TRUE(options.replaces_file);
  const auto clear =
      parse_command(Words{"cache", "clear", "--kv-remote", "redis://a", "--kv-remote", "redis://b", "--owner",
                          "000102030405060708090a0b0c0d0eff", "--all", "--yes"});
  ASSERT_TRUE(clear.ok()) << clear.status().message();
  EXPECT_EQ(std::get<CacheOptions>(*clear).remote.size(), 2U);
  EXPECT_EQ(std::get<CacheOptions>(*clear).owner->back(), std::byte{0xFF});
}

TEST(CacheOptions, ThatMakeNoSenseAreRefused) {
  EXPECT_SAYS(run({}).refusal(), "cairn cache --help");
  EXPECT_SAYS(run({"lst"}).refusal(), "did you mean list?");
  EXPECT_SAYS(run({"list"}).refusal(), "--kv-disk DIR");
  EXPECT_SAYS(run({"stats"}).refusal(), "--kv-disk DIR or --kv-remote URL");
  EXPECT_SAYS(run({"list", "--kv-remote", "redis://a"}).refusal(), "no option '--kv-remote'");
  EXPECT_SAYS(run({"export", "--kv-disk", "d"}).refusal(), "-o FILE");
  EXPECT_SAYS(run({"import", "--kv-disk", "d"}).refusal(), "the file to read");
  EXPECT_SAYS(run({"clear", "--kv-disk", "d", "--owner", "12"}).refusal(), "32 hexadecimal digits");
  EXPECT_SAYS(run({"clear", "--kv-disk", "d"}).refusal(), "one of --tenant");
  EXPECT_SAYS(run({"clear", "--kv-disk", "d", "--all", "--name", "0123456789ab"}).refusal(),
              "one of --tenant");
  EXPECT_SAYS(run({"clear", "--kv-remote", "redis://a", "--name", "0123456789ab"}).refusal(),
              "--name goes with");
  EXPECT_SAYS(run({"clear", "--kv-disk", "d", "--kv-remote", "redis://a", "--all"}).refusal(),
              "one at a time");
  EXPECT_SAYS(run({"stats", "--kv-disk", "d", "--kv-remote", "redis://a"}).refusal(), "one at a time");
  EXPECT_SAYS(run({"clear", "--kv-disk", "d", "--tenant", "alice"}).refusal(), "--api-keys FILE");
}

TEST(CacheFolder, IsNotMadeByLooking) {
  const TemporaryFolder folder;
  const std::string absent = folder.at("absent");
  const std::string file = folder.write("file", std::string_view("text"));
  for (const Words& words : {Words{"list"},
                             {"stats"},
                             {"verify"},
                             {"export", "--name", "0123456789ab", "-o", folder.at("o")},
                             {"pin", "--name", "0123456789ab"},
                             {"unpin", "--name", "0123456789ab"},
                             {"clear", "--all", "--yes"}}) {
    const auto at = [&](const std::string& path) {
      Words all = words;
      all.insert(all.end(), {"--kv-disk", path});
      return run(all);
    };
    EXPECT_SAYS(at(absent).refusal(), "there is no folder " + absent);
    EXPECT_SAYS(at(file).refusal(), "is no folder");
    EXPECT_SAYS(at(folder.path()).refusal(), "has no blocks of the cache");
  }
  EXPECT_FALSE(fs::exists(absent));
  EXPECT_FALSE(fs::exists(folder.at("lock")));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()), 1);
}

TEST_F(Cache, AFolderInUseIsLeftAlone) {
  const auto store = open_kept(kept);
  EXPECT_SAYS(run({"list", "--kv-disk", kept}).refusal(), "another process uses this disk cache");
}

TEST_F(Cache, ListShowsEachText) {
  const Ran ran = run({"list", "--kv-disk", kept + "/"});
  ASSERT_TRUE(is_done(ran));
  EXPECT_SAYS(ran.err, "3 texts of 8 blocks");
  for (const auto& name : {a.back(), b.back(), of_alice.back()})
    EXPECT_SAYS(ran.out, to_hex(name).substr(0, 12));
  EXPECT_SAYS(ran.out, "0,1,2,3,4,5,6,7,...");
  const auto objects = lines_of(run({"list", "--kv-disk", kept, "--json", "--api-keys", keys}).out);
  ASSERT_EQ(objects.size(), 3U);
  for (const auto& object : objects) {
    if (object.at("name").as_string() != to_hex(a.back())) continue;
    EXPECT_EQ(object.at("tokens").as_int64(), 160);
    EXPECT_EQ(object.at("blocks").as_int64(), 5);
    EXPECT_EQ(object.at("kv").as_string(), "f16");
    EXPECT_EQ(object.at("model").as_string(), "a");
    EXPECT_EQ(object.at("created_ms").as_int64(), 1000);
    EXPECT_EQ(object.at("first_tokens").as_array().size(), 32U);
    EXPECT_TRUE(object.at("text").is_null());
    EXPECT_TRUE(object.at("owner").is_null());
    EXPECT_FALSE(object.at("pinned").as_bool());
  }
}

TEST_F(Cache, ListKnowsTenants) {
  const auto objects =
      lines_of(run({"list", "--kv-disk", kept, "--json", "--tenant", "alice", "--api-keys", keys}).out);
  ASSERT_EQ(objects.size(), 1U);
  EXPECT_EQ(objects[0].at("name").as_string(), to_hex(of_alice.back()));
  EXPECT_EQ(objects[0].at("tenant").as_string(), "alice");
  EXPECT_EQ(objects[0].at("owner").as_string(), owner_digits(owner_tag_of(alice_salt)));
  EXPECT_EQ(
      lines_of(
          run({"list", "--kv-disk", kept, "--json", "--owner", owner_digits(owner_tag_of(alice_salt))}).out)
          .size(),
      1U);
  EXPECT_EQ(run({"list", "--kv-disk", kept, "--json", "--tenant", "bob", "--api-keys", keys}).out, "");
  EXPECT_SAYS(run({"list", "--kv-disk", kept, "--tenant", "carol", "--api-keys", keys}).refusal(),
              "no key of a tenant carol");
}

TEST_F(Cache, ListShowsTheTextWhereTheModelIsTheOneThatComputedIt) {
  keep({demo_tokens(long_text())}, identity_of_demo());
  const Ran ran = run({"list", "--kv-disk", kept, "-m", kModel});
  ASSERT_TRUE(is_done(ran));
  EXPECT_SAYS(ran.out, "Once upon a time, there was a little girl");
  EXPECT_SAYS(ran.out, "0,1,2,3,4,5,6,7,...");  // of another model
}

TEST_F(Cache, StatsCountByOwnerAndByModel) {
  keep({some_tokens(40)}, "model=b");
  const auto objects = lines_of(run({"stats", "--kv-disk", kept, "--json", "--api-keys", keys}).out);
  ASSERT_EQ(objects.size(), 1U);
  EXPECT_EQ(objects[0].at("blocks").as_int64(), 9);
  EXPECT_EQ(objects[0].at("pinned").as_int64(), 0);
  EXPECT_EQ(objects[0].at("bad_blocks").as_int64(), 0);
  EXPECT_GT(objects[0].at("file_bytes").as_int64(), objects[0].at("bytes").as_int64());
  const auto& owners = objects[0].at("by_owner").as_array();
  ASSERT_EQ(owners.size(), 2U);
  EXPECT_TRUE(owners[0].at("owner").is_null());
  EXPECT_EQ(owners[0].at("blocks").as_int64(), 7);
  EXPECT_EQ(owners[1].at("tenant").as_string(), "alice");
  EXPECT_EQ(owners[1].at("blocks").as_int64(), 2);
  const auto& models = objects[0].at("by_model").as_array();
  ASSERT_EQ(models.size(), 2U);
  EXPECT_EQ(models[0].at("blocks").as_int64() + models[1].at("blocks").as_int64(), 9);
  const Ran ran = run({"stats", "--kv-disk", kept, "--api-keys", keys});
  ASSERT_TRUE(is_done(ran));
  EXPECT_SAYS(ran.out, "alice");
  EXPECT_SAYS(ran.out, "nobody");
}

TEST_F(Cache, VerifyFindsDamageAndErasesIt) {
  const Ran good = run({"verify", "--kv-disk", kept});
  EXPECT_TRUE(is_done(good));
  EXPECT_EQ(good.out, "8 blocks checked: all good\n");
  const std::string path = segment_path(kept, 1);
  std::vector<std::byte> bytes = file_content(path);
  bytes[kSegmentHeaderBytes + kRecordAlignment] ^= std::byte{1};  // of the first record's first slice
  write_file(path, bytes);
  const Ran bad = run({"verify", "--kv-disk", kept});
  ASSERT_TRUE(bad.code.ok());
  EXPECT_EQ(*bad.code, ExitCode::kFailed);
  EXPECT_EQ(bad.out, "8 blocks checked: 1 block bad\n");
  EXPECT_EQ(run({"verify", "--kv-disk", kept}).out, "7 blocks checked: all good\n");
}

TEST_F(Cache, ListNamesDamage) {
  const std::string path = segment_path(kept, 1);
  std::vector<std::byte> bytes = file_content(path);
  bytes[kSegmentHeaderBytes + 40] ^= std::byte{1};  // of the first record's front
  write_file(path, bytes);
  EXPECT_SAYS(run({"list", "--kv-disk", kept}).err, "1 record is damaged; cairn cache verify --kv-disk");
}

TEST_F(Cache, ClearErasesATenantsBlocks) {
  const Ran ran = run({"clear", "--kv-disk", kept, "--tenant", "alice", "--api-keys", keys});
  EXPECT_TRUE(is_done(ran));
  EXPECT_EQ(ran.out, "erased 2 blocks\n");
  EXPECT_EQ(record_count(), 6U);
  EXPECT_FALSE(holds(of_alice[0]) || holds(of_alice[1]));
  EXPECT_TRUE(holds(a[0]));
  EXPECT_EQ(run({"clear", "--kv-disk", kept, "--owner", owner_digits(owner_tag_of(alice_salt))}).out,
            "erased 0 blocks\n");
}

TEST_F(Cache, ClearOfATextLeavesWhatOthersHaveToo) {
  const Ran ran = run({"clear", "--kv-disk", kept, "--name", to_hex(a.back()).substr(0, 12)});
  EXPECT_TRUE(is_done(ran));
  EXPECT_EQ(ran.out, "erased 2 blocks; 3 blocks at its beginning stay, which other texts have too\n");
  EXPECT_FALSE(holds(a[3]) || holds(a[4]));
  EXPECT_TRUE(has(a[0]) && has(b[3]));
  EXPECT_EQ(run({"clear", "--kv-disk", kept, "--name", to_hex(b.back())}).out, "erased 4 blocks\n");
  EXPECT_EQ(record_count(), 2U);
}

TEST_F(Cache, ClearOfAllIsAskedForTwice) {
  EXPECT_SAYS(run({"clear", "--kv-disk", kept, "--all"}).refusal(), "say --yes too");
  EXPECT_EQ(record_count(), 8U);
  EXPECT_EQ(run({"clear", "--kv-disk", kept, "--all", "--yes"}).out, "erased 8 blocks\n");
  for (const auto& name : {a[0], b[3], of_alice[1]}) EXPECT_FALSE(holds(name));
  EXPECT_SAYS(run({"list", "--kv-disk", kept}).err, "0 texts of 0 blocks");
}

TEST_F(Cache, PinsATextAndLetsItGo) {
  EXPECT_EQ(run({"pin", "--kv-disk", kept, "--name", to_hex(a.back())}).out, "pinned 5 blocks\n");
  EXPECT_EQ(pinned_count(), 5U);
  EXPECT_EQ(run({"pin", "--kv-disk", kept, "--name", to_hex(b.back())}).out, "pinned 4 blocks\n");
  EXPECT_EQ(pinned_count(), 6U);
  EXPECT_SAYS(run({"list", "--kv-disk", kept}).out, "yes");
  EXPECT_EQ(run({"unpin", "--kv-disk", kept, "--name", to_hex(b.back())}).out,
            "unpinned 1 block; 3 blocks stay pinned for another text\n");
  EXPECT_EQ(run({"unpin", "--kv-disk", kept, "--name", to_hex(a.back())}).out, "unpinned 5 blocks\n");
  EXPECT_EQ(pinned_count(), 0U);
  EXPECT_SAYS(run({"pin", "--kv-disk", kept, "--name", std::string(64, '0')}).refusal(),
              "no block that is kept");
  EXPECT_SAYS(run({"pin", "--kv-disk", kept}).refusal(), "say which text");
}

TEST_F(Cache, APromptNamesWhatIsKeptOfIt) {
  const auto names = keep({demo_tokens(long_text())}, identity_of_demo());
  keep({demo_tokens(long_text()), "salt"}, identity_of_demo());
  const Words prompt{"--kv-disk", kept, "-m", kModel, "-p", long_text() + ", and she went home"};
  const auto with = [&](Words words) {
    words.insert(words.end(), prompt.begin(), prompt.end());
    return run(words);
  };
  const std::string count = std::to_string(names.size());
  EXPECT_EQ(with({"pin"}).out, "pinned " + count + " blocks\npinned " + count + " blocks\n");
  EXPECT_EQ(with({"unpin"}).out, "unpinned " + count + " blocks\nunpinned " + count + " blocks\n");
  EXPECT_EQ(with({"pin", "--owner", owner_digits(owner_tag_of("salt"))}).out,
            "pinned " + count + " blocks\n");
  EXPECT_SAYS(run({"pin", "--kv-disk", kept, "-m", kModel, "-p", "Never"}).refusal(), "a block has 32");
}

TEST_F(Cache, ExportAndImportBringATextToAnotherFolder) {
  const auto names = keep({demo_tokens(long_text())}, identity_of_demo());
  const std::string file = folder.at("text.cairnkv");
  const Words prompt{"export", "--kv-disk", kept, "-m", kModel, "-p", long_text(), "-o", file};
  const Ran ran = run(prompt);
  ASSERT_TRUE(is_done(ran));
  EXPECT_SAYS(ran.out, file + ": " + std::to_string(names.size()) + " blocks for " +
                           std::to_string(32 * names.size()) + " tokens");
  EXPECT_EQ(fs::status(file).permissions(), fs::perms(0600));
  EXPECT_SAYS(run(prompt).refusal(), "exists already");
  Words again = prompt;
  again.emplace_back("--force");
  EXPECT_TRUE(is_done(run(again)));

  const std::string other = folder.at("other/kept");
  const Ran taken = run({"import", "--kv-disk", other, file});
  ASSERT_TRUE(is_done(taken));
  EXPECT_EQ(taken.out, file + ": " + std::to_string(names.size()) + " blocks\n");
  EXPECT_EQ(fs::status(other).permissions(), fs::perms(0700));
  const auto store = open_kept(other);
  for (const BlockName& name : names) EXPECT_TRUE(store->find(record_name_of(name)));
}

TEST_F(Cache, ImportTakesNothingBehindDamage) {
  const std::string file = folder.at("text.cairnkv");
  ASSERT_TRUE(is_done(run({"export", "--kv-disk", kept, "--name", to_hex(a.back()), "-o", file})));
  std::vector<std::byte> bytes = file_content(file);
  size_t at = bytes.size() / 2;
  while (bytes[at] == std::byte{0}) ++at;  // what fills up between slices is nobody's
  bytes[at] ^= std::byte{1};
  write_file(file, bytes);
  const std::string other = folder.at("other");
  const Ran ran = run({"import", "--kv-disk", other, file});
  EXPECT_EQ(ran.code.status().code(), StatusCode::kInvalidData);
  EXPECT_SAYS(ran.refusal(), file + ": ");
  EXPECT_SAYS(ran.err, "2 blocks were taken of 5");
  EXPECT_EQ(open_kept(other)->counts().record_count, 2U);
}

TEST_F(Cache, ImportOfSomethingElseMakesNoFolder) {
  const std::string other = folder.at("other");
  EXPECT_SAYS(run({"import", "--kv-disk", other, keys}).refusal(),
              keys + ": this is no file of exported blocks");
  EXPECT_SAYS(run({"import", "--kv-disk", other, folder.at("none")}).refusal(), "there is no file");
  EXPECT_FALSE(fs::exists(other));
}

TEST(CacheAges, AreRead) {
  EXPECT_EQ(age_text(1000, 1000), "0 s");
  EXPECT_EQ(age_text(2000, 1000), "0 s");  // a clock that went back
  EXPECT_EQ(age_text(0, 119'000), "119 s");
  EXPECT_EQ(age_text(0, 120'000), "2 min");
  EXPECT_EQ(age_text(0, 7'200'000), "2 h");
  EXPECT_EQ(age_text(0, 172'800'000), "2 d");
}

TEST(CacheRemote, IsAskedAndErasedByOwner) {
  CAIRN_NEEDS_REDIS();
  const RedisServer server;
  const OwnerTag owner = owner_tag_of("salt");
  const std::string tag(reinterpret_cast<const char*>(owner.data()), owner.size());
  const auto store = RedisStore::create({.urls = {server.url()}}).value();
  const std::vector<std::byte> bytes(100);
  const std::vector<std::string> names{tag + "one", tag + "two", std::string(16, '\0') + "three"};
  std::vector<RedisItem> items;
  for (const std::string& name : names) items.push_back({name, bytes});
  ASSERT_EQ(store->set(items).done, 3U);

  const Ran stats = run({"stats", "--kv-remote", server.url()});
  EXPECT_TRUE(is_done(stats));
  EXPECT_SAYS(stats.out, "reachable");
  const auto objects = lines_of(run({"stats", "--kv-remote", server.url(), "--json"}).out);
  ASSERT_EQ(objects.size(), 1U);
  EXPECT_TRUE(objects[0].at("reachable").as_bool());
  EXPECT_EQ(objects[0].at("nodes").as_array().size(), 1U);

  EXPECT_EQ(run({"clear", "--kv-remote", server.url(), "--owner", owner_digits(owner)}).out,
            "erased 2 blocks\n");
  EXPECT_SAYS(run({"clear", "--kv-remote", server.url(), "--all"}).refusal(), "say --yes too");
  EXPECT_EQ(run({"clear", "--kv-remote", server.url(), "--all", "--yes"}).out, "erased 1 block\n");
}

TEST(CacheRemote, ThatIsNotThereFails) {
  const Ran ran = run({"stats", "--kv-remote", "redis://127.0.0.1:1"});
  ASSERT_TRUE(ran.code.ok()) << ran.refusal();
  EXPECT_EQ(*ran.code, ExitCode::kFailed);
  EXPECT_SAYS(ran.out, "no: ");
  EXPECT_FALSE(run({"clear", "--kv-remote", "redis://127.0.0.1:1", "--all", "--yes"}).code.ok());
}

}  // namespace
}  // namespace cairn
