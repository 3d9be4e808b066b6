// Requests whose prefixes come from a disk: no token changes (the fake pass hashes what it reads back), whatever the disk does.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "base/temporary_folder_testing.h"
#include "engine/engine.h"
#include "engine/fake_pass_testing.h"
#include "store/file_io_testing.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kLength = 330;  // ten full blocks, and a part of one
constexpr int64_t kFound = 320;

// Blocks come whole, or the last of them layer by layer while the step runs that needs them.
enum class Come { kWhole, kByLayers };

class EngineTiers : public ::testing::TestWithParam<std::tuple<const char*, Come>> {
 protected:
  KvPlan plan() const { return KvPlan::parse(std::get<0>(GetParam())).value(); }
  static bool by_layers() { return std::get<1>(GetParam()) == Come::kByLayers; }
  EngineOptions options(LoadPolicy load = LoadPolicy::kAlways) const {
    EngineOptions engine{.kv_plan = plan(), .context = 512, .max_sequences = 4, .prefill_chunk = 64};
    engine.tiers.load = load;
    engine.tiers.streamed_bytes = by_layers() ? fake_blocks(7, plan()) : 0;
    engine.tiers.layer_read_bytes = 1;  // each layer by itself
    return engine;
  }
  void make(EngineOptions options) {
    engine_.reset();  // and with it the store: a folder has one at a time
    auto store = DiskStore::open(
        {.folder = folder_.at("kept"),
         .size_bytes = 64 << 20,
         .files = faulty_files(system_files(folder_.path(), FileIo::kPlain).value(), faults_)});
    ASSERT_TRUE(store.ok()) << store.status().message();
    options.tiers.disk = std::move(*store);
    auto made = make_fake_engine(options, layer_groups_);
    engine_ = std::move(made.engine);
    pass_ = made.pass;
  }
  RequestStats run(const std::vector<TokenId>& prompt, std::string salt = {}) {
    Heard heard;
    Request request = make_request(prompt, 5, heard);
    request.salt = std::move(salt);
    EXPECT_TRUE(engine_->submit(std::move(request)).ok());
    run_until_idle(*engine_);
    expect_oracle(heard, prompt, 5, plan());
    return heard.results.at(0).stats;
  }
  // What was computed before is on the disk, and not in memory.
  void restart(LoadPolicy load = LoadPolicy::kAlways) {
    ASSERT_TRUE(engine_->tiers()->flush().ok());
    make(options(load));
  }
  [[nodiscard]] std::vector<fs::path> segments() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder_.at("kept"))) {
      if (entry.path().extension() == ".cairn") found.push_back(entry.path());
    }
    return found;
  }

  TemporaryFolder folder_;
  std::shared_ptr<FaultPlan> faults_ = std::make_shared<FaultPlan>();
  std::vector<int32_t> layer_groups_;
  std::unique_ptr<Engine> engine_;
  FakePass* pass_ = nullptr;
};
INSTANTIATE_TEST_SUITE_P(Plans, EngineTiers,
                         ::testing::Combine(::testing::Values("f16", "k=int8:channel,v=f32"),
                                            ::testing::Values(Come::kWhole, Come::kByLayers)),
                         [](const auto& param) {
                           const bool by_row = std::get<0>(param.param) == std::string_view("f16");
                           const bool whole = std::get<1>(param.param) == Come::kWhole;
                           return std::string(by_row ? "ByRow" : "Sealed") + (whole ? "Whole" : "ByLayers");
                         });

int64_t from_disk(const RequestStats& stats) { return stats.match.load.positions[0]; }

TEST_P(EngineTiers, WhatWasComputedBeforeARestartIsLoaded) {
  const auto prompt = some_prompt(1, kLength);
  make(options());
  EXPECT_EQ(run(prompt).reused_tokens, 0);
  restart();
  const RequestStats stats = run(prompt);
  EXPECT_EQ(stats.reused_tokens, kFound);
  EXPECT_EQ(from_disk(stats), kFound);
  EXPECT_EQ(stats.match.load.choice, LoadChoice::kLoaded);
  EXPECT_EQ(stats.match.end, KvMatchEnd::kComplete);
  EXPECT_FALSE(stats.match.load.is_cut_short);
  EXPECT_EQ(stats.projected_positions, static_cast<uint64_t>(kLength - kFound + 4));
  // Now it is in memory: nothing is loaded twice.
  const RequestStats again = run(prompt);
  EXPECT_EQ(again.reused_tokens, kFound);
  EXPECT_EQ(from_disk(again), 0);
}

TEST_P(EngineTiers, ATextThatPartsIsLoadedUpToThere) {
  make(options());
  run(some_prompt(1, kLength));
  restart();
  for (const int64_t shared : {31, 32, 100, 200}) {
    const RequestStats stats = run(branch_of(1, shared, 5 + static_cast<uint64_t>(shared), 250));
    EXPECT_EQ(stats.reused_tokens, shared / 32 * 32) << shared;
  }
}

TEST_P(EngineTiers, LayerGroupsComeBackTogether) {
  layer_groups_ = {0, 1};
  make(options());
  run(some_prompt(1, kLength));
  restart();
  EXPECT_EQ(from_disk(run(some_prompt(1, kLength))), kFound);
}

TEST_P(EngineTiers, AnotherSaltFindsNothing) {
  make(options());
  run(some_prompt(1, kLength), "one");
  restart();
  const RequestStats other = run(some_prompt(1, kLength), "other");
  EXPECT_EQ(other.reused_tokens, 0);
  EXPECT_EQ(other.match.load.choice, LoadChoice::kNone);
  EXPECT_EQ(other.match.load.found_positions, 0);
  EXPECT_EQ(from_disk(run(some_prompt(1, kLength), "one")), kFound);
}

TEST_P(EngineTiers, AnotherPlanFindsNothing) {
  make(options());
  run(some_prompt(1, kLength));
  ASSERT_TRUE(engine_->tiers()->flush().ok());
  EngineOptions other = options();
  other.kv_plan = KvPlan::parse("f32").value();
  make(other);
  Heard heard;
  ASSERT_TRUE(engine_->submit(make_request(some_prompt(1, kLength), 5, heard)).ok());
  run_until_idle(*engine_);
  expect_oracle(heard, some_prompt(1, kLength), 5, other.kv_plan);
  EXPECT_EQ(heard.results.at(0).stats.reused_tokens, 0);
}

// Whatever byte of the files is wrong, no token is; and what lies before the damage is used.
TEST_P(EngineTiers, ADamagedBlockIsComputedAgain) {
  const auto prompt = some_prompt(1, kLength);
  make(options());
  run(prompt);
  ASSERT_TRUE(engine_->tiers()->flush().ok());
  engine_.reset();
  ASSERT_EQ(segments().size(), 1U);
  const fs::path file = segments()[0];
  const auto size = static_cast<int64_t>(fs::file_size(file));
  int cut_short = 0;
  for (int64_t at = 4096; at < size; at += size / 37) {
    const fs::path kept = folder_.at("copy");
    fs::copy_file(file, kept, fs::copy_options::overwrite_existing);
    {
      std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
      bytes.seekg(at);
      const auto byte = static_cast<char>(bytes.get() ^ 1);
      bytes.seekp(at);
      bytes.put(byte);
    }
    make(options());
    const RequestStats stats = run(prompt);
    EXPECT_EQ(stats.reused_tokens % 32, 0);
    cut_short += stats.reused_tokens < kFound ? 1 : 0;
    engine_.reset();
    for (const fs::path& each : segments()) fs::remove(each);
    fs::remove(folder_.at("kept/usage"));
    fs::rename(kept, file);
  }
  EXPECT_GT(cut_short, 5);
}

// A block that is found bad when the first layers are computed already ends the step, and nobody notices but a counter.
TEST_P(EngineTiers, ABlockThatIsBadInALaterLayerIsComputedAgain) {
  const auto prompt = some_prompt(1, kLength);
  make(options());
  run(prompt);
  restart();
  uint64_t abandoned = 0;
  for (uint64_t nth = 1; nth < 40; ++nth) {
    make(options());
    faults_->fail(FileCall::kRead, nth, StatusCode::kInternal,
                  2);  // of several blocks, and then of one by itself
    const RequestStats stats = run(prompt);
    faults_->heal();
    EXPECT_EQ(stats.reused_tokens % kBlockSize, 0);
    const BlockTierCounts counts = engine_->tiers()->counts();
    EXPECT_EQ(counts.loader.cut_short > 0, stats.reused_tokens < kFound);
    abandoned += static_cast<uint64_t>(engine_->cache().counts().abandoned_steps);
  }
  EXPECT_EQ(abandoned > 0, by_layers());
}

// A pass that fails when all layers have come is tried again, with blocks that come whole.
TEST_P(EngineTiers, APassThatFailsWhileBlocksComeIsTriedAgain) {
  const auto prompt = some_prompt(1, kLength);
  for (const int64_t layer : {0, 1, 2}) {
    make(options());
    run(prompt);
    restart();
    bool has_failed = false;
    pass_->on_forward = [&](const Batch&) {
      pass_->fails_at_layer = has_failed ? std::nullopt : std::optional(layer);
      has_failed = true;
    };
    const RequestStats stats = run(prompt);
    EXPECT_TRUE(has_failed);
    EXPECT_EQ(stats.reused_tokens, kFound);
    EXPECT_EQ(from_disk(stats), kFound);
    EXPECT_EQ(engine_->tiers()->counts().loader.blocks[0], 10U);
    engine_.reset();
    fs::remove_all(folder_.at("kept"));
  }
}

// A disk that brings some layers and then stands still costs a second, and nothing else.
TEST_P(EngineTiers, LayersThatComeTooLateEndTheStep) {
  if (!by_layers()) return;  // blocks come whole here
  const auto prompt = some_prompt(1, kLength);
  make(options());
  run(prompt);
  restart();
  constexpr int kFirstLayer = 1 + 2;  // three blocks whole, and the first layer of seven, four at once
  std::atomic<int> reads = 0;
  std::atomic<bool> is_stuck = true;
  faults_->before([&](FileCall call) {
    if (call != FileCall::kRead || ++reads <= kFirstLayer) return;
    while (is_stuck) std::this_thread::yield();
  });
  Heard heard;
  ASSERT_TRUE(engine_->submit(make_request(prompt, 5, heard)).ok());
  for (int i = 0; i < 1000 && engine_->cache().counts().abandoned_steps == 0; ++i) engine_->step();
  EXPECT_EQ(engine_->cache().counts().abandoned_steps, 1);
  is_stuck = false;
  run_until_idle(*engine_);
  expect_oracle(heard, prompt, 5, plan());
  EXPECT_EQ(from_disk(heard.results.at(0).stats), kFound);
  faults_->before({});
}

// Nothing that the disk has comes before the step runs that needs it.
TEST_P(EngineTiers, AStepBeginsBeforeItsBlocksHaveCome) {
  if (!by_layers()) return;  // blocks come whole here
  const auto prompt = some_prompt(1, kLength);
  make(options());
  run(prompt);
  restart();
  constexpr int kWholeBlocks = 1;  // the first three, in one read
  std::atomic<int> reads = 0;
  std::atomic<bool> has_begun = false;
  pass_->on_forward = [&](const Batch&) { has_begun = true; };
  faults_->before([&](FileCall call) {
    if (call != FileCall::kRead || ++reads <= kWholeBlocks) return;
    while (!has_begun) std::this_thread::yield();
  });
  const RequestStats stats = run(prompt);
  EXPECT_EQ(from_disk(stats), kFound);
  EXPECT_GT(reads, kWholeBlocks);
  faults_->before({});
}

TEST_P(EngineTiers, AReadErrorAtAnyCallCostsRowsAndNothingElse) {
  const auto prompt = some_prompt(1, kLength);
  make(options());
  run(prompt);
  ASSERT_TRUE(engine_->tiers()->flush().ok());
  for (uint64_t nth = 1; nth < 25; ++nth) {
    make(options());
    faults_->fail(FileCall::kRead, nth, StatusCode::kInternal);
    run(prompt);
    faults_->heal();
  }
}

TEST_P(EngineTiers, AFullDiskCostsCopiesAndNothingElse) {
  make(options());
  faults_->fail(FileCall::kWrite, 1, StatusCode::kResourceExhausted, 1000);
  run(some_prompt(1, kLength));
  (void)engine_->tiers()->flush();
  EXPECT_GT(engine_->tiers()->counts().writer.failed[0], 0U);
  EXPECT_EQ(engine_->tiers()->counts().writer.kept[0], 0U);
  faults_->heal();
  run(some_prompt(2, kLength));
  ASSERT_TRUE(engine_->tiers()->flush().ok());
  EXPECT_GE(engine_->tiers()->counts().writer.kept[0], 10U);
}

// What it would not take is offered again when it is used.
TEST_P(EngineTiers, WhatWasNotKeptIsKeptWhenItIsFoundInMemory) {
  make(options());
  faults_->fail(FileCall::kWrite, 1, StatusCode::kResourceExhausted, 1000);
  run(some_prompt(1, kLength));
  (void)engine_->tiers()->flush();
  faults_->heal();
  EXPECT_EQ(run(some_prompt(1, kLength)).reused_tokens, kFound);
  restart();
  EXPECT_EQ(from_disk(run(some_prompt(1, kLength))), kFound);
}

// The disk stands still: nobody but the request that waits for it notices.
TEST_P(EngineTiers, OthersRunWhileOneIsRestored) {
  make(options());
  run(some_prompt(1, kLength));
  restart();
  std::atomic<bool> is_stuck = true;
  faults_->before([&](FileCall call) {
    while (call == FileCall::kRead && is_stuck) std::this_thread::yield();
  });
  Heard waits, runs;
  ASSERT_TRUE(engine_->submit(make_request(some_prompt(1, kLength), 5, waits)).ok());
  engine_->step();
  EXPECT_EQ(engine_->count_of(SequenceState::kRestoring), 1);
  ASSERT_TRUE(engine_->submit(make_request(some_prompt(2, 100), 20, runs)).ok());
  for (int i = 0; i < 200 && runs.results.empty(); ++i) checked_step(*engine_);
  expect_oracle(runs, some_prompt(2, 100), 20, plan());
  EXPECT_EQ(engine_->count_of(SequenceState::kRestoring), 1);
  is_stuck = false;
  run_until_idle(*engine_);
  expect_oracle(waits, some_prompt(1, kLength), 5, plan());
  EXPECT_EQ(from_disk(waits.results.at(0).stats), kFound);
  faults_->before({});
}

TEST_P(EngineTiers, OneThatBeginsAlikeWaitsForTheLoad) {
  make(options());
  run(some_prompt(1, kLength));
  restart();
  Heard first, second;
  ASSERT_TRUE(engine_->submit(make_request(some_prompt(1, kLength), 5, first)).ok());
  ASSERT_TRUE(engine_->submit(make_request(some_prompt(1, kLength), 5, second)).ok());
  run_until_idle(*engine_);
  expect_oracle(first, some_prompt(1, kLength), 5, plan());
  expect_oracle(second, some_prompt(1, kLength), 5, plan());
  EXPECT_EQ(engine_->tiers()->counts().loader.blocks[0], 10U);  // once
  EXPECT_EQ(second.results.at(0).stats.reused_tokens, kFound);
}

TEST_P(EngineTiers, ARequestThatIsCancelledWhileItIsRestoredLeavesNothing) {
  make(options());
  run(some_prompt(1, kLength));
  for (const int steps : {1, 2, 3}) {
    restart();
    Heard heard;
    const auto id = engine_->submit(make_request(some_prompt(1, kLength), 5, heard));
    for (int i = 0; i < steps; ++i) checked_step(*engine_);
    EXPECT_TRUE(engine_->cancel(*id));
    EXPECT_EQ(heard.results.at(0).reason, FinishReason::kCancelled);
    EXPECT_TRUE(engine_->idle());
    run(some_prompt(1, kLength));
    Heard left;  // and an engine may go while it restores
    ASSERT_TRUE(engine_->submit(make_request(some_prompt(3, kLength), 5, left)).ok());
    engine_->step();
  }
}

// What memory had to give up comes back from the disk, for a new request and for one that lost its place.
TEST_P(EngineTiers, WhatWasEvictedIsLoaded) {
  EngineOptions small = options();
  small.pool_bytes = fake_blocks(14, plan());
  make(small);
  run(some_prompt(1, kLength));
  run(some_prompt(2, kLength));
  ASSERT_TRUE(engine_->tiers()->flush().ok());  // this pass is quicker than any disk
  const RequestStats stats = run(some_prompt(1, kLength));
  EXPECT_EQ(stats.reused_tokens, kFound);
  EXPECT_GT(from_disk(stats), 0);
}

TEST_P(EngineTiers, ManyInLittleMemoryEndWithTheirTokens) {
  EngineOptions small = options();
  small.pool_bytes = fake_blocks(26, plan());
  make(small);
  for (int round = 0; round < 3; ++round) {
    std::vector<Heard> heard(8);
    for (uint64_t i = 0; i < heard.size(); ++i) {
      ASSERT_TRUE(engine_->submit(make_request(branch_of(1, 64, i % 5, 250), 60, heard[i])).ok());
    }
    run_until_idle(*engine_);
    for (uint64_t i = 0; i < heard.size(); ++i) {
      expect_oracle(heard[i], branch_of(1, 64, i % 5, 250), 60, plan());
    }
  }
  EXPECT_GT(engine_->tiers()->counts().loader.blocks[0], 0U);
}

TEST_P(EngineTiers, NothingIsLoadedWhereThatIsNotAllowed) {
  make(options());
  run(some_prompt(1, kLength));
  restart(LoadPolicy::kNever);
  const RequestStats stats = run(some_prompt(1, kLength));
  EXPECT_EQ(stats.reused_tokens, 0);
  EXPECT_EQ(stats.match.load.choice, LoadChoice::kNotAllowed);
  EXPECT_EQ(stats.match.load.found_positions, kFound);
}

TEST_P(EngineTiers, AQuotaHoldsForWhatIsLoadedToo) {
  make(options());
  run(some_prompt(1, kLength));
  restart();
  const TenantId tenant{7};
  const std::vector<TenantShare> shares{{.id = tenant, .kv_quota_bytes = fake_blocks(5, plan())}};
  ASSERT_TRUE(engine_->set_tenants(shares).ok());
  Heard heard;
  Request request = make_request(some_prompt(1, kLength), 5, heard);
  request.tenant = tenant;
  ASSERT_TRUE(engine_->submit(std::move(request)).ok());
  run_until_idle(*engine_);
  EXPECT_EQ(heard.results.at(0).reason, FinishReason::kError);
  Heard fits;
  request = make_request(some_prompt(1, 100), 5, fits);
  request.tenant = tenant;
  ASSERT_TRUE(engine_->submit(std::move(request)).ok());
  run_until_idle(*engine_);
  expect_oracle(fits, some_prompt(1, 100), 5, plan());
  EXPECT_EQ(from_disk(fits.results.at(0).stats), 96);
}

TEST(EngineTiersOptions, ACacheThatSharesNothingHasNoTiers) {
  TemporaryFolder folder;
  EngineOptions options{.sharing = PrefixSharing::kOff, .context = 256};
  options.tiers.disk = DiskStore::open({.folder = folder.at("kept"), .size_bytes = 64 << 20}).value();
  const auto pass = [&] {
    return std::make_unique<FakePass>(Engine::step_rows(options), Engine::step_logit_rows(options));
  };
  const auto engine = Engine::create(
      Engine::Parts{
          .pass = pass(), .kv_shape = fake_shape(), .layer_windows = {0, 10}, .tokenizer = fake_tokenizer()},
      options);
  EXPECT_EQ(engine.status().code(), StatusCode::kUnsupported);
}

}  // namespace
}  // namespace cairn
