#include "kv/tiers/block_loader.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/no_throw.h"

namespace cairn {
namespace {

using Time = std::chrono::steady_clock;
// What a remote store is asked for in one round trip.
constexpr int64_t kRemoteBatch = 8;

uint64_t ns_since(Time::time_point begin) {
  return static_cast<uint64_t>((Time::now() - begin) / std::chrono::nanoseconds(1));
}

}  // namespace

struct BlockLoad::State {
  // What is wanted, of the run's blocks.
  std::vector<BlockName> names;
  std::vector<TokenId> tokens;
  BlockName root{};
  BlockName parent{};  // of the first
  OwnerTag owner{};
  int64_t first_block = 0;
  Time::time_point begun_at;

  // Under the loader's mutex.
  struct Ready {
    int32_t slot;
    Tier tier;
  };
  std::vector<Ready> ready;  // in order; room for all slots
  int64_t next = 0;          // of the run, to be read
  int64_t disk_end = 0;      // the disk has the blocks up to here
  int64_t end = 0;           // and the remote store, which was asked, up to here
  bool asks_remote = false;  // is still to be asked
  bool has_ended = false;
  bool is_cancelled = false;
  LoadReport report;

  [[nodiscard]] StoredBlock block(int64_t i) const {
    const auto at = static_cast<size_t>(i);
    return {.name = names[at],
            .place = {.root = root,
                      .parent = i == 0 ? parent : names[at - 1],
                      .index = first_block + i,
                      .tokens = std::span(tokens).subspan(at * kBlockSize, kBlockSize)},
            .owner = owner};
  }
};

// ---- a load, as the engine sees it ----

BlockLoad::~BlockLoad() {
  const std::lock_guard lock(loader_.mutex_);
  state_->is_cancelled = true;
  for (const State::Ready& ready : state_->ready) loader_.slots_.give(ready.slot);
  state_->ready.clear();
  loader_.work_.notify_one();
}

std::optional<BlockLoad::Block> BlockLoad::front() const {
  const std::lock_guard lock(loader_.mutex_);
  if (state_->ready.empty()) return std::nullopt;
  const State::Ready& ready = state_->ready.front();
  return Block{.group_bytes = loader_.slots_.readable(ready.slot), .tier = ready.tier};
}

void BlockLoad::pop() {
  const std::lock_guard lock(loader_.mutex_);
  CHECK(!state_->ready.empty());
  const State::Ready ready = state_->ready.front();
  state_->ready.erase(state_->ready.begin());
  loader_.slots_.give(ready.slot);
  const auto tier = static_cast<size_t>(ready.tier);
  ++loader_.counts_.blocks[tier];
  state_->report.positions[tier] += kBlockSize;
  loader_.work_.notify_one();
}

bool BlockLoad::has_ended() const {
  const std::lock_guard lock(loader_.mutex_);
  return state_->has_ended && state_->ready.empty();
}

LoadReport BlockLoad::report() const {
  const std::lock_guard lock(loader_.mutex_);
  return state_->report;
}

// ---- the loader ----

Result<std::unique_ptr<BlockLoader>> BlockLoader::create(const KvGeometry& geometry, int64_t slot_count,
                                                         LoadPolicy policy, DiskTier* disk,
                                                         RemoteTier* remote) {
  CAIRN_ASSIGN_OR_RETURN(BlockSlots slots, BlockSlots::create(geometry, slot_count));
  return no_throw([&]() -> Result<std::unique_ptr<BlockLoader>> {
    std::unique_ptr<BlockLoader> loader(new BlockLoader(std::move(slots), geometry, policy, disk, remote));
    loader->thread_ = std::thread([&l = *loader] { l.run(); });
    return loader;
  });
}

BlockLoader::BlockLoader(BlockSlots slots, const KvGeometry& geometry, LoadPolicy policy, DiskTier* disk,
                         RemoteTier* remote)
    : policy_(policy),
      disk_(disk),
      remote_(remote),
      slots_(std::move(slots)),
      estimate_(geometry.block_bytes()) {}

BlockLoader::~BlockLoader() {
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  work_.notify_all();
  if (thread_.joinable()) thread_.join();
}

BlockLoader::Begun BlockLoader::begin(const LoadWish& wish, const OwnerTag& owner) {
  Begun begun;
  const auto first = static_cast<size_t>(wish.first_block);
  if (wish.end_block <= wish.first_block) return begun;
  const auto count = static_cast<size_t>(wish.end_block - wish.first_block);
  const auto names = std::span(wish.names.blocks).subspan(first, count);
  const int64_t disk_count = disk_ != nullptr ? disk_->leading_count(names) : 0;
  begun.report.found_positions = disk_count * kBlockSize;
  const bool may_ask_remote = remote_ != nullptr && std::cmp_less(disk_count, count);
  if (disk_count == 0 && !may_ask_remote) return begun;
  if (policy_ == LoadPolicy::kNever) {
    begun.report.choice = LoadChoice::kNotAllowed;
    return begun;
  }
  auto state = std::make_shared<BlockLoad::State>();
  state->names.assign(names.begin(), names.end());
  const auto tokens = wish.tokens.subspan(first * kBlockSize, count * kBlockSize);
  state->tokens.assign(tokens.begin(), tokens.end());
  state->root = wish.names.root;
  state->parent = first == 0 ? wish.names.root : wish.names.blocks[first - 1];
  state->owner = owner;
  state->first_block = wish.first_block;
  state->begun_at = Time::now();
  state->disk_end = state->end = disk_count;
  state->asks_remote = may_ask_remote;
  const std::lock_guard lock(mutex_);
  state->ready.reserve(static_cast<size_t>(slots_.count()));
  if (disk_count > 0 && !is_worth_it(begun.report, Tier::kDisk, wish.first_block, disk_count)) return begun;
  state->report = begun.report;
  loads_.reserve(loads_.size() + 1);  // a load that is not in the list would never end
  begun.load = std::make_unique<BlockLoad>(*this, state);
  loads_.push_back(std::move(state));
  work_.notify_one();
  return begun;
}

// Writes the estimates and the choice down.
bool BlockLoader::is_worth_it(LoadReport& report, Tier tier, int64_t first_block, int64_t count) {
  const uint64_t loading = estimate_.loading_ns(tier, count);
  const auto computing = estimate_.computing_ns(first_block * kBlockSize, (first_block + count) * kBlockSize);
  report.loading_ns += loading;
  report.computing_ns += computing.value_or(0);
  const bool is_slower = computing.has_value() && loading > *computing;
  if (policy_ == LoadPolicy::kAuto && is_slower) {
    estimate_.note_passed_over(tier);
    ++counts_.computed_instead;
    if (report.choice == LoadChoice::kNone) report.choice = LoadChoice::kComputed;
    return false;
  }
  report.choice = LoadChoice::kLoaded;
  return true;
}

void BlockLoader::note_computed(int64_t first_position, int64_t rows, uint64_t ns) {
  const std::lock_guard lock(mutex_);
  estimate_.note_computed(first_position, rows, ns);
}

void BlockLoader::wait_for_news(std::chrono::milliseconds patience) {
  Lock lock(mutex_);
  news_.wait_for(lock, patience, [&] { return has_news_; });
  has_news_ = false;
}

BlockLoader::Counts BlockLoader::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

// ---- its thread ----

// One that can go on, in turn; null: none, or there is no slot for it.
std::shared_ptr<BlockLoad::State> BlockLoader::next_load() {
  drop_ended();
  if (loads_.empty() || !slots_.has_free()) return nullptr;
  std::rotate(loads_.begin(), loads_.begin() + 1, loads_.end());
  return loads_.back();
}

void BlockLoader::drop_ended() {
  std::erase_if(loads_, [](const auto& load) { return load->is_cancelled || load->has_ended; });
}

void BlockLoader::run() {
  Lock lock(mutex_);
  for (;;) {
    std::shared_ptr<BlockLoad::State> load;
    work_.wait(lock, [&] { return is_stopping_ || (load = next_load()) != nullptr; });
    if (is_stopping_) return;
    const Status status = no_throw([&] {
      advance(*load, lock);
      return Status();
    });
    if (!lock.owns_lock()) lock.lock();
    if (!status.ok()) end(*load);
  }
}

void BlockLoader::tell() {
  has_news_ = true;
  news_.notify_all();
}

// Reads some blocks of it. The lock is not held while the disk or the network is waited for.
void BlockLoader::advance(BlockLoad::State& load, Lock& lock) {
  if (load.next < load.disk_end) {
    read_disk(load, lock);
  } else if (load.asks_remote) {
    ask_remote(load, lock);
  } else if (load.next < load.end) {
    read_remote(load, lock);
  }
  const bool has_more = load.next < load.end || load.asks_remote;
  if (!has_more && !load.has_ended) end(load);
}

void BlockLoader::end(BlockLoad::State& load) {
  load.has_ended = true;
  load.asks_remote = false;
  load.report.is_cut_short = load.next < load.end;
  load.report.took_ns = ns_since(load.begun_at);
  if (load.end > 0) ++counts_.loads;
  if (load.report.is_cut_short) ++counts_.cut_short;
  tell();
}

// The first good ones of the slots go to the load; where not all are good, it ends.
void BlockLoader::arrived(BlockLoad::State& load, Tier tier, std::span<const int32_t> slots,
                          int64_t good_count, uint64_t ns) {
  if (good_count == std::ssize(slots)) estimate_.note_loaded(tier, good_count, ns);
  for (size_t i = 0; i < slots.size(); ++i) {
    const bool is_good = std::cmp_less(i, good_count) && !load.is_cancelled;
    if (is_good) {
      load.ready.push_back({slots[i], tier});
    } else {
      slots_.give(slots[i]);
    }
  }
  load.next += good_count;
  if (good_count < std::ssize(slots)) return end(load);
  tell();
}

void BlockLoader::read_disk(BlockLoad::State& load, Lock& lock) {
  const int32_t slot = slots_.take();
  const StoredBlock block = load.block(load.next);
  lock.unlock();
  const auto begin = Time::now();
  const Status status = no_throw([&] { return disk_->read(block, slots_.bytes(slot)); });
  const uint64_t ns = ns_since(begin);
  lock.lock();
  arrived(load, Tier::kDisk, std::span(&slot, 1), status.ok() ? 1 : 0, ns);
}

void BlockLoader::ask_remote(BlockLoad::State& load, Lock& lock) {
  load.asks_remote = false;
  const auto names = std::span<const BlockName>(load.names).subspan(static_cast<size_t>(load.disk_end));
  lock.unlock();
  int64_t found = 0;
  (void)no_throw([&] {
    found = remote_->leading_count(load.owner, names);
    return Status();
  });
  lock.lock();
  load.report.found_positions += found * kBlockSize;
  if (found == 0) return;
  if (is_worth_it(load.report, Tier::kRemote, load.first_block + load.disk_end, found)) {
    load.end = load.disk_end + found;
  }
}

void BlockLoader::read_remote(BlockLoad::State& load, Lock& lock) {
  const auto count = static_cast<size_t>(std::min({kRemoteBatch, slots_.free_count(), load.end - load.next}));
  std::array<int32_t, kRemoteBatch> slots{};
  std::vector<StoredBlock> blocks;
  std::vector<BlockBytes> to;
  for (size_t i = 0; i < count; ++i) blocks.push_back(load.block(load.next + static_cast<int64_t>(i)));
  to.reserve(count);
  for (size_t i = 0; i < count; ++i) to.push_back(slots_.bytes(slots[i] = slots_.take()));
  lock.unlock();
  const auto begin = Time::now();
  int64_t good_count = 0;
  (void)no_throw([&] {
    good_count = remote_->read(blocks, to);
    return Status();
  });
  const uint64_t ns = ns_since(begin);
  lock.lock();
  arrived(load, Tier::kRemote, std::span(slots).first(count), good_count, ns);
}

}  // namespace cairn
