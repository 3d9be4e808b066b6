// The disk store in a process that is killed, and in two processes. The other process is a fork that uses its store and is
// then killed or leaves without any destructor.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>

#include "base/random.h"
#include "store/disk_store_testing.h"

namespace cairn {
namespace {

uint64_t crash_rounds() {
  const char* rounds = std::getenv("CAIRN_CRASH_ROUNDS");
  return rounds == nullptr ? 20 : std::strtoull(rounds, nullptr, 10);
}

// Puts for ever, from the number given on; tells each number whose flush returned. Never returns.
[[noreturn]] void put_and_tell(TestStore& store, uint64_t first, int pipe) {
  store.open();
  for (uint64_t i = first;; i += 3) {
    for (uint64_t k = i; k < i + 3; ++k) {
      if (!store->put(sample(k).view()).ok()) ::_exit(1);
    }
    if (!store->flush().ok()) ::_exit(2);
    for (uint64_t k = i; k < i + 3; ++k) {
      if (::write(pipe, &k, sizeof k) != sizeof k) ::_exit(3);
    }
  }
}

// Forks the above, hears `heard_count` numbers and, after a moment drawn at random, kills it. Returns all that were told.
std::set<uint64_t> kill_while_putting(TestStore& store, uint64_t first, uint64_t heard_count,
                                      uint64_t moment) {
  int pipe[2];
  EXPECT_EQ(::pipe(pipe), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(pipe[0]);
    put_and_tell(store, first, pipe[1]);
  }
  ::close(pipe[1]);
  std::set<uint64_t> told;
  uint64_t number = 0;
  while (told.size() < heard_count && ::read(pipe[0], &number, sizeof number) == sizeof number)
    told.insert(number);
  EXPECT_EQ(told.size(), heard_count) << "the child ended by itself";
  std::atomic<uint64_t> passed = 0;  // so that the loop is not taken away
  while (passed < moment) ++passed;
  ::kill(child, SIGKILL);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));
  while (::read(pipe[0], &number, sizeof number) == sizeof number) told.insert(number);
  ::close(pipe[0]);
  return told;
}

TEST(DiskStoreCrashTest, WhatWasAcknowledgedIsFoundAfterAKill) {
  const uint64_t rounds = crash_rounds();
  constexpr uint64_t kRoundsOfAStore = 5;  // each goes on in the folder of the last
  for (uint64_t base = 0; base < rounds; base += kRoundsOfAStore) {
    TestStore store(256);
    std::set<uint64_t> acknowledged;
    for (uint64_t round = base; round < std::min(rounds, base + kRoundsOfAStore); ++round) {
      SCOPED_TRACE(round);
      const uint64_t first = (round - base) * 1000;
      const auto told = kill_while_putting(store, first, 3 + random_bits(1, round, 0) % 60,
                                           random_bits(1, round, 1) % 1'000'000);
      acknowledged.insert(told.begin(), told.end());
      store.open();
      (void)store->verify([](uint64_t, uint64_t) { return true; });
      for (const uint64_t number : acknowledged) {
        ASSERT_EQ(look_for(*store, number), Seen::kThere) << number;
      }
      for (uint64_t number = *told.rbegin() + 1; number < *told.rbegin() + 10; ++number) {
        ASSERT_NE(look_for(*store, number), Seen::kWrong) << number;
      }
      store.close();
    }
  }
}

// The same in a store that evicts and rewrites all the time: whatever is found is right.
TEST(DiskStoreCrashTest, AKillWhileRoomIsMadeHarmsNothing) {
  TestStore store(4);
  for (uint64_t round = 0; round < 5; ++round) {
    const auto told = kill_while_putting(store, round * 1000, 150, random_bits(2, round, 0) % 1'000'000);
    store.open();
    EXPECT_GT(store->counts().record_count, 10U);
    for (uint64_t number = round * 1000; number < *told.rbegin() + 10; ++number) {
      ASSERT_NE(look_for(*store, number), Seen::kWrong) << number;
    }
    EXPECT_EQ(store->counts().bad_record_count, 0U) << "nothing that was found was torn";
    store.close();
  }
}

TEST(DiskStoreCrashTest, OneProcessHasTheFolder) {
  TestStore store;
  int to_parent[2];
  int to_child[2];
  ASSERT_EQ(::pipe(to_parent), 0);
  ASSERT_EQ(::pipe(to_child), 0);
  char byte = 0;
  const pid_t child = ::fork();
  if (child == 0) {
    store.open();
    (void)!::write(to_parent[1], "o", 1);
    (void)!::read(to_child[0], &byte, 1);
    ::_exit(0);
  }
  ASSERT_EQ(::read(to_parent[0], &byte, 1), 1);
  const auto second = DiskStore::open({.folder = store.folder(), .size_bytes = 16 << 20});
  EXPECT_EQ(second.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(second.status().message().find(store.folder()), std::string::npos);
  EXPECT_NE(second.status().message().find("process " + std::to_string(child)), std::string::npos)
      << second.status().message();
  ASSERT_EQ(::write(to_child[1], "x", 1), 1);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  store.open();  // the lock went with the process
  EXPECT_FALSE(DiskStore::open({.folder = store.folder(), .size_bytes = 16 << 20}).ok())
      << "nor twice in one";
  for (const int fd : {to_parent[0], to_parent[1], to_child[0], to_child[1]}) ::close(fd);
}

}  // namespace
}  // namespace cairn
