// BodyBudget: how many bytes all requests' bodies of a server take together, and BodyLease: one body's part of it.
// Any thread. The budget lives as long as its last lease.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <utility>

namespace cairn {

class BodyBudget {
 public:
  explicit BodyBudget(size_t bytes_max) : bytes_max_(bytes_max) {}

  [[nodiscard]] bool take(size_t bytes) {
    if (used_.fetch_add(bytes) + bytes <= bytes_max_) return true;
    used_.fetch_sub(bytes);
    return false;
  }
  void give_back(size_t bytes) { used_.fetch_sub(bytes); }
  [[nodiscard]] size_t used_bytes() const { return used_.load(); }

 private:
  const size_t bytes_max_;
  std::atomic<size_t> used_{0};
};

// Gives back in its destructor what it took.
class BodyLease {
 public:
  BodyLease() = default;
  explicit BodyLease(std::shared_ptr<BodyBudget> budget) : budget_(std::move(budget)) {}
  BodyLease(BodyLease&& other) noexcept
      : budget_(std::move(other.budget_)), bytes_(std::exchange(other.bytes_, 0)) {}
  BodyLease& operator=(BodyLease&& other) noexcept {
    if (this == &other) return *this;
    release();
    budget_ = std::move(other.budget_);
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }
  ~BodyLease() { release(); }

  // False, and nothing taken, where the budget has no room for `bytes` more.
  [[nodiscard]] bool grow(size_t bytes) {
    if (!budget_->take(bytes)) return false;
    bytes_ += bytes;
    return true;
  }

 private:
  void release() {
    if (bytes_ > 0) budget_->give_back(std::exchange(bytes_, 0));
  }

  std::shared_ptr<BodyBudget> budget_;
  size_t bytes_ = 0;
};

}  // namespace cairn
