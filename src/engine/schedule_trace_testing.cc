#include "engine/schedule_trace_testing.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <vector>

#include "base/check.h"
#include "engine/schedule_trace.h"

namespace cairn {
namespace {

using Numbers = std::span<const int64_t>;

constexpr size_t kListCount = 7;  // of a record

struct Record {
  Numbers limits;
  Numbers needs;
  Numbers answers;
  Numbers grants;
  Numbers starved;
  Numbers blocked;
};

Numbers take_list(Numbers& trace) {
  CHECK(!trace.empty());
  const auto count = static_cast<size_t>(trace.front());
  CHECK(count < trace.size());
  const Numbers list = trace.subspan(1, count);
  trace = trace.subspan(1 + count);
  return list;
}

// Gives the recorded answers, as long as the questions are the recorded ones.
class RecordedRoom final : public RoomKeeper {
 public:
  explicit RecordedRoom(Numbers answers) : left_(answers) {}

  Room make_room(int32_t sequence) override {
    return static_cast<Room>(answer(RoomQuestion::kMakeRoom, sequence));
  }
  [[nodiscard]] int64_t missing(int32_t sequence) const override {
    return answer(RoomQuestion::kMissing, sequence);
  }
  [[nodiscard]] int64_t freed_by(int32_t sequence) const override {
    return answer(RoomQuestion::kFreedBy, sequence);
  }
  void take_back(int32_t sequence) override { (void)answer(RoomQuestion::kTakeBack, sequence); }

  [[nodiscard]] bool is_as_recorded() const { return agrees_ && left_.empty(); }

 private:
  // Where the question is another, there is room for all: the scheduler comes to an end.
  int64_t answer(RoomQuestion question, int32_t sequence) const {
    agrees_ =
        agrees_ && left_.size() >= 3 && left_[0] == static_cast<int64_t>(question) && left_[1] == sequence;
    if (!agrees_) return 0;
    const int64_t value = left_[2];
    left_ = left_.subspan(3);
    return value;
  }

  mutable Numbers left_;
  mutable bool agrees_ = true;
};

std::vector<SequenceNeed> needs_of(Numbers numbers) {
  std::vector<SequenceNeed> needs;
  for (; !numbers.empty(); numbers = numbers.subspan(7)) {
    needs.push_back({.held_rows = numbers[0],
                     .pending_rows = numbers[1],
                     .holds_memory = numbers[2] == 1,
                     .is_restoring = numbers[3] == 1,
                     .unscored_rows = numbers[4],
                     .tenant = static_cast<uint32_t>(numbers[5]),
                     .served = numbers[6]});
  }
  return needs;
}

bool equals(const std::optional<int32_t>& value, Numbers recorded) {
  return value.has_value() ? recorded.size() == 1 && recorded[0] == *value : recorded.empty();
}

bool repeats(const Record& record) {
  std::vector<SequenceNeed> needs = needs_of(record.needs);
  RecordedRoom room(record.answers);
  Scheduler scheduler(std::ssize(needs), static_cast<PromptCuts>(record.limits[2]));
  const Scheduler::Plan plan =
      scheduler.schedule(needs, {.prefill_rows = record.limits[0], .score_rows = record.limits[1]}, room);
  std::vector<int64_t> grants;
  for (const RowGrant& grant : plan.grants) grants.insert(grants.end(), {grant.sequence, grant.row_count});
  return room.is_as_recorded() && std::ranges::equal(grants, record.grants) &&
         equals(plan.starved, record.starved) && equals(plan.blocked, record.blocked);
}

}  // namespace

Result<int64_t> replay_schedule(std::span<const int64_t> trace) {
  int64_t step_count = 0;
  for (; !trace.empty(); ++step_count) {
    std::array<Numbers, kListCount> lists;
    for (Numbers& list : lists) list = take_list(trace);
    const auto& [limits, needs, answers, grants, starved, blocked, pace] = lists;
    if (!repeats({limits, needs, answers, grants, starved, blocked})) {
      return internal_error(fmt::format("step {} of the trace is decided otherwise", step_count));
    }
  }
  return step_count;
}

Result<int64_t> replay_pace(std::span<const int64_t> trace, int64_t percent, int64_t rows_max) {
  StepPace pace(percent, rows_max);
  int64_t step_count = 0;
  for (; !trace.empty(); ++step_count) {
    Numbers note;
    for (size_t i = 0; i < kListCount; ++i) note = take_list(trace);
    if (note.size() != 6) return internal_error(fmt::format("step {} of the trace has no pace", step_count));
    const StepTiming before{note[0], note[1], note[2], static_cast<uint64_t>(note[3])};
    if (before.decode_rows + before.prompt_rows > 0) pace.note(before);
    if (pace.prompt_rows(note[4]) != note[5]) {
      return internal_error(fmt::format("step {} of the trace is paced otherwise", step_count));
    }
  }
  return step_count;
}

}  // namespace cairn
