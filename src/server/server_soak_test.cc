// The server under random clients for a while: texts of every interface and kind, and clients that go away at any moment.
// Again and again they all stop; then nothing is left of them, and the memory in use is what it was before.
// CAIRN_SOAK_SECONDS says how long; a few seconds without it.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <iterator>
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

struct Call {
  std::string path;
  std::string body;
};

// Random bodies of one interface after the other.
class Calls {
 public:
  explicit Calls(unsigned seed) : dice_(seed), turn_(static_cast<int>(seed)) {}

  static constexpr int kKinds = 6;
  Call next() { return of(turn_++ % kKinds); }
  Call of(int kind) {
    const std::string tokens = std::to_string(1 + roll(40));
    switch (kind) {
      case 0: return {"/v1/completions", completion(tokens)};
      case 1: return {"/v1/chat/completions", chat(tokens) + R"(,"messages":)" + messages() + "}"};
      case 2: return {"/v1/chat/completions", tool_chat()};
      case 3: return {"/v1/responses", response(tokens)};
      case 4: return {"/api/chat", ollama(tokens) + R"(,"messages":)" + messages() + "}"};
      default: return {"/api/generate", ollama(tokens) + R"(,"prompt":")" + story() + R"("})"};
    }
  }
  int roll(int sides) { return static_cast<int>(dice_() % static_cast<unsigned>(sides)); }

 private:
  std::string story() {
    std::string text = "Story " + std::to_string(roll(8)) + ". ";
    for (int i = roll(60); i > 0; --i) text += "The dog ran home. ";
    return text;
  }
  std::string messages() {
    std::string list =
        R"([{"role":"system","content":"Be kind."},{"role":"user","content":")" + story() + R"("})";
    if (roll(2) == 0)
      list += R"(,{"role":"assistant","content":"Yes."},{"role":"user","content":"And then?"})";
    return list + "]";
  }
  std::string sampling() { return R"(,"temperature":1,"seed":)" + std::to_string(roll(100)); }
  std::string sometimes(int sides, std::string_view field) {
    return roll(sides) == 0 ? std::string(field) : "";
  }

  std::string completion(const std::string& tokens) {
    const std::string logprobs = sometimes(4, R"(,"logprobs":2)");
    const std::string echo = sometimes(8, R"(,"echo":true)");
    const bool is_scored = !logprobs.empty() && !echo.empty();  // of one choice only
    return R"({"prompt":")" + story() + R"(","max_tokens":)" + tokens + sampling() + logprobs + echo +
           sometimes(2, R"(,"stream":true)") + (is_scored ? "" : sometimes(4, R"(,"n":3)")) +
           sometimes(5, R"(,"deadline_ms":)" + std::to_string(1 + roll(50))) +
           sometimes(6, R"(,"response_format":{"type":"json_object"})") + sometimes(6, R"(,"stop":["dog"])") +
           "}";
  }
  std::string chat(const std::string& tokens) {
    return R"({"max_tokens":)" + tokens + sampling() + sometimes(2, R"(,"stream":true)") +
           sometimes(4, R"(,"n":2)") + sometimes(4, R"(,"logprobs":true,"top_logprobs":3)") +
           sometimes(4, R"(,"cairn":{"explain_cache":true})") +
           sometimes(5, R"(,"response_format":{"type":"json_schema","json_schema":{"name":"who","schema":{
                        "type":"object","properties":{"age":{"type":"integer"}},"required":["age"]}}})");
  }
  std::string tool_chat() {
    constexpr std::string_view kTools =
        R"(,"tools":[{"type":"function","function":{"name":"get_weather","parameters":{"type":"object",
           "properties":{"place":{"enum":["Bern","Rome"]}},"required":["place"],"additionalProperties":false}}}])";
    return R"({"max_tokens":60)" + sampling() + std::string(kTools) +
           (roll(3) == 0 ? "" : R"(,"tool_choice":"required")") + sometimes(2, R"(,"stream":true)") +
           R"(,"messages":)" + messages() + "}";
  }
  std::string response(const std::string& tokens) {
    return R"({"max_output_tokens":)" + tokens + R"(,"temperature":1)" + sometimes(2, R"(,"stream":true)") +
           sometimes(3, R"(,"instructions":"Be kind.")") + R"(,"input":")" + story() + R"("})";
  }
  std::string ollama(const std::string& tokens) {
    return R"({"model":"demo","options":{"temperature":1,"seed":)" + std::to_string(roll(100)) +
           R"(,"num_predict":)" + tokens + "}" + sometimes(2, R"(,"stream":false)") +
           sometimes(5, R"(,"format":"json")");
  }

  std::mt19937 dice_;
  int turn_;
};

// Until the end, each on a connection of its own; every third goes away amid its reply. Counts those that it sent.
void be_a_client(const ServedTest& served, unsigned seed, steady_clock::time_point end,
                 std::atomic<int64_t>& count) {
  Calls calls(seed);
  const std::string key = seed % 2 == 0 ? "alice-key" : "bob-key";
  while (steady_clock::now() < end) {
    RawClient client(served.port());
    if (!client.is_connected()) continue;
    const Call call = calls.next();
    client.send(ServedTest::post(call.path, call.body, key, "Connection: close\r\n"));
    if (calls.roll(3) == 0) {
      if (calls.roll(2) == 0) (void)client.read_until("\r\n\r\n");
      client.reset();
    } else {
      const std::string reply = client.read_all();
      const int status = status_of(reply);
      EXPECT_TRUE(status == 200 || status == 429 || status == 504 || status == 503)
          << call.path << " " << call.body << "\n"
          << reply;
    }
    ++count;
  }
}

// Every kind of call is one that is answered with a text.
void expect_all_kinds_work(const ServedTest& served) {
  for (int kind = 0; kind < Calls::kKinds; ++kind) {
    Calls calls(1);
    const Call call = calls.of(kind);
    EXPECT_EQ(status_of(served.ask("POST", call.path, call.body, "alice-key")), 200) << call.body;
  }
}

void expect_nothing_left(ServedTest& served) {
  EXPECT_TRUE(served.comes_to_rest(0, "alice-key"));
  EngineThread& engine = served.server().engine();
  EXPECT_TRUE(becomes_true([&] { return engine.query([](Engine& asked) { return asked.idle(); }).value(); }));
  const auto snapshot = engine.query([](Engine& asked) { return asked.snapshot(); });
  ASSERT_TRUE(snapshot.ok());
  EXPECT_EQ(snapshot->blocks.open_blocks, 0);
  EXPECT_EQ(snapshot->blocks.held_blocks, 0);
  const auto complaint = engine.query([](Engine& asked) { return asked.cache().check().message(); });
  ASSERT_TRUE(complaint.ok());
  EXPECT_EQ(*complaint, "");
  EXPECT_EQ(served.metric("cairn_tenant_open_texts", {}, "alice-key"), 0);
  // The one that asks.
  EXPECT_TRUE(becomes_true([&] { return served.metric("cairn_open_connections", {}, "alice-key") == 1; }));
  served.forget_log_lines();
}

struct Memory {
  uint64_t allocated = 0;  // what somebody has asked for and not given back, to the byte
  uint64_t resident = 0;   // what the process keeps: after all that can be given back was
};

Memory memory_now() {
  ::malloc_trim(0);
  const struct mallinfo2 info = ::mallinfo2();
  return {.allocated = info.uordblks + info.hblkhd, .resident = resident_facts().current_bytes};
}

TEST(ServerSoak, NothingIsLeftOfRandomClients) {
  ServedTest served({.max_sequences = 6,
                     .pool_bytes = uint64_t{6} << 20,
                     .texts_max = 24,
                     .keys = test_key_line("alice", "alice-key", "weight=3 metrics=yes") +
                             test_key_line("bob", "bob-key", "kv=3MiB"),
                     .chat_template = tools_template()});
  expect_all_kinds_work(served);
  constexpr int kRests = 6;
  constexpr int kWarmRests =
      2;  // tables, pools of threads and what is remembered of requests have grown by then
  std::array<Memory, kRests> memory;
  std::atomic<int64_t> count = 0;
  for (int rest = 0; rest < kRests; ++rest) {
    const auto end = steady_clock::now() + std::chrono::duration_cast<steady_clock::duration>(
                                               std::chrono::duration<double>(soak_seconds() / kRests));
    std::vector<std::thread> clients;
    for (unsigned i = 0; i < 8; ++i) {
      const auto seed = static_cast<unsigned>(rest) * 8 + i;
      clients.emplace_back([&, seed, end] { be_a_client(served, seed, end, count); });
    }
    for (std::thread& client : clients) client.join();
    expect_nothing_left(served);
    memory.at(static_cast<size_t>(rest)) = memory_now();
  }
  EXPECT_GT(count, 0);
  if (count > 100) {  // a third of them went away
    EXPECT_GT(served.metric("cairn_requests_total", R"(outcome="cancelled")", "alice-key"), 0);
  }
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  constexpr uint64_t kAllocatedMore = uint64_t{3}
                                      << 20;  // a short soak has not filled the records of requests
  constexpr uint64_t kResidentMore = uint64_t{8} << 20;  // holes between what is in use
  const Memory& warm = memory.at(kWarmRests - 1);
  for (size_t rest = kWarmRests; rest < kRests; ++rest) {
    EXPECT_LT(memory.at(rest).allocated, warm.allocated + kAllocatedMore) << rest << " after " << count;
    EXPECT_LT(memory.at(rest).resident, warm.resident + kResidentMore) << rest << " after " << count;
  }
#endif
}

}  // namespace
}  // namespace cairn
