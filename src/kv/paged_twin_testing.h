// The pool and the names of a paged cache in the plainest containers: predicts what an operation must do. Its
// blocks are entries of a map, its names the tokens themselves. For tests only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cairn/ids.h"
#include "cairn/prefix_sharing.h"
#include "kernels/kv_view.h"

namespace cairn {

// A sealed block: the salt and all tokens up to its end; where nothing is shared, a number of its own.
using Key = std::pair<std::string, std::vector<TokenId>>;

struct TwinSequence {
  std::vector<Key> sealed;
  int64_t open_blocks = 0;
};

class PagedTwin {
 public:
  PagedTwin(int64_t block_count, PrefixSharing sharing) : block_count_(block_count), sharing_(sharing) {}

  [[nodiscard]] bool can_take(int64_t count) const { return count <= free_blocks() + idle_blocks(); }
  [[nodiscard]] bool exists(const Key& key) const { return holders_.contains(key); }

  bool take(int64_t count) {
    if (!can_take(count)) return false;
    for (; count > 0; --count, ++open_) {
      if (free_blocks() > 0) continue;
      holders_.erase(idle_.front());
      idle_.pop_front();
      ++evicted_;
    }
    return true;
  }
  void drop(int64_t count) { open_ -= count; }
  // An open block becomes this one, or goes because this one is there already.
  Key seal(const std::string& salt, std::span<const TokenId> tokens) {
    --open_;
    Key key{salt, {tokens.begin(), tokens.end()}};
    if (sharing_ == PrefixSharing::kOff) key = {std::to_string(++serial_), {}};
    unified_ += exists(key) ? 1 : 0;
    hold(key);
    return key;
  }
  void hold(const Key& key) {
    if (holders_[key]++ == 0) std::erase(idle_, key);
  }
  void let_go(const Key& key) {
    if (--holders_[key] > 0) return;
    if (sharing_ == PrefixSharing::kOn) return idle_.push_back(key);
    holders_.erase(key);
  }
  [[nodiscard]] bool can_reopen(const Key& key) const { return is_alone(key) || can_take(1); }
  // The sealed block becomes an open one again, or as a copy.
  void reopen(const Key& key) {
    if (is_alone(key)) {
      holders_.erase(key);
      ++open_;
      return;
    }
    take(1);
    let_go(key);
  }

  [[nodiscard]] int64_t idle_blocks() const { return static_cast<int64_t>(idle_.size()); }
  [[nodiscard]] int64_t held_blocks() const { return static_cast<int64_t>(holders_.size()) - idle_blocks(); }
  [[nodiscard]] int64_t free_blocks() const { return block_count_ - open_ - held_blocks() - idle_blocks(); }
  [[nodiscard]] int64_t used_blocks() const { return open_ + held_blocks(); }
  [[nodiscard]] std::vector<int64_t> counts() const {
    return {block_count_, free_blocks(), open_, held_blocks(), idle_blocks(), evicted_, unified_};
  }
  // An idle block's parent is there, and did not become idle before it.
  [[nodiscard]] bool ends_go_first() const {
    for (size_t i = 0; i < idle_.size(); ++i) {
      Key parent = idle_[i];
      parent.second.resize(parent.second.size() - kBlockSize);
      if (parent.second.empty()) continue;
      if (!exists(parent) || std::find(idle_.begin(), idle_.begin() + static_cast<int64_t>(i), parent) !=
                                 idle_.begin() + static_cast<int64_t>(i)) {
        return false;
      }
    }
    return true;
  }

 private:
  [[nodiscard]] bool is_alone(const Key& key) const {
    return sharing_ == PrefixSharing::kOff && holders_.at(key) == 1;
  }

  int64_t block_count_;
  PrefixSharing sharing_;
  std::map<Key, int> holders_;  // of sealed blocks, idle ones too
  std::deque<Key> idle_;        // the one that has been idle for longest is in front
  int64_t open_ = 0;
  int64_t evicted_ = 0;
  int64_t unified_ = 0;
  int64_t serial_ = 0;
};

// One for each layer group: what is done is done in all of them, or where one has no room in none.
class PagedTwins {
 public:
  PagedTwins(std::span<const int64_t> block_counts, PrefixSharing sharing) {
    for (const int64_t block_count : block_counts) groups_.emplace_back(block_count, sharing);
  }

  [[nodiscard]] const std::vector<PagedTwin>& groups() const { return groups_; }
  [[nodiscard]] bool can_take(int64_t count) const {
    return std::ranges::all_of(groups_, [&](const PagedTwin& group) { return group.can_take(count); });
  }
  // In all groups: what a match can go on with.
  [[nodiscard]] bool exists(const Key& key) const {
    return std::ranges::all_of(groups_, [&](const PagedTwin& group) { return group.exists(key); });
  }
  [[nodiscard]] bool exists_somewhere(const Key& key) const {
    return std::ranges::any_of(groups_, [&](const PagedTwin& group) { return group.exists(key); });
  }
  bool take(int64_t count) {
    if (!can_take(count)) return false;
    for (PagedTwin& group : groups_) group.take(count);
    return true;
  }
  void drop(int64_t count) {
    for (PagedTwin& group : groups_) group.drop(count);
  }
  Key seal(const std::string& salt, std::span<const TokenId> tokens) {
    Key key;
    for (PagedTwin& group : groups_) key = group.seal(salt, tokens);
    return key;
  }
  void hold(const Key& key) {
    for (PagedTwin& group : groups_) group.hold(key);
  }
  void let_go(const Key& key) {
    for (PagedTwin& group : groups_) group.let_go(key);
  }
  bool reopen(const Key& key) {
    if (!std::ranges::all_of(groups_, [&](const PagedTwin& group) { return group.can_reopen(key); })) {
      return false;
    }
    for (PagedTwin& group : groups_) group.reopen(key);
    return true;
  }

 private:
  std::vector<PagedTwin> groups_;
};

}  // namespace cairn
