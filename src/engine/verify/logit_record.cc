#include "engine/verify/logit_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"

namespace cairn {
namespace {

bool same_bits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

// The first index at which the bits differ; the spans differ.
size_t first_unequal(std::span<const float> a, std::span<const float> b) {
  for (size_t i = 0; i < a.size(); ++i) {
    if (!same_bits(a.subspan(i, 1), b.subspan(i, 1))) return i;
  }
  CHECK(false);
  return 0;
}

}  // namespace

LogitRecord::LogitRecord(int64_t position_count, int64_t vocab_size)
    : vocab_size_(static_cast<size_t>(vocab_size)),
      logits_(static_cast<size_t>(position_count) * vocab_size_),
      filled_(static_cast<size_t>(position_count)) {}

void LogitRecord::put(int64_t position, std::span<const float> logits) {
  CHECK(position >= 0 && position < position_count() && logits.size() == vocab_size_);
  std::copy(logits.begin(), logits.end(),
            logits_.begin() + static_cast<int64_t>(static_cast<size_t>(position) * vocab_size_));
  filled_[static_cast<size_t>(position)] = true;
}

std::span<const float> LogitRecord::at(int64_t position) const {
  CHECK(position >= 0 && position < position_count());
  return std::span(logits_).subspan(static_cast<size_t>(position) * vocab_size_, vocab_size_);
}

bool LogitRecord::is_complete() const {
  return std::ranges::all_of(filled_, [](bool is) { return is; });
}

Comparison::Comparison(std::span<const LogitRecord> expected) : expected_(expected) {
  for (const LogitRecord& record : expected) {
    const std::vector<bool> none(static_cast<size_t>(record.position_count()));
    marks_.push_back({none, none});
  }
}

void Comparison::require(int64_t text, int64_t position) {
  marks_[static_cast<size_t>(text)].required[static_cast<size_t>(position)] = true;
}

void Comparison::see(int64_t text, int64_t position, std::span<const float> logits) {
  auto seen = marks_[static_cast<size_t>(text)].seen[static_cast<size_t>(position)];
  if (!seen) {
    seen = true;
    ++position_count_;
    logit_count_ += logits.size();
  }
  const auto expected = expected_[static_cast<size_t>(text)].at(position);
  if (same_bits(logits, expected)) return;
  const auto is_later = [&](const LogitDifference& other) {
    return text > other.text || (text == other.text && position >= other.position);
  };
  if (difference_.has_value() && is_later(*difference_)) return;
  const size_t token = first_unequal(expected, logits);
  difference_ = {text, position, static_cast<TokenId>(token), expected[token], logits[token]};
}

std::string Comparison::what_is_missing() const {
  for (size_t text = 0; text < marks_.size(); ++text) {
    const Marks& marks = marks_[text];
    for (size_t position = 0; position < marks.required.size(); ++position) {
      if (!marks.required[position] || marks.seen[position]) continue;
      return fmt::format("position {} of text {} was never computed", position, text);
    }
  }
  return {};
}

std::string what_is_degenerate(const LogitRecord& record) {
  if (!record.is_complete()) return "some positions were never computed";
  bool all_positions_alike = record.position_count() > 1;
  for (int64_t position = 0; position < record.position_count(); ++position) {
    const auto logits = record.at(position);
    const auto not_finite = std::ranges::find_if(logits, [](float v) { return !std::isfinite(v); });
    if (not_finite != logits.end()) {
      return fmt::format("position {}, token {}: the logit is {}, which is no finite number", position,
                         not_finite - logits.begin(), *not_finite);
    }
    if (logits.size() > 1 && std::ranges::all_of(logits, [&](float v) { return v == logits[0]; })) {
      return fmt::format("position {}: all logits are {}", position, logits[0]);
    }
    all_positions_alike = all_positions_alike && same_bits(logits, record.at(0));
  }
  return all_positions_alike ? "all positions have the same logits" : "";
}

}  // namespace cairn
