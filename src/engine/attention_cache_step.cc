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

// Heads as a caller lays them, and as the cache does.
struct HeadWidths {
  int64_t given;
  int64_t stored;
};

void copy_widened(const RowView& rows, const HeadWidths& head, float* to) {
  const auto copy = [&](const auto& numbers) {
    for (auto from = numbers.begin(); from != numbers.end(); from += head.given, to += head.stored) {
      float* const end =
          std::transform(from, from + head.given, to, [](const auto& n) { return widened(n); });
      std::fill(end, to + head.stored, 0.0F);
    }
  };
  std::visit(copy, rows.numbers());
}

void copy_attended(const float* from, const HeadWidths& head, std::span<float> to) {
  for (auto head_begin = to.begin(); head_begin != to.end(); head_begin += head.given, from += head.stored) {
    std::copy_n(from, head.given, head_begin);
  }
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
                               .first_position = cache->length(lease)});
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
  const AttentionShape& shape = plan.shape;
  CAIRN_RETURN_IF_ERROR(check("queries", layer.queries.size(), shape.head_count * plan.key_head_dim));
  CAIRN_RETURN_IF_ERROR(check("keys", layer.keys.size(), shape.kv_head_count * plan.key_head_dim));
  CAIRN_RETURN_IF_ERROR(check("values", layer.values.size(), shape.kv_head_count * plan.value_head_dim));
  return check("attended", layer.attended.size(), shape.head_count * plan.value_head_dim);
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
    const HeadWidths of_key{impl_->plan.key_head_dim, impl_->plan.shape.head_dim};
    const HeadWidths of_value{impl_->plan.value_head_dim, impl_->plan.shape.head_dim};
    copy_widened(rows.queries, of_key, buffers.query.data);
    copy_widened(rows.keys, of_key, buffers.key.data);
    copy_widened(rows.values, of_value, buffers.value.data);
    CAIRN_RETURN_IF_ERROR(impl_->attention.run(*impl_->kv_step, layer, buffers));
    copy_attended(buffers.attended.data, of_value, rows.attended);
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
