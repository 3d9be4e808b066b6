// StepBuffers: the work memory of a forward pass, allocated once for the largest step. For transformer.cc.
// AttentionBuffers: the part of it that attention needs. For engine/attention_cache.cc.
#pragma once

#include <algorithm>
#include <cstdint>

#include "base/memory.h"
#include "kernels/rows.h"
#include "model/attention_shape.h"
#include "model/config.h"
#include "model/forward_limits.h"

namespace cairn {

// A layer's queries, keys and values and the result of their attention, a row for each row of the step.
struct QkvRows {
  Rows query;     // head_count * head_dim wide
  Rows key;       // kv_head_count * head_dim
  Rows value;     // kv_head_count * head_dim
  Rows attended;  // head_count * head_dim
  // Where a layer has sinks: the query again, turned to where it meets them. No rows where none has.
  Rows sink_query;

  [[nodiscard]] QkvRows first(int64_t count) const {
    return {.query = query.first(count),
            .key = key.first(count),
            .value = value.first(count),
            .attended = attended.first(count),
            .sink_query = sink_query.first(std::min(count, sink_query.count))};
  }
};

// QkvRows alone, with their memory.
class AttentionBuffers {
 public:
  AttentionBuffers(const AttentionShape& shape, int64_t max_rows);
  [[nodiscard]] static uint64_t bytes_for(const AttentionShape& shape, int64_t max_rows);

  [[nodiscard]] const QkvRows& rows() const { return rows_; }

 private:
  PageMemory memory_;
  QkvRows rows_;
};

struct StepBuffers {
  // `shape`: the config's attention.
  StepBuffers(const Config& config, const AttentionShape& shape, const ForwardLimits& limits,
              int thread_count);
  [[nodiscard]] static uint64_t bytes_for(const Config& config, const AttentionShape& shape,
                                          const ForwardLimits& limits, int thread_count);

  // limits.rows of each.
  Rows residual;  // model_dim wide: the stream that layers add to
  Rows normed;    // model_dim
  QkvRows attention;
  Rows projected;  // model_dim: what a sub-block adds to the residual
  Rows gate;       // ffn_dim
  Rows up;         // ffn_dim
  Rows cosines;    // ropes * rope_dim / 2
  Rows sines;
  // Of the query that meets the sinks from behind a full window: rope_dim / 2 for each layer; no rows where none has
  // sinks.
  Rows sink_cosines;
  Rows sink_sines;
  Rows final_rows;              // limits.logit_rows of them, model_dim wide
  std::byte* matmul = nullptr;  // matmul_bytes() of the widest input

  [[nodiscard]] uint64_t bytes() const { return memory_.bytes(); }

 private:
  StepBuffers() = default;
  // Places the buffers from `base` on, or only counts where that is null. Returns the bytes of all.
  uint64_t lay_out(const Config& config, const AttentionShape& shape, const ForwardLimits& limits,
                   int thread_count, std::byte* base);

  PageMemory memory_;
};

}  // namespace cairn
