// The server under random clients for a while: texts of all kinds, and clients that go away at any moment. Then nothing is
// left of them. CAIRN_SOAK_SECONDS says how long; a few seconds without it.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <random>
#include <thread>

#include "base/machine.h"
#include "server/server_testing.h"

namespace cairn {
namespace {

using std::chrono::steady_clock;

double soak_seconds() {
  const char* const said = std::getenv("CAIRN_SOAK_SECONDS");
  return said == nullptr ? 3 : std::atof(said);
}

std::string random_body(std::mt19937& dice) {
  const auto roll = [&dice](int sides) { return static_cast<int>(dice() % static_cast<unsigned>(sides)); };
  std::string prompt = "Story " + std::to_string(roll(8)) + ". ";
  for (int i = roll(60); i > 0; --i) prompt += "The dog ran home. ";
  std::string body = R"({"prompt":")" + prompt + R"(","max_tokens":)" + std::to_string(1 + roll(40));
  if (roll(2) == 0) body += R"(,"stream":true)";
  if (roll(4) == 0) body += R"(,"n":3)";
  if (roll(4) == 0) body += R"(,"logprobs":2)";
  if (roll(5) == 0) body += R"(,"deadline_ms":)" + std::to_string(1 + roll(50));
  if (roll(6) == 0) body += R"(,"response_format":{"type":"json_object"})";
  if (roll(6) == 0) body += R"(,"stop":["dog"])";
  return body + R"(,"temperature":1,"seed":)" + std::to_string(roll(100)) + "}";
}

// Until the end, each on a connection of its own; every third goes away amid its reply.
void be_a_client(const ServedTest& served, unsigned seed, steady_clock::time_point end,
                 std::atomic<int64_t>& count) {
  std::mt19937 dice(seed);
  const std::string key = seed % 2 == 0 ? "alice-key" : "bob-key";
  while (steady_clock::now() < end) {
    RawClient client(served.port());
    if (!client.is_connected()) continue;
    client.send(ServedTest::post("/v1/completions", random_body(dice), key, "Connection: close\r\n"));
    if (dice() % 3 == 0) {
      if (dice() % 2 == 0) (void)client.read_until("\r\n\r\n");
      client.reset();
    } else {
      const std::string reply = client.read_all();
      const int status = status_of(reply);
      EXPECT_TRUE(status == 200 || status == 429 || status == 504 || status == 503) << reply;
    }
    ++count;
  }
}

TEST(ServerSoak, NothingIsLeftOfRandomClients) {
  ServedTest served({.max_sequences = 6,
                     .pool_bytes = uint64_t{6} << 20,
                     .texts_max = 24,
                     .keys = test_key_line("alice", "alice-key", "weight=3 metrics=yes") +
                             test_key_line("bob", "bob-key", "kv=3MiB")});
  const auto begin = steady_clock::now();
  const auto end = begin + std::chrono::duration_cast<steady_clock::duration>(
                               std::chrono::duration<double>(soak_seconds()));
  std::atomic<int64_t> count = 0;
  uint64_t warm_bytes = 0;
  {
    std::vector<std::thread> clients;
    for (unsigned i = 0; i < 8; ++i) {
      clients.emplace_back([&, i] { be_a_client(served, i, end, count); });
    }
    std::this_thread::sleep_until(begin + (end - begin) / 3);
    warm_bytes = resident_facts().current_bytes;
    for (std::thread& client : clients) client.join();
  }
  EXPECT_GT(count, 0);
  EngineThread& engine = served.server().engine();
  const auto is_idle = [&engine] { return engine.query([](Engine& asked) { return asked.idle(); }).value(); };
  EXPECT_TRUE(becomes_true(is_idle));
  const auto snapshot = engine.query([](Engine& asked) { return asked.snapshot(); });
  ASSERT_TRUE(snapshot.ok());
  EXPECT_EQ(snapshot->blocks.open_blocks, 0);
  EXPECT_EQ(snapshot->blocks.held_blocks, 0);
  const auto complaint = engine.query([](Engine& asked) { return asked.cache().check().message(); });
  ASSERT_TRUE(complaint.ok());
  EXPECT_EQ(*complaint, "");
  EXPECT_TRUE(becomes_true([&] {
    return served.ask("GET", "/metrics", {}, "alice-key").find("cairn_waiting_requests 0") !=
           std::string::npos;
  }));
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  constexpr uint64_t kFlat = uint64_t{48} << 20;
  EXPECT_LT(resident_facts().current_bytes, warm_bytes + kFlat);
#endif
}

}  // namespace
}  // namespace cairn
