#include "server/api_keys.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <set>

#include "base/temporary_folder_testing.h"

namespace cairn {
namespace {

#define EXPECT_SAYS(text, part) EXPECT_NE((text).find(part), std::string::npos) << (text)

std::string hash_text(std::string_view key) { return "sha256:" + to_hex(hash_of_key(key)); }

KeyTable parsed(const std::string& text) {
  auto table = KeyTable::parse(text, "keys");
  EXPECT_TRUE(table.ok()) << table.status().message();
  return table.ok() ? *table : KeyTable();
}

std::string refusal(const std::string& text) {
  const auto table = KeyTable::parse(text, "keys");
  EXPECT_FALSE(table.ok()) << "accepted: " << text;
  if (!table.ok()) {
    EXPECT_EQ(table.status().code(), StatusCode::kInvalidData);
  }
  return table.status().message();
}

TEST(ApiKeys, ReadsALineWithAllThatItMaySay) {
  const KeyTable table =
      parsed("# who may\n\n  alice " + hash_text("secret") +
             "\tweight=2 kv=2GiB requests=60/min tokens=5/s concurrent=8 metrics=yes # hers\r\n");
  ASSERT_EQ(table.tenants().size(), 1U);
  const TenantConfig& alice = table.tenants()[0];
  EXPECT_EQ(alice.name, "alice");
  EXPECT_EQ(alice.key_hash, hash_of_key("secret"));
  EXPECT_EQ(alice.weight, 2);
  EXPECT_EQ(alice.kv_quota_bytes, uint64_t{2} << 30);
  EXPECT_EQ(alice.requests, (Rate{60, 60}));
  EXPECT_EQ(alice.tokens, (Rate{5, 1}));
  EXPECT_EQ(alice.concurrent, 8);
  EXPECT_EQ(alice.metrics, MetricsAccess::kAll);
}

TEST(ApiKeys, ALineThatIsWrittenIsReadAgain) {
  const TenantConfig plain{.name = "a.b_c-D9", .key_hash = hash_of_key("k")};
  EXPECT_EQ(key_line(plain), "a.b_c-D9 " + hash_text("k"));
  TenantConfig full = plain;
  full.weight = 1000;
  full.kv_quota_bytes = 12345;
  full.requests = Rate{kMostOfARate, 86400};
  full.tokens = Rate{1, 3600};
  full.concurrent = 1;
  full.metrics = MetricsAccess::kAll;
  for (const TenantConfig& config : {plain, full}) {
    const KeyTable table = parsed(key_line(config));
    ASSERT_EQ(table.tenants().size(), 1U);
    EXPECT_EQ(table.tenants()[0], config);
  }
}

TEST(ApiKeys, FindsAKeyAndNothingElse) {
  const KeyTable table = parsed("a " + hash_text("one") + "\nb " + hash_text("two"));
  EXPECT_EQ(table.find("one")->name, "a");
  EXPECT_EQ(table.find("two")->name, "b");
  const std::string huge(1 << 20, 'x');
  for (const std::string& key :
       {std::string(), std::string("One"), std::string("one "), std::string("on"), hash_text("one"), huge}) {
    EXPECT_EQ(table.find(key), nullptr) << key.substr(0, 80);
  }
  EXPECT_EQ(KeyTable().find(""), nullptr);
}

TEST(ApiKeys, SaysWhichLineIsWrongAndWhatToWrite) {
  const std::string good = "a " + hash_text("one");
  EXPECT_SAYS(refusal(good + "\nb"), "keys:2: behind the name stands sha256:");
  EXPECT_SAYS(refusal("b ck_secret"), "no key itself is kept here");
  EXPECT_SAYS(refusal("b sha256:12"), "64 hexadecimal digits");
  EXPECT_SAYS(refusal("b sha256:" + std::string(64, 'g')), "64 hexadecimal digits");
  EXPECT_SAYS(refusal("b sha256:" + std::string(62, '0') + "-1"), "64 hexadecimal digits");
  EXPECT_SAYS(refusal("b/c " + hash_text("x")), "keys:1: that is no name");
  EXPECT_SAYS(refusal("anonymous " + hash_text("x")), "the metrics mean somebody else by 'anonymous'");
  EXPECT_SAYS(refusal("other " + hash_text("x")), "the metrics mean somebody else by 'other'");
  EXPECT_SAYS(refusal(std::string(65, 'n') + " " + hash_text("x")), "is no name");
  EXPECT_SAYS(refusal(good + "\n\na " + hash_text("two")), "keys:3: the name is there already");
  EXPECT_SAYS(refusal(good + "\nb " + hash_text("one")), "keys:2: this key has another name already");
  EXPECT_SAYS(refusal(good + " weight=0"), "weight=2, a number from 1 to 1000");
  EXPECT_SAYS(refusal(good + " weight"), "'weight' is not understood");
  EXPECT_SAYS(refusal(good + " kv=0"), "kv=2GiB");
  EXPECT_SAYS(refusal(good + " kv=-1"), "kv=2GiB");
  EXPECT_SAYS(refusal(good + " requests=60"), "requests=600/min");
  EXPECT_SAYS(refusal(good + " tokens=9/week"), "tokens=600/min");
  EXPECT_SAYS(refusal(good + " tokens=99999999999999999999/s"), "tokens=600/min");
  EXPECT_SAYS(refusal(good + " concurrent=x"), "concurrent=8");
  EXPECT_SAYS(refusal(good + " metrics=on"), "metrics=yes");
  EXPECT_SAYS(refusal(good + " wieght=2"), "weight=, kv=, requests=");
  EXPECT_SAYS(refusal(good + " weight=2 weight=3"), "given twice");
}

TEST(ApiKeys, NeverRepeatsASecretInAMessage) {
  // A key where its hash belongs is the likeliest slip; but it may stand anywhere, and be as short as its owner likes.
  const std::string name = "bob ", hash = hash_text("x"), ours = "ck_" + std::string(43, 's'),
                    other = "ssss/ssss";
  for (const std::string& key : {ours, other, std::string("ssss")}) {
    for (const std::string& text :
         {name + key + " weight=2", other + " " + hash, ours + " " + hash, ours, name + hash + " " + key,
          name + hash + " " + key + "=2", name + hash + " " + key + " " + key, name + hash + " kv=" + key,
          name + hash + " kv=1 kv=" + key, key + "/ " + hash, "ssss " + hash + "\nssss " + hash_text("y")}) {
      const std::string message = refusal(text);
      EXPECT_EQ(message.find("ssss"), std::string::npos) << message;
    }
  }
}

TEST(ApiKeys, TakesHostileTextsForWhatTheyAre) {
  EXPECT_SAYS(refusal(std::string("\0\x1b[31m x", 8)), "is no name");
  EXPECT_SAYS(refusal(std::string(1 << 20, 'a')), "is no name");
  EXPECT_EQ(parsed("\xef\xbb\xbf# only a comment").tenants().size(), 0U);
  EXPECT_EQ(parsed(std::string(1 << 20, '\n')).tenants().size(), 0U);
  std::string many;
  for (size_t i = 0; i <= KeyTable::kMostKeys; ++i) {
    many += "n" + std::to_string(i) + " " + hash_text(std::to_string(i)) + "\n";
  }
  EXPECT_SAYS(refusal(many), "keys:10001: there are more than 10000 keys");
}

TEST(ApiKeys, LoadsAFileAndWarnsWhereOthersCanReadIt) {
  const TemporaryFolder folder;
  const std::string path = folder.write("keys", "a " + hash_text("one") + "\n");
  const auto notes_at = [&](mode_t mode) {
    EXPECT_EQ(::chmod(path.c_str(), mode), 0);
    const auto loaded = KeyTable::load(path);
    EXPECT_TRUE(loaded.ok()) << loaded.status().message();
    EXPECT_EQ(loaded->table->tenants().size(), 1U);
    return loaded->notes;
  };
  EXPECT_TRUE(notes_at(0600).empty());
  EXPECT_TRUE(notes_at(0400).empty());
  EXPECT_TRUE(notes_at(0640).empty());
  for (const mode_t mode : {0644, 0660, 0620, 0606, 0666}) {
    ASSERT_EQ(notes_at(mode).size(), 1U);
    EXPECT_SAYS(notes_at(mode)[0], "chmod 600");
  }
}

TEST(ApiKeys, RefusesFilesThatAreNone) {
  const TemporaryFolder folder;
  EXPECT_EQ(KeyTable::load(folder.at("none")).status().code(), StatusCode::kNotFound);
  EXPECT_EQ(KeyTable::load(folder.path()).status().code(), StatusCode::kInvalidArgument);
  EXPECT_SAYS(KeyTable::load(folder.write("empty", "# none\n")).status().message(), "has no key");
  const std::string huge(KeyTable::kMostFileBytes + 1, '#');
  EXPECT_EQ(KeyTable::load(folder.write("huge", huge)).status().code(), StatusCode::kInvalidData);
}

TEST(ApiKeys, ANewKeyIsLongAndOnlyOnce) {
  std::set<std::string> keys;
  std::set<char> letters;
  for (int i = 0; i < 100; ++i) {
    const auto key = make_key();
    ASSERT_TRUE(key.ok());
    EXPECT_EQ(key->size(), 46U);
    EXPECT_TRUE(key->starts_with("ck_"));
    EXPECT_EQ(key->find_first_not_of("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 3),
              std::string::npos);
    letters.insert(key->begin() + 3, key->end());
    keys.insert(*key);
  }
  EXPECT_EQ(keys.size(), 100U);
  EXPECT_EQ(letters.size(), 62U);
}

TEST(ApiKeys, QuotasThatFitNothingAreNamed) {
  const KeyTable table = parsed("a " + hash_text("one") + " kv=1023\nb " + hash_text("two") + " kv=1024\nc " +
                                hash_text("three") + "\n");
  const auto notes = small_quota_notes(table, 1024);
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_SAYS(notes[0], "'a' is kv=1023");
  EXPECT_SAYS(notes[0], "takes 1024 bytes");
}

TEST(ApiKeys, SaltsAreOfTheNameAndTheKey) {
  const TenantConfig one{.name = "a", .key_hash = hash_of_key("k")};
  TenantConfig same = one;
  same.weight = 7;
  EXPECT_EQ(salt_of(one), salt_of(same));
  EXPECT_NE(salt_of(one), salt_of({.name = "b", .key_hash = one.key_hash}));
  EXPECT_NE(salt_of(one), salt_of({.name = "a", .key_hash = hash_of_key("l")}));
  EXPECT_EQ(salt_of(one).find(to_hex(one.key_hash)), std::string::npos);
  // Blocks on a disk are found by it: it must not change between versions.
  EXPECT_EQ(salt_of(one), "78b0f4def7ee7c5be6d920bb254c6bd973c03265825983aad38e99199f21fbf4");
}

}  // namespace
}  // namespace cairn
