// The steps of an AttentionCache: check, lay the batch, attend layer by layer, commit or abandon.
#include <fmt/format.h>

#include <algorithm>
#include <variant>

#include "base/float_mode.h"
#include "base/no_throw.h"
#include "engine/attention_cache_impl.h"
#include "kernels/float16.h"

namespace cairn {
namespace {

float widened(float number) { return number; }
float widened(Float16 number) { return f16_to_float(number.bits); }
float widened(BFloat16 number) { return bf16_to_float(number.bits); }

void copy_widened(const RowView& rows, float* to) {
  const auto copy = [to](const auto& numbers) {
    std::ranges::transform(numbers, to, [](const auto& number) { return widened(number); });
  };
  std::visit(copy, rows.numbers());
}

}  // namespace

Status AttentionCache::Impl::check_step(std::span<const SequenceRows> sequences) {
  int64_t sum = 0;
  for (size_t i = 0; i < sequences.size(); ++i) {
    const auto& [id, row_count] = sequences[i];
    const KvLease* lease = find(id);
    if (lease == nullptr) return sequence_not_open();
    if (row_count < 1 || row_count > plan.limits.rows - sum) {
      return invalid_argument(fmt::format("{} rows of a sequence are not possible: a step has 1 to {} in all",
                                          row_count, plan.limits.rows));
    }
    const int64_t end = cache->length(*lease) + row_count;
    if (end > std::min(cache->room(*lease), cache->context())) {
      return invalid_argument(fmt::format("there is no room for position {}: reserve it first", end - 1));
    }
    const auto same = [&](const SequenceRows& other) { return other.sequence == sequences[i].sequence; };
    if (std::ranges::any_of(sequences.first(i), same)) {
      return invalid_argument("a sequence is named twice in a step: give its rows together");
    }
    sum += row_count;
  }
  if (sum == 0) return invalid_argument("a step needs at least one row");
  return {};
}

void AttentionCache::Impl::lay_batch() {
  kv_rows.clear();
  batch_sequences.clear();
  rows = 0;
  for (const auto& [id, row_count] : step) {
    const KvLease& lease = *find(id);
    kv_rows.push_back({lease.sequence(), row_count});
    batch_sequences.push_back({.first_row = static_cast<int32_t>(rows),
                               .row_count = static_cast<int32_t>(row_count),
                               .first_position = static_cast<int32_t>(cache->length(lease))});
    rows += row_count;
  }
}

Status AttentionCache::begin_step(std::span<const SequenceRows> sequences) {
  return no_throw([&]() -> Status {
    if (impl_->is_running()) return step_is_running();
    CAIRN_RETURN_IF_ERROR(impl_->check_step(sequences));
    impl_->step.assign(sequences.begin(), sequences.end());
    impl_->next_layer = 0;
    impl_->lay_batch();
    impl_->attention.begin_step({.sequences = impl_->batch_sequences});
    impl_->kv_step.emplace(impl_->cache->begin_step(impl_->kv_rows));
    return {};
  });
}

Status AttentionCache::Impl::check_rows(const LayerRows& layer) const {
  const auto check = [&](const char* name, size_t size, int64_t row_width) -> Status {
    if (static_cast<int64_t>(size) == rows * row_width) return {};
    return invalid_argument(
        fmt::format("{} numbers of {} are not {} rows of {}", size, name, rows, row_width));
  };
  CAIRN_RETURN_IF_ERROR(check("queries", layer.queries.size(), width()));
  CAIRN_RETURN_IF_ERROR(check("keys", layer.keys.size(), kv_width()));
  CAIRN_RETURN_IF_ERROR(check("values", layer.values.size(), kv_width()));
  return check("attended", layer.attended.size(), width());
}

Status AttentionCache::attend(int64_t layer, const LayerRows& rows) {
  return no_throw([&]() -> Status {
    if (!impl_->is_running()) return invalid_argument("no step is running: begin one first");
    if (layer != impl_->next_layer || layer >= impl_->plan.shape.layer_count()) {
      return invalid_argument(
          fmt::format("layer {} is not the next one: layers come in order, 0 to {}, once a step", layer,
                      impl_->plan.shape.layer_count() - 1));
    }
    CAIRN_RETURN_IF_ERROR(impl_->check_rows(rows));
    const FloatMode mode;
    const QkvRows& buffers = impl_->buffers.rows();
    copy_widened(rows.queries, buffers.query.data);
    copy_widened(rows.keys, buffers.key.data);
    copy_widened(rows.values, buffers.value.data);
    CAIRN_RETURN_IF_ERROR(impl_->attention.run(*impl_->kv_step, layer, buffers));
    std::copy_n(buffers.attended.data, rows.attended.size(), rows.attended.begin());
    ++impl_->next_layer;
    return {};
  });
}

Status AttentionCache::commit(std::span<const TokenId> tokens) {
  return no_throw([&]() -> Status {
    if (!impl_->is_running()) return invalid_argument("no step is running: begin one first");
    if (impl_->next_layer != impl_->plan.shape.layer_count()) {
      return invalid_argument(fmt::format("{} of {} layers have been attended: the step is not complete",
                                          impl_->next_layer, impl_->plan.shape.layer_count()));
    }
    if (std::ssize(tokens) != impl_->rows) {
      return invalid_argument(
          fmt::format("{} tokens for {} rows: give one for each", tokens.size(), impl_->rows));
    }
    impl_->kv_step->commit(tokens);
    impl_->kv_step.reset();
    return {};
  });
}

Status AttentionCache::abandon_step() {
  return no_throw([&]() -> Status {
    if (!impl_->is_running()) return invalid_argument("no step is running");
    impl_->kv_step.reset();  // which abandons it
    return {};
  });
}

}  // namespace cairn
