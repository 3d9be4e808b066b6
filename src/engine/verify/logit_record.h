// LogitRecord: the logits of all positions of a text, kept to compare other runs with; Comparison: one such
// run, compared by bits as its logits come. For engine/verify only.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cairn/ids.h"

namespace cairn {

class LogitRecord {
 public:
  LogitRecord(int64_t position_count, int64_t vocab_size);

  void put(int64_t position, std::span<const float> logits);
  [[nodiscard]] std::span<const float> at(int64_t position) const;
  [[nodiscard]] int64_t position_count() const { return static_cast<int64_t>(filled_.size()); }
  [[nodiscard]] bool is_complete() const;

 private:
  size_t vocab_size_;
  std::vector<float> logits_;  // [position][vocab]
  std::vector<bool> filled_;   // by position
};

// Where two runs differ: the first logit of the first position, of the first text.
struct LogitDifference {
  int64_t text = 0;
  int64_t position = 0;
  TokenId token = 0;
  float expected = 0;
  float found = 0;
};

class Comparison {
 public:
  // `expected`: a record for each text; must outlive this.
  explicit Comparison(std::span<const LogitRecord> expected);

  // This position's logits must be seen before the end.
  void require(int64_t text, int64_t position);
  // A position that is seen twice is compared twice and counted once.
  void see(int64_t text, int64_t position, std::span<const float> logits);

  [[nodiscard]] const std::optional<LogitDifference>& difference() const { return difference_; }
  [[nodiscard]] int64_t position_count() const { return position_count_; }
  [[nodiscard]] uint64_t logit_count() const { return logit_count_; }
  // A sentence about the first position that was required and never seen; empty if there is none.
  [[nodiscard]] std::string what_is_missing() const;

 private:
  struct Marks {
    std::vector<bool> required;
    std::vector<bool> seen;
  };
  std::span<const LogitRecord> expected_;
  std::vector<Marks> marks_;  // by text
  std::optional<LogitDifference> difference_;
  int64_t position_count_ = 0;
  uint64_t logit_count_ = 0;
};

// A sentence about what is wrong with a record taken by itself: a position without logits, a logit that is
// not finite, a position whose logits are all equal, or the same logits at every position. Empty if nothing
// is.
[[nodiscard]] std::string what_is_degenerate(const LogitRecord& record);

}  // namespace cairn
