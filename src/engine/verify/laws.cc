#include "engine/verify/laws.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "engine/verify/variations.h"
#include "kernels/kernels.h"
#include "kv/kv_plan_lists.h"

namespace cairn {
namespace {

constexpr int64_t kPositions = 300;  // an attention span (256), a block (32) and some more
constexpr int64_t kFewest = 36;      // what remains of it where time is short: still past a block

uint64_t products_per_row(const Model& model) {
  return model.layer_products_per_row() + model.output_products_per_row();
}

// Multiply-adds that the whole check may spend, about; the plain kernels do perhaps a hundredth of the
// others' in the same time.
uint64_t product_budget(const Model& model) {
  return model.kernels().isa == Isa::kScalar ? 6'000'000'000 : 20'000'000'000'000;
}

// Recomputing n positions from scratch costs n^2 / 2 rows; a third of what a check may spend goes there.
// Where all positions are too many, evenly spaced ones are taken, down from the last.
std::vector<int64_t> scratch_positions(int64_t position_count, uint64_t row_budget) {
  const uint64_t count = static_cast<uint64_t>(position_count);
  const uint64_t stride =
      std::clamp<uint64_t>(count * count / 2 / std::max<uint64_t>(row_budget, 1), 1, count);
  std::vector<int64_t> positions;
  for (int64_t p = position_count - 1; p >= 0; p -= static_cast<int64_t>(stride)) positions.push_back(p);
  std::ranges::reverse(positions);
  return positions;
}

uint64_t scratch_row_budget(const Model& model, bool is_first_type) {
  const uint64_t rows = product_budget(model) / 3 / std::max<uint64_t>(products_per_row(model), 1);
  constexpr uint64_t kManyRows = 50'000;  // all of kPositions; more than this nobody waits for
  return std::min(rows, kManyRows) / (is_first_type ? 1 : 8);
}

Status check_options(const Model& model, const LawOptions& options, int64_t position_count) {
  const int64_t context = model.config().context_length;
  if (position_count < 2 || position_count > context) {
    return invalid_argument(fmt::format("{} positions cannot be compared with this model: it takes 2 to {}",
                                        position_count, context));
  }
  if (options.kv_plans.empty()) return invalid_argument("no KV plan is given to check");
  if (options.thread_counts.empty() || std::ranges::min(options.thread_counts) < 1) {
    return invalid_argument("the numbers of threads to compare must be at least 1");
  }
  return {};
}

// Counts work over all plans.
class Progress {
 public:
  explicit Progress(const LawOptions& options) : report_(options.on_progress) {}
  void plan(uint64_t work) { total_ += work; }
  void begin(const std::string& what) {
    what_ = what;
    add(0);
  }
  void add(int64_t work) {
    done_ = std::min(done_ + static_cast<uint64_t>(work), total_);
    if (report_) report_({what_, done_, total_});
  }

 private:
  const std::function<void(const LawProgress&)>& report_;
  std::string what_;
  uint64_t done_ = 0;
  uint64_t total_ = 0;
};

LawRow run_variation(const Variation& variation, const Scene& scene, std::span<const LogitRecord> expected) {
  LawRow row{.law = variation.law, .what = variation.what, .kv_plan = scene.kv_plan};
  Comparison comparison(expected);
  const Result<std::string> remark = variation.run(scene, comparison);
  row.position_count = comparison.position_count();
  row.logit_count = comparison.logit_count();
  row.difference = comparison.difference();
  row.remark = remark.ok() ? *remark : remark.status().message();
  if (row.difference.has_value()) {
    row.outcome = LawOutcome::kDifferent;
  } else if (!remark.ok()) {
    row.outcome = LawOutcome::kFailed;
  } else if (!row.remark.empty()) {
    row.outcome = LawOutcome::kNotApplicable;
  } else if (row.remark = comparison.what_is_missing(); !row.remark.empty()) {
    row.outcome = LawOutcome::kFailed;
  }
  return row;
}

// Equal nonsense is no proof: the logits must be numbers that distinguish tokens and positions.
LawRow sound_logits(const Scene& scene, std::span<const LogitRecord> expected) {
  LawRow row{.law = 1, .what = "logits are finite and not constant", .kv_plan = scene.kv_plan};
  const auto vocab_size = static_cast<uint64_t>(scene.model->config().vocab_size);
  for (size_t text = 0; text < expected.size(); ++text) {
    row.position_count += expected[text].position_count();
    row.logit_count += static_cast<uint64_t>(expected[text].position_count()) * vocab_size;
    const std::string fault = what_is_degenerate(expected[text]);
    if (fault.empty() || !row.remark.empty()) continue;
    row.outcome = LawOutcome::kFailed;
    row.remark = text == 0 ? fault : fmt::format("text {}: {}", text, fault);
  }
  return row;
}

// The rows as they come, until the caller has had enough.
class Rows {
 public:
  explicit Rows(const LawOptions& options) : options_(options) {}
  [[nodiscard]] bool keeps_going() const { return !options_.keeps_going || options_.keeps_going(); }
  void add(LawRow row) {
    if (options_.on_row) options_.on_row(row);
    rows_.push_back(std::move(row));
  }
  [[nodiscard]] std::vector<LawRow> take() { return std::move(rows_); }

 private:
  const LawOptions& options_;
  std::vector<LawRow> rows_;
};

// What was stopped in the middle is no row.
Status check_plan(const Scene& scene, std::span<const Variation> variations, Progress& progress, Rows& rows) {
  progress.begin("without a cache");
  const auto expected = expected_logits(scene);
  if (!rows.keeps_going()) return {};
  if (!expected.ok()) return expected.status();
  rows.add(sound_logits(scene, *expected));
  for (const Variation& variation : variations) {
    progress.begin(variation.what);
    LawRow row = run_variation(variation, scene, *expected);
    if (!rows.keeps_going()) return {};
    rows.add(std::move(row));
  }
  return {};
}

}  // namespace

std::vector<KvPlan> default_law_plans() {
  std::vector<KvPlan> plans = kv_plans_of_every_format();
  std::ranges::stable_partition(plans, [](const KvPlan& plan) { return plan == KvPlan(); });
  for (const KvFormatInfo& info : kKvFormats) {
    constexpr auto kByToken = KvAxis::kToken;  // row by row: the formats' names alone mean whole blocks
    if (!kv_is_integer(info.format)) continue;
    plans.push_back(KvPlan({.keys = {info.format, kByToken}, .values = {info.format, kByToken}}));
  }
  Result<KvPlan> mixed = KvPlan::parse("layers 0: f16; rest: k=int4:channel,v=int8:token");
  CHECK(mixed.ok());
  plans.push_back(std::move(*mixed));
  for (const char* forgetting : {"window=48", "int4,sinks=4,window=48"}) {
    plans.push_back(KvPlan::parse(forgetting).value());
  }
  return plans;
}

int64_t default_law_positions(const Model& model) {
  constexpr uint64_t kLogitBytesMax = 512 << 20;  // kept for comparing
  constexpr uint64_t kTextsLong = 5;              // of all texts together, in lengths of the first
  constexpr uint64_t kRowsPerPosition = 500;  // of all variations and default plans, from scratch excepted
  const auto vocab_size = static_cast<uint64_t>(model.config().vocab_size);
  const auto by_memory = static_cast<int64_t>(kLogitBytesMax / kTextsLong / (vocab_size * sizeof(float)));
  const auto by_time = static_cast<int64_t>(product_budget(model) / kRowsPerPosition /
                                            std::max<uint64_t>(products_per_row(model), 1));
  const int64_t wanted = std::clamp(std::min(by_memory, by_time), kFewest, kPositions);
  return std::min(wanted, model.config().context_length);
}

Result<std::vector<LawRow>> check_laws(const std::shared_ptr<const Model>& model, const LawOptions& options) {
  const int64_t position_count = options.position_count.value_or(default_law_positions(*model));
  CAIRN_RETURN_IF_ERROR(check_options(*model, options, position_count));
  const LawTexts texts = law_texts(*model, options.text_kind, position_count, options.seed);

  Progress progress(options);
  Rows rows(options);
  std::vector<Scene> scenes;
  std::vector<std::vector<Variation>> variations;
  for (const KvPlan& plan : options.kv_plans) {
    const auto fits = plan.resolve(model->config().layer_count, model->config().head_dim);
    if (!fits.ok()) {
      rows.add({.what = "the plan fits the model",
                .kv_plan = plan,
                .outcome = LawOutcome::kNotApplicable,
                .remark = fits.status().message()});
      continue;
    }
    const bool is_dear = model->kernels().isa == Isa::kScalar && !scenes.empty();
    const uint64_t row_budget = scratch_row_budget(*model, scenes.empty());
    scenes.push_back({.model = model,
                      .texts = texts,
                      .kv_plan = plan,
                      .thread_count = options.thread_counts.front(),
                      .scope = is_dear ? Scope::kThoseThatCodecsCouldBreak : Scope::kAll,
                      .wrap_pass = options.wrap_pass,
                      .scratch_positions = scratch_positions(position_count, row_budget),
                      .on_work = [&](int64_t row_count) { progress.add(row_count); },
                      .keeps_going = options.keeps_going});
    variations.push_back(law_variations(scenes.back(), options.thread_counts));
    for (const auto& text : texts) progress.plan(text.size());
    for (const Variation& variation : variations.back()) progress.plan(variation.work);
  }

  for (size_t i = 0; i < scenes.size() && rows.keeps_going(); ++i) {
    CAIRN_RETURN_IF_ERROR(check_plan(scenes[i], variations[i], progress, rows));
  }
  return rows.take();
}

}  // namespace cairn
