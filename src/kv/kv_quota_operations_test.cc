// Seeded lists of operations of several owners with quotas, against a twin that says who pays for what: what each is
// charged, what is refused, whose blocks go, and that no owner ever has more than its quota.
#include <gtest/gtest.h>

#include <iostream>
#include <random>

#include "kv/kv_cache_testing.h"
#include "kv/kv_owner_twin_testing.h"

namespace cairn {
namespace {

struct Run {
  const char* name;
  const char* plan;
  std::vector<Visibility> visibility;  // of each layer, and so group
  PrefixSharing sharing = PrefixSharing::kOn;
  bool salts_are_equal = false;  // of all owners
};

// Owners 1 and 2 have a quota, 3 has a name alone, 4 has none.
class QuotaOperations {
 public:
  QuotaOperations(const Run& run, uint64_t seed)
      : run_(run),
        cache_(make_cache({.shape = windowed_shape(run.plan, run.visibility),
                           .sharing = run.sharing,
                           .context = kContext,
                           .max_sequences = kSequences,
                           .step_rows = kStepRows})),
        twin_(*cache_),
        random_(seed) {
    const uint64_t all = cache_->pool_bytes();
    set_quota(1, all / 6);
    set_quota(2, all / 9);
    set_quota(3, std::nullopt);
  }

  void run(int count) {
    for (int i = 0; i < count && !::testing::Test::HasFailure(); ++i) {
      one();
      compare();
    }
    while (!sequences_.empty() && !::testing::Test::HasFailure()) {
      drop(sequences_.size() - 1);
      compare();
    }
  }

  int64_t refused = 0;
  int64_t never = 0;  // would fit
  int64_t refused_forks = 0;
  int64_t lowered = 0;    // quotas, below what was held
  int64_t shortened = 0;  // matches that the quota cut
  [[nodiscard]] int64_t quota_evictions() const { return twin_.quota_evictions(); }

 private:
  static constexpr int64_t kContext = 500;
  static constexpr int64_t kSequences = 6;
  static constexpr int64_t kStepRows = 120;

  struct Sequence {
    TestSequence real;
    uint32_t owner = 0;
    uint64_t promised = 0;
    std::vector<TokenId> script;
  };
  int64_t below(int64_t end) { return static_cast<int64_t>(random_() % static_cast<uint64_t>(end)); }
  bool one_in(int64_t n) { return below(n) == 0; }
  [[nodiscard]] int32_t groups() const { return cache_->geometry().group_count(); }
  [[nodiscard]] uint64_t block_bytes(int32_t g) const { return cache_->geometry().block_bytes(g); }
  [[nodiscard]] static bool has_name(uint32_t owner) { return owner >= 1 && owner <= 3; }
  static std::span<const TokenId> part(const Sequence& s, int64_t first, int64_t end) {
    return std::span(s.script).subspan(static_cast<size_t>(first), static_cast<size_t>(end - first));
  }
  void rewrite(std::vector<TokenId>& script, int64_t position) {
    for (int64_t p = position, kind = 0; p < kContext; ++p) {
      if (p == position || p % 64 == 0) kind = one_in(4) ? 1 : 0;
      script[static_cast<size_t>(p)] = static_cast<TokenId>(kind * 10 + p % 3);
    }
  }

  void one() {
    if (sequences_.empty() || one_in(7)) return match();
    const auto i = static_cast<size_t>(below(std::ssize(sequences_)));
    switch (below(11)) {
      case 0: return drop(i);
      case 1: return truncate(sequences_[i]);
      case 2:
      case 3: return fork(sequences_[i]);
      case 4: return cache_->keep_tail(sequences_[i].real.lease, below(kContext));
      case 5: return change_quota();
      default: return step();
    }
  }

  void set_quota(uint32_t owner, std::optional<uint64_t> bytes) {
    const uint64_t held = charged(owner) - twin_.idle_bytes(owner);
    ASSERT_TRUE(cache_->set_quota({owner}, bytes).ok());
    quotas_[owner] = bytes;
    limits_[owner] = std::max(bytes.value_or(0), held);
    if (bytes.has_value() && held > *bytes) ++lowered;
    twin_.name(owner);
    twin_.catch_up();
  }
  void change_quota() {
    const uint64_t all = cache_->pool_bytes();
    set_quota(1 + static_cast<uint32_t>(below(2)), all / static_cast<uint64_t>(4 + below(12)));
  }

  // What is charged to an owner, by the twin.
  uint64_t charged(uint32_t owner) {
    uint64_t bytes = twin_.held_bytes(owner) + twin_.idle_bytes(owner);
    for (const Sequence& s : sequences_) bytes += s.owner == owner ? s.promised : 0;
    return bytes;
  }
  // Whether the owner may have so many bytes more, when its idle blocks are gone.
  bool allows(uint32_t owner, uint64_t more) {
    if (!quotas_[owner].has_value()) return true;
    return charged(owner) - twin_.idle_bytes(owner) + more <= *quotas_[owner];
  }

  void match() {
    Sequence s{.real = {}, .owner = 1 + static_cast<uint32_t>(below(4))};
    s.script.resize(kContext);
    rewrite(s.script, 0);
    const auto prompt = part(s, 0, below(kContext + 1));
    const std::string salt(run_.salts_are_equal ? 0 : s.owner, 's');
    const PrefixNames names = cache_->names_of(prompt, salt);
    const int64_t findable = cache_->findable(prompt, names);
    s.real = begin(*cache_, {.tokens = prompt, .names = names, .owner = {s.owner}}, salt);
    ASSERT_EQ(static_cast<bool>(s.real.lease), std::ssize(sequences_) < kSequences);
    if (!s.real.lease) return;
    if (s.real.length() != findable) {
      ++shortened;
      ASSERT_LT(s.real.length(), findable);
      ASSERT_TRUE(run_.salts_are_equal && quotas_[s.owner].has_value());
    }
    twin_.opened(s.real.lease.sequence(), s.owner);
    sequences_.push_back(std::move(s));
  }

  void drop(size_t i) { sequences_.erase(sequences_.begin() + static_cast<std::ptrdiff_t>(i)); }

  void truncate(Sequence& s) {
    const int64_t back = one_in(3) ? below(s.real.length() + 1) : std::min(s.real.length(), below(40));
    const int64_t position = s.real.length() - back;
    ASSERT_LE(cut(*cache_, s.real, position), position);
    s.promised = 0;
    if (one_in(2)) rewrite(s.script, s.real.length());
  }

  void fork(const Sequence& s) {
    uint64_t copies = 0;
    for (int32_t g = 0; g < groups() && s.real.length() % kBlockSize != 0; ++g) copies += block_bytes(g);
    const bool is_refused = copies > 0 && !allows(s.owner, copies);
    ASSERT_EQ(cache_->fork_exceeds_quota(s.real.lease), is_refused);
    const KvCounts before = cache_->counts();
    Sequence copy{.real = forked(*cache_, s.real), .owner = s.owner, .script = s.script};
    ASSERT_EQ(static_cast<bool>(copy.real.lease), std::ssize(sequences_) < kSequences && !is_refused);
    if (is_refused) {
      ++refused_forks;
      ASSERT_EQ(cache_->counts().idle_blocks, before.idle_blocks);
    }
    if (!copy.real.lease) return;
    twin_.opened(copy.real.lease.sequence(), copy.owner);
    if (one_in(2)) rewrite(copy.script, copy.real.length());
    sequences_.push_back(std::move(copy));
  }

  // Whether the cache must make room, and does.
  bool reserve(Sequence& s, int64_t positions) {
    const int64_t length = s.real.length();
    uint64_t now = 0;
    uint64_t promise = 0;
    for (int32_t g = 0; g < groups() && has_name(s.owner); ++g) {
      const bool keeps_all = cache_->geometry().visibility(g).sees_all();
      const int64_t end = keeps_all ? positions : std::min(positions, length + kStepRows);
      const int64_t has =
          keeps_all ? cache_->room(s.real.lease) / kBlockSize : KvGeometry::blocks_for(length);
      const int64_t more = std::max<int64_t>(0, KvGeometry::blocks_for(end) - has);
      (keeps_all ? now : promise) += static_cast<uint64_t>(more) * block_bytes(g);
    }
    const uint64_t before = std::exchange(s.promised, 0);
    const bool allowed = now + promise <= before || allows(s.owner, now + promise);
    const uint64_t idle = twin_.idle_bytes(s.owner);
    const Room room = cache_->reserve(s.real.lease, positions);
    EXPECT_EQ(room == Room::kOk, allowed);
    EXPECT_NE(room, Room::kNoRoom);
    if (room == Room::kExceedsQuota) ++never;
    twin_.catch_up();
    s.promised = allowed ? promise : before;
    if (allowed) return true;
    ++refused;
    EXPECT_EQ(twin_.idle_bytes(s.owner), idle) << "nothing has changed";
    EXPECT_GT(cache_->quota_shortage(s.real.lease, positions), 0U);
    return false;
  }

  // Rows of some of the sequences; now and then the step is abandoned, or a sequence that has room does not run.
  void step() {
    std::vector<TestSequence> then;
    std::vector<TestPart> parts;
    std::vector<KvStepRows> rows;
    std::vector<TokenId> tokens;
    std::vector<size_t> who;
    then.reserve(sequences_.size());
    int64_t left = kStepRows;
    for (size_t i = 0; i < sequences_.size(); ++i) {
      Sequence& s = sequences_[i];
      const int64_t room = std::min(left, kContext - s.real.length());
      if (room == 0 || one_in(4)) continue;
      const int64_t count = one_in(2) ? 1 : 1 + below(room);
      const int64_t ahead = one_in(5) ? below(kContext - s.real.length() - count + 1) : 0;
      if (!reserve(s, s.real.length() + count + ahead) || one_in(8)) continue;
      const auto more = part(s, s.real.length(), s.real.length() + count);
      left -= count;
      rows.push_back(rows_of(s.real, more));
      then.push_back(with_more(s.real, more));
      tokens.insert(tokens.end(), more.begin(), more.end());
      who.push_back(i);
    }
    if (who.empty()) return;
    for (size_t i = 0; i < who.size(); ++i) parts.push_back({&then[i], sequences_[who[i]].real.length()});
    const bool fails = one_in(6);
    KvStep running = cache_->begin_step(rows);
    const int64_t layers = cache_->geometry().layer_count();
    run_layers(*cache_, running, parts, fails ? below(layers + 1) : layers);
    if (fails) {
      running.abandon();
    } else {
      running.commit(tokens);
    }
    for (size_t i = 0; i < who.size(); ++i) {
      Sequence& s = sequences_[who[i]];
      s.promised = 0;
      if (!fails) s.real.tokens = then[i].tokens;
      if (!fails) s.real.marks = then[i].marks;
      s.real.resize(cache_->length(s.real.lease));
    }
  }

  void compare() {
    twin_.catch_up();
    for (const Sequence& s : sequences_) {
      ASSERT_EQ(cache_->length(s.real.lease), s.real.length());
      const auto wrong = first_wrong(*cache_, s.real);
      ASSERT_FALSE(wrong.has_value()) << "the row at " << wrong.value_or(-1);
    }
    for (uint32_t owner = 1; owner <= 3; ++owner) {
      const KvOwnerCounts counts = cache_->owner_counts({owner});
      const uint64_t bytes = charged(owner);
      ASSERT_EQ(counts.held_bytes, twin_.held_bytes(owner));
      ASSERT_EQ(counts.idle_bytes, twin_.idle_bytes(owner));
      ASSERT_EQ(counts.charged_bytes(), bytes);
      ASSERT_EQ(counts.quota_bytes, quotas_[owner]);
      if (!quotas_[owner].has_value()) continue;
      limits_[owner] = std::max(*quotas_[owner], std::min(limits_[owner], bytes));
      ASSERT_LE(bytes, limits_[owner]);
      ASSERT_TRUE(bytes <= *quotas_[owner] || counts.idle_bytes == 0) << "idle ones go at once";
    }
    const Status status = cache_->check();
    ASSERT_TRUE(status.ok()) << status.message();
  }

  Run run_;
  std::unique_ptr<KvCache> cache_;
  KvOwnerTwin twin_;
  std::mt19937_64 random_;
  std::vector<Sequence> sequences_;
  std::map<uint32_t, std::optional<uint64_t>> quotas_;
  std::map<uint32_t, uint64_t> limits_;  // above the quota where it was lowered; never rises
};

class QuotaOperationsTest : public ::testing::TestWithParam<Run> {};

TEST_P(QuotaOperationsTest, NoOwnerEverHasMoreThanItsQuota) {
  int64_t refused = 0;
  int64_t never = 0;
  int64_t refused_forks = 0;
  int64_t lowered = 0;
  int64_t shortened = 0;
  int64_t evicted = 0;
  for (uint64_t seed = 1; seed <= 40 && !HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    QuotaOperations operations(GetParam(), seed);
    operations.run(200);
    refused += operations.refused;
    never += operations.never;
    refused_forks += operations.refused_forks;
    lowered += operations.lowered;
    shortened += operations.shortened;
    evicted += operations.quota_evictions();
  }
  std::cout << refused << " refused, " << never << " of them would never fit, " << refused_forks << " forks, "
            << lowered << " quotas lowered, " << shortened << " matches shortened, " << evicted
            << " evicted\n";
  EXPECT_GT(refused, 50);
  EXPECT_GT(refused_forks, 3);
  EXPECT_GT(lowered, 10);
  EXPECT_TRUE(evicted > 100 || GetParam().sharing == PrefixSharing::kOff);
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, QuotaOperationsTest,
    ::testing::Values(Run{"plain", "f16", {{}}}, Run{"sealed_whole", "int4", {{}}},
                      Run{"one_window_of_two", "f16", {{}, {.window = 64}}},
                      Run{"all_windows", "f16", {{.window = 40}, {.window = 100}}},
                      Run{"sinks", "int4", {{}, {.window = 50, .sinks = 40}}},
                      Run{"unshared", "f16", {{}, {.window = 64}}, PrefixSharing::kOff},
                      Run{"equal_salts", "f16", {{}}, PrefixSharing::kOn, true},
                      Run{"equal_salts_windows", "f16", {{}, {.window = 64}}, PrefixSharing::kOn, true}),
    [](const auto& run) { return run.param.name; });

}  // namespace
}  // namespace cairn
