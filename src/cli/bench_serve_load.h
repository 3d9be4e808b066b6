// The load of `cairn bench serve`: which requests there are, and when they arrive. A pure function of its options.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "cairn/status.h"

namespace cairn {

// How long prompts or answers are: "100" all alike; "50-200" anything between, equally likely; "lognormal:100,0.5" with
// this median, and this standard deviation of the logarithm (0.5: two in three between 61 and 165).
class Lengths {
 public:
  explicit Lengths(int64_t all) : low_(static_cast<double>(all)), high_(static_cast<double>(all)) {}
  static Result<Lengths> parse(std::string_view text);

  // At least 1. Draw `counter` of (seed, stream).
  [[nodiscard]] int64_t draw(uint64_t seed, uint64_t stream, uint64_t counter) const;

 private:
  enum class Shape : uint8_t { kUniform, kLogNormal };
  Shape shape_ = Shape::kUniform;
  double low_ = 1;   // kLogNormal: the median
  double high_ = 1;  // kLogNormal: sigma
};

struct LoadOptions {
  // Who decides when a request is sent: absent both, one user; or the trace.
  std::optional<double>
      rate;  // --rate: so many a second, at random (Poisson), whether or not earlier ones are answered
  std::optional<int64_t> users;  // --users: each sends its next when its last is answered
  std::optional<int64_t> request_count;
  std::optional<double> seconds;  // nothing is sent after
  Lengths prompt_words{100};      // of each prompt's own
  Lengths answer_tokens{64};
  double shared_share = 0;     // of all requests begin with one common prefix ...
  int64_t prefix_words = 500;  // ... of so many words; the others have as many of their own
  std::optional<std::string> trace_path;
  uint64_t seed = 1;
};

struct PlannedCall {
  std::variant<std::string, std::vector<int64_t>> prompt;  // text or token ids
  int64_t max_tokens = 0;
  double at_s = 0;  // after the start; of a closed loop: ignored
};

class LoadPlan {
 public:
  enum class Arrivals : uint8_t { kPlanned, kClosedLoop };

  // Errors: options that do not go together, a trace that cannot be read (the line is named).
  static Result<LoadPlan> create(const LoadOptions& options);
  // The same, of a trace's text: lines of {"at_ms": 0, "prompt": "text" or [ids], "max_tokens": 64}; instead of a prompt
  // "prompt_words": how many words to make up.
  static Result<LoadPlan> of_trace(std::string_view text, const LoadOptions& options);

  [[nodiscard]] Arrivals arrivals() const { return arrivals_; }
  // Absent: without end.
  [[nodiscard]] std::optional<int64_t> size() const { return size_; }
  [[nodiscard]] int64_t user_count() const { return options_.users.value_or(1); }
  [[nodiscard]] std::optional<double> seconds() const { return options_.seconds; }
  // To be asked in order: each arrival follows from the one before.
  [[nodiscard]] PlannedCall next();

 private:
  explicit LoadPlan(const LoadOptions& options);
  [[nodiscard]] std::string made_up_prompt(uint64_t call) const;

  LoadOptions options_;
  Arrivals arrivals_ = Arrivals::kClosedLoop;
  std::optional<int64_t> size_;
  std::string prefix_;
  std::vector<PlannedCall> trace_;  // in order of arrival; empty: made up
  uint64_t next_ = 0;
  double last_at_s_ = 0;
};

}  // namespace cairn
