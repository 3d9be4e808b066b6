// What cairn verify prints while it runs: a line for each KV plan of a model, or for each synthetic model, when it is
// done, and one for each row that is not as it must be, at once.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cli/console.h"
#include "cli/row_writer.h"
#include "cli/terminal_input.h"
#include "cli/verify_report.h"
#include "engine/verify/laws.h"

namespace cairn {

// Where a check writes, and what ends it.
struct Watch {
  enum class Lines : uint8_t { kShown, kNone };  // kNone: the output is one JSON object
  Console& console;
  const Interrupt& interrupt;
  Lines lines = Lines::kShown;

  void say(std::string_view text) const {
    if (lines == Lines::kShown) console.write(text);
  }
};

class PlanLines {
 public:
  explicit PlanLines(const Watch& watch);

  void begin(Isa isa) { isa_ = isa; }
  // Rows of a plan come one after the other.
  void add(const LawRow& row);
  // No more rows of this instruction set.
  void end();

 private:
  const Watch& watch_;
  RowWriter writer_;
  Isa isa_ = Isa::kScalar;
  std::optional<KvPlan> plan_;
  VerifyCounts counts_;
  int64_t position_count_ = 0;
  std::string remark_;
};

class ModelLines {
 public:
  explicit ModelLines(const Watch& watch);
  // One model under all instruction sets.
  void add(std::span<const VerifiedModel> models);

 private:
  const Watch& watch_;
  RowWriter writer_;
};

}  // namespace cairn
