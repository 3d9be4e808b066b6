// Laws 1 to 4, checked on a model: the cache changes no bit of any logit, and neither does how the work was
// cut; the memory plan is the truth; every block is in one state. A text's logits are computed once without a
// cache, all positions together; then the same text is run in every other way there is, and each
// logit is compared by its bits.
//
// Always true: everything goes through Engine::submit and Engine::step; nothing is printed; the same model,
// options and machine give the same report. `cairn verify` and tests call it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "engine/forward_pass.h"
#include "engine/verify/logit_record.h"
#include "engine/verify/texts.h"
#include "kv/kv_plan.h"
#include "model/model.h"

namespace cairn {

enum class LawOutcome : uint8_t {
  kEqual,
  kDifferent,      // LawRow::difference says where
  kFailed,         // nothing sound was computed: LawRow::remark says why
  kNotApplicable,  // LawRow::remark says why
};

// One way of computing the same thing, with one KV plan.
struct LawRow {
  int law = 1;
  std::string what;  // "prefill chunk 7"
  KvPlan kv_plan;
  LawOutcome outcome = LawOutcome::kEqual;
  int64_t position_count = 0;  // compared
  uint64_t logit_count = 0;    // likewise
  std::optional<LogitDifference> difference;
  std::string remark;
};

struct LawProgress {
  std::string_view what;  // the row that runs
  uint64_t done = 0;      // of an amount of work without a unit
  uint64_t total = 0;
};

// The default plan, then one for each other format, the integer formats row by row, and one plan that mixes layers,
// whole blocks and rows: all that can go wrong in one way.
[[nodiscard]] std::vector<KvPlan> default_law_plans();

struct LawOptions {
  TextKind text_kind = TextKind::kPassage;
  // Positions of the text, at least 2; absent: default_law_positions().
  std::optional<int64_t> position_count;
  // KV plans, at least one; the first one's recomputation from scratch leaves out the fewest positions. One
  // that does not fit the model (a rotation of heads that are no power of two) gets one row, which says so.
  std::vector<KvPlan> kv_plans = default_law_plans();
  // Numbers of threads to compare, at least one; all other rows run with the first.
  std::vector<int> thread_counts = {1, 2};
  uint64_t seed = 1;  // of the texts of random ids
  std::function<void(const LawProgress&)> on_progress;
  std::function<void(const LawRow&)> on_row;  // each row, when it is done
  // Asked after every step; false ends the check with the rows that are done. Empty: yes.
  std::function<bool()> keeps_going;
  PassWrapper wrap_pass;  // for tests; empty: nothing stands between engines and the model
};

// Past one attention span and several blocks, unless the context, the model's size or its instruction set
// (scalar) makes that too much; then fewer.
[[nodiscard]] int64_t default_law_positions(const Model& model);

// A row for each way and plan, plan by plan (scalar: of plans after the first, only the ways that a codec could break), in
// the order in which they ran. Errors: kInvalidArgument (an option that does not fit the model).
Result<std::vector<LawRow>> check_laws(const std::shared_ptr<const Model>& model, const LawOptions& options);

}  // namespace cairn
