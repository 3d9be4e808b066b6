#include "cli/plan_savings.h"

#include <fmt/format.h>

#include <utility>

#include "cli/output_format.h"
#include "cli/plan_retention.h"
#include "cli/window_words.h"

namespace cairn {
namespace {

constexpr int64_t kUsualWindow = 1024;

class Savings {
 public:
  Savings(const ModelSizes& model, uint64_t now_bytes) : model_(model), now_bytes_(now_bytes) {}

  Status add(std::string what, const MemoryWish& wish) {
    CAIRN_ASSIGN_OR_RETURN(const MemoryPlan plan, plan_memory(model_, wish));
    if (plan.row_bytes() < now_bytes_) savings_.push_back({std::move(what), plan.row_bytes()});
    return {};
  }
  Status add_codec(MemoryWish wish) {
    wish.engine.kv_plan = wish.engine.kv_plan.with_codecs(KvPlan(KvFormat::kInt8));
    return add(wish.engine.kv_plan.text(), wish);
  }
  Status add_prefix(MemoryWish wish) {
    if (wish.shared_prefix > 0 || wish.engine.max_sequences == 1) return {};
    constexpr int64_t kPart = 4;  // of the context, where no prefix is given
    wish.shared_prefix = wish.engine.context / kPart / kBlockSize * kBlockSize;
    if (wish.shared_prefix == 0) return {};
    return add(fmt::format("a prefix of {} positions that all share", grouped_count(wish.shared_prefix)),
               wish);
  }
  // Arithmetic: what it does to texts is another matter.
  Status add_window(MemoryWish wish) {
    CAIRN_ASSIGN_OR_RETURN(const bool forgets, has_retention(wish.engine.kv_plan, model_.config));
    if (forgets) return {};
    wish.engine.kv_plan = wish.engine.kv_plan.with_retention({.window = kUsualWindow});
    return add(fmt::format("a window of {} positions in all layers{}", grouped_count(kUsualWindow),
                           has_own_windows(model_.config) ? " that see more" : ""),
               wish);
  }

  [[nodiscard]] std::vector<Saving> take() { return std::move(savings_); }

 private:
  const ModelSizes& model_;
  uint64_t now_bytes_;
  std::vector<Saving> savings_;
};

}  // namespace

Result<std::vector<Saving>> savings_of(const ModelSizes& model, const MemoryWish& wish,
                                       const MemoryPlan& plan) {
  Savings savings(model, plan.row_bytes());
  CAIRN_RETURN_IF_ERROR(savings.add_codec(wish));
  CAIRN_RETURN_IF_ERROR(savings.add_prefix(wish));
  CAIRN_RETURN_IF_ERROR(savings.add_window(wish));
  return savings.take();
}

Result<std::vector<Saved>> saved_by_windows(const ModelSizes& model, const MemoryWish& wish) {
  MemoryWish remembering = wish;
  remembering.engine.kv_plan = wish.engine.kv_plan.with_retention({});
  std::vector<Saved> saved;
  const auto own = plan_memory(model, remembering);
  if (has_own_windows(model.config)) {
    ModelSizes without = model;
    for (LayerConfig& layer : without.config.layers) layer.window = 0;
    const auto all = plan_memory(without, remembering);
    if (all.ok() && own.ok()) saved.push_back({Saved::By::kModel, all->row_bytes(), own->row_bytes()});
  }
  CAIRN_ASSIGN_OR_RETURN(const bool forgets, has_retention(wish.engine.kv_plan, model.config));
  if (forgets && own.ok()) {
    CAIRN_ASSIGN_OR_RETURN(const MemoryPlan now, plan_memory(model, wish));
    saved.push_back({Saved::By::kPlan, own->row_bytes(), now.row_bytes()});
  }
  return saved;
}

}  // namespace cairn
