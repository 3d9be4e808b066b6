#include "kv/tiers/block_loader.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/no_throw.h"

namespace cairn {
namespace {

using Time = std::chrono::steady_clock;
constexpr int64_t kRemoteBatch = 8;
// Of a step that waits for its blocks. A disk that is slower keeps only those waiting that need them.
constexpr std::chrono::seconds kPatience{1};

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
  int64_t pause_at = 0;      // blocks from here on wait for the caller's word

  // The blocks [next, end), coming layer by layer.
  struct Stream {
    std::vector<std::vector<std::span<std::byte>>> to;
    std::vector<RecordReader> readers;  // the loader's thread alone
    int64_t layers = 0;                 // that have come of all blocks
    uint64_t ns = 0;                    // of reading
    bool has_failed = false;
    Time::time_point deadline;
  };
  std::shared_ptr<Stream> stream;  // null: none, or no more
  bool is_cut = false;             // a block was found bad
  bool has_ended = false;
  bool is_cancelled = false;
  LoadReport report;

  [[nodiscard]] bool is_paused() const { return next == pause_at && next < end && stream == nullptr; }
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
  end_stream(Streamed::kInVain);
  const std::lock_guard lock(loader_.mutex_);
  state_->is_cancelled = true;
  for (const State::Ready& ready : state_->ready) loader_.slots_.give(ready.slot);
  state_->ready.clear();
  loader_.work_.notify_all();
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
  loader_.work_.notify_all();
}

int64_t BlockLoad::waiting_blocks() const {
  const std::lock_guard lock(loader_.mutex_);
  return state_->is_paused() && state_->ready.empty() ? state_->end - state_->next : 0;
}

void BlockLoad::go_on() {
  const std::lock_guard lock(loader_.mutex_);
  state_->pause_at = state_->end;
  loader_.work_.notify_all();
}

void BlockLoad::stream(std::vector<std::vector<std::span<std::byte>>> to) {
  auto stream = std::make_shared<State::Stream>();
  stream->to = std::move(to);
  stream->deadline = Time::now() + kPatience;
  const std::lock_guard lock(loader_.mutex_);
  CHECK(state_->is_paused() && std::ssize(stream->to) == state_->end - state_->next);
  state_->stream = std::move(stream);
  loader_.work_.notify_all();
}

Status BlockLoad::wait_for_layer(int64_t layer) {
  std::unique_lock lock(loader_.mutex_);
  const State::Stream& stream = *state_->stream;
  const bool has_come = loader_.news_.wait_until(lock, stream.deadline,
                                                 [&] { return stream.layers > layer || stream.has_failed; });
  if (stream.layers > layer) return {};
  return invalid_data(has_come ? "a block that was being loaded is missing or damaged"
                               : "the blocks that were being loaded did not come in time");
}

void BlockLoad::end_stream(Streamed how) {
  const std::lock_guard lock(loader_.mutex_);
  if (state_->stream == nullptr) return;
  CHECK(how == Streamed::kInVain || state_->stream->layers == loader_.layer_count_);
  state_->stream.reset();
  state_->pause_at = state_->end;
  if (how == Streamed::kUsed) {
    const int64_t count = state_->end - state_->next;
    constexpr auto kDisk = static_cast<size_t>(Tier::kDisk);
    loader_.counts_.blocks[kDisk] += static_cast<uint64_t>(count);
    state_->report.positions[kDisk] += count * kBlockSize;
    state_->next = state_->end;
  }
  loader_.end_if_done(*state_);
  loader_.work_.notify_all();
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

Result<std::unique_ptr<BlockLoader>> BlockLoader::create(const KvGeometry& geometry,
                                                         const BlockLoaderOptions& options, DiskTier* disk,
                                                         RemoteTier* remote) {
  CAIRN_ASSIGN_OR_RETURN(BlockSlots slots, BlockSlots::create(geometry, options.slot_count));
  return no_throw([&]() -> Result<std::unique_ptr<BlockLoader>> {
    std::unique_ptr<BlockLoader> loader(new BlockLoader(std::move(slots), geometry, options, disk, remote));
    loader->threads_.reserve(kTierCount);
    for (const Tier tier : {Tier::kDisk, Tier::kRemote}) {
      const bool is_there = tier == Tier::kDisk ? disk != nullptr : remote != nullptr;
      if (is_there) loader->threads_.emplace_back([&l = *loader, tier] { l.run(tier); });
    }
    return loader;
  });
}

BlockLoader::BlockLoader(BlockSlots slots, const KvGeometry& geometry, const BlockLoaderOptions& options,
                         DiskTier* disk, RemoteTier* remote)
    : policy_(options.policy),
      layer_count_(geometry.layer_count()),
      streamed_blocks_(static_cast<int64_t>(options.streamed_bytes / geometry.block_bytes())),
      remote_batch_(RemoteTier::batch_of(geometry.block_bytes(), kRemoteBatch)),
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
  for (std::thread& thread : threads_) thread.join();
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
    if (disk_count > 0) begun.report.choice = LoadChoice::kNotAllowed;  // nobody asked the remote store
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
  state->pause_at = std::ssize(names);
  const std::lock_guard lock(mutex_);
  state->ready.reserve(static_cast<size_t>(slots_.count()));
  if (disk_count > 0 && !is_worth_it(begun.report, Tier::kDisk, wish.first_block, disk_count)) return begun;
  if (wish.may_stream && !may_ask_remote) {
    state->pause_at = std::max<int64_t>(0, disk_count - blocks_to_stream(wish, disk_count));
  }
  state->report = begun.report;
  loads_.reserve(loads_.size() + 1);  // a load that is not in the list would never end
  begun.load = std::make_unique<BlockLoad>(*this, state);
  loads_.push_back(std::move(state));
  work_.notify_all();
  return begun;
}

// What can be computed meanwhile is worth as many blocks as are loaded in that time: more only read the disk out of order.
int64_t BlockLoader::blocks_to_stream(const LoadWish& wish, int64_t disk_count) const {
  const int64_t first = (wish.first_block + disk_count) * kBlockSize;
  const auto computing = estimate_.computing_ns(first, std::ssize(wish.tokens));
  if (!computing.has_value()) return streamed_blocks_;
  const uint64_t block_ns = std::max<uint64_t>(1, estimate_.loading_ns(Tier::kDisk, 1));
  return std::min(streamed_blocks_, static_cast<int64_t>(*computing / block_ns));
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

// What a tier's thread can do for it now.
bool BlockLoader::has_work(const BlockLoad::State& load, Tier tier) const {
  if (tier == Tier::kRemote) {
    const bool is_next = load.next >= load.disk_end && load.next < load.end;
    return load.asks_remote || (is_next && slots_.has_free());
  }
  if (!slots_.has_free()) return false;
  if (load.stream != nullptr) return !load.stream->has_failed && load.stream->layers < layer_count_;
  return load.next < load.disk_end && !load.is_paused();
}

// One that can go on, in turn; null: none.
std::shared_ptr<BlockLoad::State> BlockLoader::next_load(Tier tier) {
  std::erase_if(loads_, [](const auto& load) { return load->is_cancelled || load->has_ended; });
  const auto next = std::ranges::find_if(loads_, [&](const auto& load) { return has_work(*load, tier); });
  if (next == loads_.end()) return nullptr;
  std::rotate(next, next + 1, loads_.end());  // it is the last in turn now
  return loads_.back();
}

void BlockLoader::run(Tier tier) {
  Lock lock(mutex_);
  for (;;) {
    std::shared_ptr<BlockLoad::State> load;
    work_.wait(lock, [&] { return is_stopping_ || (load = next_load(tier)) != nullptr; });
    if (is_stopping_) return;
    const Status status = no_throw([&] {
      tier == Tier::kDisk ? advance_on_disk(*load, lock) : advance_on_remote(*load, lock);
      return Status();
    });
    if (!lock.owns_lock()) lock.lock();
    if (!status.ok() && !load->has_ended) end(*load);
  }
}

// To the engine, and to the other tier's thread: there may be a free slot, or a block whose turn it is.
void BlockLoader::tell() {
  has_news_ = true;
  news_.notify_all();
  work_.notify_all();
}

// The lock is not held while the disk or the network is waited for.
void BlockLoader::advance_on_disk(BlockLoad::State& load, Lock& lock) {
  if (load.stream != nullptr) return read_layers(load, lock);
  read_disk(load, lock);
  end_if_done(load);
}

void BlockLoader::advance_on_remote(BlockLoad::State& load, Lock& lock) {
  if (load.asks_remote) return ask_remote(lock);
  read_remote(load, lock);
  end_if_done(load);
}

void BlockLoader::end_if_done(BlockLoad::State& load) {
  const bool has_more = load.next < load.end || load.asks_remote;
  if (!has_more && !load.has_ended) end(load);
}

void BlockLoader::end(BlockLoad::State& load) {
  load.has_ended = true;
  load.asks_remote = false;
  load.report.is_cut_short = load.is_cut || load.next < load.end;
  if (load.report.took_ns == 0) load.report.took_ns = ns_since(load.begun_at);
  if (load.end > 0) ++counts_.loads;
  if (load.report.is_cut_short) ++counts_.cut_short;
  tell();
}

// The first good ones of the slots go to the load; where not all are good, it ends.
void BlockLoader::arrived(BlockLoad::State& load, Tier tier, std::span<const int32_t> slots,
                          int64_t good_count, uint64_t ns) {
  if (good_count > 0) estimate_.note_loaded(tier, good_count, ns);
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

// Slots for blocks of the load, from its `first` that has not come on, as many as `most`.
BlockLoader::Taken BlockLoader::take_slots(const BlockLoad::State& load, int64_t first, int64_t most) {
  Taken taken;
  const auto count = static_cast<size_t>(std::min(most, slots_.free_count()));
  taken.slots.reserve(count);
  taken.to.reserve(count);
  for (size_t i = 0; i < count; ++i)
    taken.blocks.push_back(load.block(load.next + first + static_cast<int64_t>(i)));
  for (size_t i = 0; i < count; ++i) {
    taken.slots.push_back(slots_.take());
    taken.to.push_back(slots_.bytes(taken.slots.back()));
  }
  return taken;
}

void BlockLoader::read_disk(BlockLoad::State& load, Lock& lock) {
  const int64_t end = std::min(load.disk_end, std::max(load.pause_at, load.next + 1));
  const Taken taken = take_slots(load, 0, std::min(DiskTier::kBlocksOfARead, end - load.next));
  lock.unlock();
  const auto begin = Time::now();
  int64_t good_count = 0;
  (void)no_throw([&] {
    good_count = disk_->read(taken.blocks, taken.to);
    return Status();
  });
  const uint64_t ns = ns_since(begin);
  lock.lock();
  arrived(load, Tier::kDisk, taken.slots, good_count, ns);
}

// The next layers of all blocks of a stream, each by way of a slot: the memory that they are for may be taken back while the
// disk is waited for.
void BlockLoader::read_layers(BlockLoad::State& load, Lock& lock) {
  const std::shared_ptr<BlockLoad::State::Stream> stream = load.stream;
  const int64_t first = stream->layers;
  const int64_t end = std::min(first + disk_->layers_of_a_read(), layer_count_);
  const int64_t count = std::ssize(stream->to);
  const auto begin = Time::now();
  int64_t good_count = 0;
  bool is_good = true;
  while (is_good && load.stream == stream && good_count < count) {
    const Taken taken = take_slots(load, good_count, std::min(DiskTier::kBlocksOfARead, count - good_count));
    lock.unlock();
    int64_t good_now = 0;
    (void)no_throw([&] {
      good_now = read_layers_of(stream->readers, taken, good_count, first, end);
      return Status();
    });
    lock.lock();
    for (int64_t i = 0; i < good_now && load.stream == stream; ++i) {
      const auto at = static_cast<size_t>(i);
      disk_->copy_layers(first, end, taken.to[at], stream->to[static_cast<size_t>(good_count + i)]);
    }
    for (const int32_t slot : taken.slots) slots_.give(slot);
    is_good = good_now == std::ssize(taken.slots) && good_now > 0;
    good_count += good_now;
  }
  stream->ns += ns_since(begin);
  if (load.stream != stream) return work_.notify_all();
  if (is_good) {
    stream->layers = end;
    if (end == layer_count_) {
      estimate_.note_loaded(Tier::kDisk, good_count, stream->ns);
      load.report.took_ns = ns_since(load.begun_at);
    }
  } else {
    stream->has_failed = load.is_cut = true;
    load.end = load.disk_end = load.next + good_count;
  }
  tell();
}

// Without the lock: the readers are the disk's thread's.
int64_t BlockLoader::read_layers_of(std::vector<RecordReader>& readers, const Taken& taken,
                                    int64_t first_block, int64_t first, int64_t end) {
  const auto begin = static_cast<size_t>(first_block);
  size_t count = taken.blocks.size();
  for (size_t i = 0; first == 0 && i < count; ++i) {
    auto reader = disk_->look_at(taken.blocks[i]);
    if (!reader.ok()) count = i;
    if (reader.ok()) readers.push_back(std::move(*reader));
  }
  return disk_->read_layers(std::span(readers).subspan(begin, count), std::span(taken.blocks).first(count),
                            first, end, std::span(taken.to).first(count));
}

// For all loads at once: those that come while an answer is awaited wait for one answer more, not for one each.
void BlockLoader::ask_remote(Lock& lock) {
  std::vector<std::shared_ptr<BlockLoad::State>> asking;
  std::vector<RemoteTier::Question> questions;
  for (const auto& load : loads_) {
    if (!load->asks_remote) continue;
    asking.push_back(load);
    questions.push_back(
        {.owner = load->owner, .names = std::span(load->names).subspan(static_cast<size_t>(load->disk_end))});
  }
  std::vector<int64_t> found(asking.size());
  lock.unlock();
  (void)no_throw([&] {
    found = remote_->leading_counts(questions);
    return Status();
  });
  lock.lock();
  for (size_t i = 0; i < asking.size(); ++i) {
    BlockLoad::State& load = *asking[i];
    if (load.has_ended) continue;
    load.asks_remote = false;
    load.report.found_positions += found[i] * kBlockSize;
    const int64_t first = load.first_block + load.disk_end;
    if (found[i] > 0 && is_worth_it(load.report, Tier::kRemote, first, found[i])) {
      load.end = load.disk_end + found[i];
    }
    end_if_done(load);
  }
  work_.notify_all();
}

void BlockLoader::read_remote(BlockLoad::State& load, Lock& lock) {
  // A network that is slow must not take the slots from the disk.
  const int64_t share = disk_ != nullptr ? std::max<int64_t>(1, slots_.count() / 2) : slots_.count();
  const Taken taken = take_slots(load, 0, std::min({remote_batch_, share, load.end - load.next}));
  lock.unlock();
  const auto begin = Time::now();
  int64_t good_count = 0;
  (void)no_throw([&] {
    good_count = remote_->read(taken.blocks, taken.to);
    return Status();
  });
  const uint64_t ns = ns_since(begin);
  lock.lock();
  arrived(load, Tier::kRemote, taken.slots, good_count, ns);
}

}  // namespace cairn
