// An engine that keeps its blocks on a disk, in a process that is killed at any moment: what was acknowledged is found by the
// next one, and no token of any text is wrong.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/random.h"
#include "base/temporary_folder_testing.h"
#include "engine/engine.h"
#include "engine/fake_pass_testing.h"

namespace cairn {
namespace {

constexpr int64_t kLength = 200;

uint64_t crash_rounds() {
  const char* rounds = std::getenv("CAIRN_CRASH_ROUNDS");
  return rounds == nullptr ? 20 : std::strtoull(rounds, nullptr, 10);
}

std::unique_ptr<Engine> make_engine(const std::string& folder) {
  EngineOptions options{.context = 256, .max_sequences = 4, .prefill_chunk = 256};
  auto store = DiskStore::open({.folder = folder, .size_bytes = 64 << 20, .sync_every_ms = 5});
  if (!store.ok()) return nullptr;
  options.tiers = {.disk = std::move(*store), .remote = nullptr, .load = LoadPolicy::kAlways};
  return make_fake_engine(options).engine;
}

// Texts are computed for ever; each is told when its blocks are acknowledged. Never returns.
[[noreturn]] void compute_and_tell(const std::string& folder, uint64_t first, int pipe) {
  const auto engine = make_engine(folder);
  if (engine == nullptr) ::_exit(1);
  for (uint64_t text = first;; ++text) {
    Heard heard;
    (void)engine->submit(make_request(some_prompt(text, kLength), 3, heard));
    while (!engine->idle()) engine->step();
    if (!engine->tiers()->flush().ok()) ::_exit(2);
    if (::write(pipe, &text, sizeof text) != sizeof text) ::_exit(3);
  }
}

// Returns the texts that were told before the kill, which comes at a moment drawn at random.
std::vector<uint64_t> kill_while_computing(const std::string& folder, uint64_t first, uint64_t round) {
  int pipe[2];
  EXPECT_EQ(::pipe(pipe), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(pipe[0]);
    compute_and_tell(folder, first, pipe[1]);
  }
  ::close(pipe[1]);
  std::vector<uint64_t> told;
  uint64_t text = 0;
  const uint64_t enough = 3 + random_bits(5, round, 0) % 12;
  while (told.size() < enough && ::read(pipe[0], &text, sizeof text) == sizeof text) told.push_back(text);
  EXPECT_EQ(told.size(), enough) << "the child ended by itself";
  std::this_thread::sleep_for(std::chrono::microseconds(random_bits(5, round, 1) % 20'000));
  ::kill(child, SIGKILL);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  while (::read(pipe[0], &text, sizeof text) == sizeof text) told.push_back(text);
  ::close(pipe[0]);
  return told;
}

TEST(EngineTiersCrash, WhatWasAcknowledgedIsFoundAndNothingIsWrong) {
  const TemporaryFolder folder;
  const std::string kept = folder.at("kept");
  for (uint64_t round = 0; round < crash_rounds(); ++round) {
    SCOPED_TRACE(round);
    const uint64_t first = round * 1000;
    const auto told = kill_while_computing(kept, first, round);
    const auto engine = make_engine(kept);
    ASSERT_NE(engine, nullptr);
    for (uint64_t text = first; text < first + told.size() + 6; ++text) {
      Heard heard;
      const auto prompt = some_prompt(text, kLength);
      ASSERT_TRUE(engine->submit(make_request(prompt, 3, heard)).ok());
      run_until_idle(*engine);
      expect_oracle(heard, prompt, 3);
      if (text < first + told.size()) {
        EXPECT_EQ(heard.results.at(0).stats.match.load.positions[0], kLength / 32 * 32) << text;
      }
    }
  }
}

}  // namespace
}  // namespace cairn
