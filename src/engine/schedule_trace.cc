#include "engine/schedule_trace.h"

#include <optional>

namespace cairn {

class ScheduleTrace::RecordingRoom final : public RoomKeeper {
 public:
  RecordingRoom(ScheduleTrace& trace, RoomKeeper& keeper) : trace_(trace), keeper_(keeper) {}

  Room make_room(int32_t sequence) override {
    const Room room = keeper_.make_room(sequence);
    record(RoomQuestion::kMakeRoom, sequence, static_cast<int64_t>(room));
    return room;
  }
  [[nodiscard]] int64_t missing(int32_t sequence) const override {
    return record(RoomQuestion::kMissing, sequence, keeper_.missing(sequence));
  }
  [[nodiscard]] int64_t freed_by(int32_t sequence) const override {
    return record(RoomQuestion::kFreedBy, sequence, keeper_.freed_by(sequence));
  }
  void take_back(int32_t sequence) override {
    keeper_.take_back(sequence);
    record(RoomQuestion::kTakeBack, sequence, 0);
  }

 private:
  int64_t record(RoomQuestion question, int32_t sequence, int64_t answer) const {
    trace_.add(static_cast<int64_t>(question));
    trace_.add(sequence);
    trace_.add(answer);
    return answer;
  }

  ScheduleTrace& trace_;
  RoomKeeper& keeper_;
};

ScheduleTrace::ScheduleTrace(size_t number_count) : capacity_(number_count) {
  older_.reserve(capacity_);
  newest_.reserve(capacity_);
}

Scheduler::Plan ScheduleTrace::schedule(Scheduler& scheduler, std::span<SequenceNeed> needs,
                                        const StepLimits& limits, RoomKeeper& keeper, const PaceNote* pace) {
  begin_list();
  for (const int64_t number :
       {limits.prefill_rows, limits.score_rows, static_cast<int64_t>(scheduler.cuts())}) {
    add(number);
  }
  begin_list();
  for (const SequenceNeed& need : needs) {
    add(need.held_rows);
    add(need.pending_rows);
    add(need.holds_memory ? 1 : 0);
    add(need.is_restoring ? 1 : 0);
    add(need.unscored_rows);
    add(need.tenant);
    add(need.served);
  }
  begin_list();
  RecordingRoom room(*this, keeper);
  const Scheduler::Plan plan = scheduler.schedule(needs, limits, room);
  begin_list();
  for (const RowGrant& grant : plan.grants) {
    add(grant.sequence);
    add(grant.row_count);
  }
  for (const std::optional<int32_t> sequence : {plan.starved, plan.blocked}) {
    begin_list();
    if (sequence.has_value()) add(*sequence);
  }
  begin_list();
  if (pace != nullptr) add_pace(*pace);
  end_record();
  return plan;
}

void ScheduleTrace::add_pace(const PaceNote& pace) {
  for (const int64_t number : {pace.before.decode_rows, pace.before.prompt_rows, pace.before.prompt_limit,
                               static_cast<int64_t>(pace.before.ns), pace.decode_rows, pace.answer}) {
    add(number);
  }
}

std::vector<int64_t> ScheduleTrace::numbers() const {
  std::vector<int64_t> numbers = older_;
  numbers.insert(numbers.end(), newest_.begin(), newest_.end());
  return numbers;
}

void ScheduleTrace::begin_list() {
  if (newest_.size() == capacity_) make_space();
  list_begin_ = newest_.size() - record_begin_;
  if (!is_too_long_) newest_.push_back(0);
}

void ScheduleTrace::add(int64_t number) {
  if (newest_.size() == capacity_) make_space();
  if (is_too_long_) return;
  newest_.push_back(number);
  ++newest_[record_begin_ + list_begin_];
}

void ScheduleTrace::end_record() {
  if (is_too_long_) {
    newest_.clear();
    older_.clear();
  }
  is_too_long_ = false;
  record_begin_ = newest_.size();
}

// newest_ is full: its whole records become the older ones, and it begins with what there is of the record.
void ScheduleTrace::make_space() {
  is_too_long_ = is_too_long_ || record_begin_ == 0;
  if (is_too_long_) return;
  older_.swap(newest_);
  newest_.assign(older_.begin() + static_cast<std::ptrdiff_t>(record_begin_), older_.end());
  older_.resize(record_begin_);
  record_begin_ = 0;
}

}  // namespace cairn
