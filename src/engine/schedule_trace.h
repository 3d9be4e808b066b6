// ScheduleTrace: the last decisions of a scheduler, with all that they were made from, as integers: whoever runs a
// record through Scheduler::schedule again gets the same plan. For looking into how an engine serves its requests
// (EngineOptions::trace); without one nothing is recorded.
//
// A record is one step: seven lists, each behind the count of its numbers.
//
//   prefill_rows, score_rows, cuts
//   held_rows, pending_rows, holds_memory, is_restoring, unscored_rows, tenant, served      for each need
//   question, sequence, answer                                for each call of the RoomKeeper, in order
//   sequence, row_count                                       for each grant
//   starved                                                   where there is one
//   blocked                                                   where there is one
//   decode_rows, prompt_rows, prompt_limit, ns, streams, answer       with a pace (EngineOptions::pace)
//
// The last list is what made the limits: what the step before had and how long it took (zeros where none ran since the
// record before), and what StepPace answered for so many streams. Times are measured; all else follows from them.
// Bounded: all memory is taken at the start, and the oldest records go. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/scheduler.h"
#include "engine/step_pace.h"

namespace cairn {

// What a StepPace was told and asked since the step before.
struct PaceNote {
  StepTiming before;
  int64_t decode_rows = 0;
  int64_t answer = 0;
};

// What a RoomKeeper was asked; kTakeBack has no answer: 0.
enum class RoomQuestion : uint8_t { kMakeRoom, kMissing, kFreedBy, kTakeBack };

class ScheduleTrace {
 public:
  // Keeps between `number_count` and twice as many numbers, once so many have been recorded. A longer record leaves a
  // gap: neither it nor what came before it is kept.
  explicit ScheduleTrace(size_t number_count);
  ScheduleTrace(const ScheduleTrace&) = delete;
  ScheduleTrace& operator=(const ScheduleTrace&) = delete;

  // scheduler.schedule(needs, limits, keeper), recorded. `pace`: where there is one.
  Scheduler::Plan schedule(Scheduler& scheduler, std::span<SequenceNeed> needs, const StepLimits& limits,
                           RoomKeeper& keeper, const PaceNote* pace = nullptr);
  // Whole records, the oldest first.
  [[nodiscard]] std::vector<int64_t> numbers() const;

 private:
  class RecordingRoom;

  void add_pace(const PaceNote& pace);
  void begin_list();
  void add(int64_t number);
  void end_record();
  void make_space();

  size_t capacity_;              // of each of the two
  std::vector<int64_t> older_;   // whole records
  std::vector<int64_t> newest_;  // after those, and at its end the one that is being written
  size_t record_begin_ = 0;      // in newest_
  size_t list_begin_ = 0;        // of its count, behind record_begin_
  bool is_too_long_ = false;     // the record, for all of newest_
};

}  // namespace cairn
