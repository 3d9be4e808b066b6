// Where a match ended, and why, as a request's owner would read it.
#include <gtest/gtest.h>

#include "kv/kv_cache_testing.h"

namespace cairn {
namespace {

std::unique_ptr<KvCache> make_shared(uint64_t pool_blocks = 0) {
  return make_cache({.context = 320, .max_sequences = 4}, pool_blocks);
}

KvMatchReport report_of(KvCache& cache, std::span<const TokenId> tokens, std::string_view salt = {}) {
  const KvLease lease = cache.match(tokens, salt);
  const KvMatchReport report = cache.match_report(lease);
  EXPECT_EQ(report.text_positions, std::ssize(tokens));
  EXPECT_EQ(report.found_positions, cache.length(lease));
  return report;
}

// The end, and nothing that other ends are explained by.
void expect_plain_end(const KvMatchReport& report, KvMatchEnd end, int64_t found) {
  EXPECT_EQ(report.end, end);
  EXPECT_EQ(report.found_positions, found);
  EXPECT_EQ(report.differs_at, 0);
  EXPECT_EQ(report.wanted_token, 0);
  EXPECT_EQ(report.known_token, 0);
  EXPECT_EQ(report.evicted_steps_ago, 0);
  EXPECT_EQ(report.wanted_blocks, 0);
  EXPECT_EQ(report.idle_blocks, 0);
}

void expect_difference(const KvMatchReport& report, int64_t at, TokenId wanted, TokenId known) {
  EXPECT_EQ(report.end, KvMatchEnd::kTokensDiffer);
  EXPECT_EQ(report.found_positions, at / kBlockSize * kBlockSize);
  EXPECT_EQ(report.differs_at, at);
  EXPECT_EQ(report.wanted_token, wanted);
  EXPECT_EQ(report.known_token, known);
  EXPECT_EQ(report.wanted_blocks, 0);
}

TEST(MatchReport, SaysWhereNothingIsShared) {
  for (const KvStorageKind storage :
       {KvStorageKind::kNone, KvStorageKind::kGrowing, KvStorageKind::kContiguous, KvStorageKind::kPaged}) {
    auto cache =
        make_cache({.storage = storage, .sharing = PrefixSharing::kOff, .context = 128, .max_sequences = 2});
    const TestSequence a = prefilled(*cache, some_tokens(100));
    expect_plain_end(report_of(*cache, some_tokens(100)), KvMatchEnd::kNotShared, 0);
  }
}

TEST(MatchReport, SaysWhereNothingWasAskedFor) {
  auto cache = make_shared();
  const TestSequence a = prefilled(*cache, some_tokens(100));
  expect_plain_end(cache->match_report(cache->open()), KvMatchEnd::kNotShared, 0);
  const KvMatchReport of_fork = cache->match_report(cache->fork(a.lease));
  expect_plain_end(of_fork, KvMatchEnd::kNotShared, 0);
  EXPECT_EQ(of_fork.text_positions, 0);
}

TEST(MatchReport, SaysThatATextIsTooShort) {
  auto cache = make_shared();
  const TestSequence a = prefilled(*cache, some_tokens(100));
  for (const int64_t count : {1, 31, 32}) {
    expect_plain_end(report_of(*cache, some_tokens(count)), KvMatchEnd::kShorterThanBlock, 0);
  }
}

TEST(MatchReport, SaysThatAllWasFound) {
  auto cache = make_shared();
  const TestSequence a = prefilled(*cache, some_tokens(100));
  expect_plain_end(report_of(*cache, some_tokens(97)), KvMatchEnd::kComplete, 96);
  expect_plain_end(report_of(*cache, some_tokens(100)), KvMatchEnd::kComplete, 96);
  expect_plain_end(report_of(*cache, some_tokens(96)), KvMatchEnd::kComplete, 64);  // the last token runs
  expect_plain_end(report_of(*cache, some_tokens(33)), KvMatchEnd::kComplete, 32);
}

TEST(MatchReport, SaysThatNothingIsKnown) {
  auto cache = make_shared();
  expect_plain_end(report_of(*cache, some_tokens(100)), KvMatchEnd::kNothingKnown, 0);
  const TestSequence a = prefilled(*cache, some_tokens(70));
  expect_plain_end(report_of(*cache, some_tokens(100)), KvMatchEnd::kNothingKnown, 64);  // it goes further
}

TEST(MatchReport, NamesTheFirstTokenThatDiffers) {
  auto cache = make_shared();
  const TestSequence a = prefilled(*cache, some_tokens(100));
  for (const int64_t at : {0, 1, 31, 32, 50, 64, 95}) {
    SCOPED_TRACE(at);
    std::vector<TokenId> tokens = some_tokens(100);
    tokens[static_cast<size_t>(at)] = 7777;
    expect_difference(report_of(*cache, tokens), at, 7777, static_cast<TokenId>(at));
    for (auto p = static_cast<size_t>(at); p < tokens.size(); ++p) tokens[p] = 8888;  // and all that follow
    expect_difference(report_of(*cache, tokens), at, 8888, static_cast<TokenId>(at));
  }
}

TEST(MatchReport, ComparesWithTheTextThatAgreesLongest) {
  auto cache = make_shared();
  std::vector<TestSequence> others;
  for (const size_t agrees : {40, 60, 50}) {
    std::vector<TokenId> tokens = some_tokens(64);
    tokens[agrees] = -1;
    others.push_back(prefilled(*cache, tokens));
  }
  expect_difference(report_of(*cache, some_tokens(64 + 1)), 60, 60, -1);
}

// What was evicted is still known, where it is not what was asked for.
TEST(MatchReport, ComparesWithATextThatIsGone) {
  auto cache = make_shared(3);
  prefilled(*cache, some_tokens(96)).lease = {};
  prefilled(*cache, some_tokens(96, 500)).lease = {};
  std::vector<TokenId> tokens = some_tokens(96);
  tokens[20] = 7777;
  expect_difference(report_of(*cache, tokens), 20, 7777, 20);
}

TEST(MatchReport, SaysWhenAndWhyABlockWasEvicted) {
  auto cache = make_shared(5);
  prefilled(*cache, some_tokens(96)).lease = {};
  TestSequence other = begin(*cache, some_tokens(1, 500));
  ASSERT_EQ(extend(*cache, other, some_tokens(1, 500)), Room::kOk);
  ASSERT_EQ(cache->reserve(other.lease, 4 * kBlockSize), Room::kOk);  // three more: one is free, two must go
  EXPECT_EQ(cache->counts().evicted_blocks, 2);
  for (TokenId steps = 0; steps < 20; ++steps) {
    const KvMatchReport report = report_of(*cache, some_tokens(96 + 1));
    EXPECT_EQ(report.end, KvMatchEnd::kEvicted);
    EXPECT_EQ(report.found_positions, 32);
    EXPECT_EQ(report.evicted_steps_ago, steps);
    EXPECT_EQ(report.wanted_blocks, 3);
    EXPECT_EQ(report.idle_blocks, 2);  // the third block had gone before the second
    EXPECT_EQ(report.differs_at, 0);
    ASSERT_EQ(extend(*cache, other, some_tokens(1, steps)), Room::kOk);
  }
  // An abandoned step is a step too.
  {
    const KvStep abandoned = cache->begin_step({{{other.lease.sequence(), 1}}});
  }
  EXPECT_EQ(report_of(*cache, some_tokens(97)).evicted_steps_ago, 21);
}

TEST(MatchReport, ForgetsAnEvictionWhenTheBlockIsBack) {
  auto cache = make_shared(3);
  prefilled(*cache, some_tokens(96)).lease = {};
  prefilled(*cache, some_tokens(96, 500)).lease = {};
  EXPECT_EQ(report_of(*cache, some_tokens(96)).end, KvMatchEnd::kEvicted);
  prefilled(*cache, some_tokens(96)).lease = {};
  expect_plain_end(report_of(*cache, some_tokens(97)), KvMatchEnd::kComplete, 96);
}

// A tenant learns nothing of another's texts: not that they exist, not that they were evicted.
TEST(MatchReport, NeverMentionsATextUnderAnotherSalt) {
  auto cache = make_shared(3);
  const auto expect_silence = [&] {
    for (const std::string_view salt : {"", "b", "aa"}) {
      expect_plain_end(report_of(*cache, some_tokens(100), salt), KvMatchEnd::kNothingKnown, 0);
      expect_plain_end(report_of(*cache, joined(some_tokens(50), some_tokens(50, 700)), salt),
                       KvMatchEnd::kNothingKnown, 0);
    }
  };
  prefilled(*cache, some_tokens(96), "a").lease = {};
  expect_silence();
  EXPECT_EQ(report_of(*cache, some_tokens(97), "a").end, KvMatchEnd::kComplete);
  prefilled(*cache, some_tokens(96, 500), "a").lease = {};
  EXPECT_EQ(report_of(*cache, some_tokens(97), "a").end, KvMatchEnd::kEvicted);
  expect_silence();
}

TEST(MatchReport, NamesTheTokensOfItsOwnTenant) {
  auto cache = make_shared();
  std::vector<TokenId> of_a = some_tokens(64);
  of_a[40] = 1111;
  std::vector<TokenId> of_b = some_tokens(64);
  of_b[35] = 2222;
  const TestSequence a = prefilled(*cache, of_a, "a");
  const TestSequence b = prefilled(*cache, of_b, "b");
  expect_difference(report_of(*cache, some_tokens(70), "a"), 40, 40, 1111);
  expect_difference(report_of(*cache, some_tokens(70), "b"), 35, 35, 2222);
}

TEST(MatchReport, StaysWhatItWasWhenTheSequenceGrows) {
  auto cache = make_shared();
  prefilled(*cache, some_tokens(64)).lease = {};
  TestSequence a = begin(*cache, some_tokens(100));
  ASSERT_EQ(extend(*cache, a, some_tokens(36, 64)), Room::kOk);
  cut(*cache, a, 20);
  expect_plain_end(cache->match_report(a.lease), KvMatchEnd::kNothingKnown, 64);
  EXPECT_EQ(cache->match_report(a.lease).text_positions, 100);
}

}  // namespace
}  // namespace cairn
