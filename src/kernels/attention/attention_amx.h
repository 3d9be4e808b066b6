// Attention by AMX, and what it shares with the vector form: softmax in f32, merging of spans.
#pragma once

#include "kernels/attention/attention_span.h"

namespace cairn {

// Reads codecs other than f32 as bf16; where keys or values are f32, it is the vector form.
void attend_amx(const AttentionTile& tile, SpanRange spans, const AttentionScratch& scratch);

// Parts of attention.cc, in the widest vectors of this machine; their bits are the same in all.
namespace attention_parts {
void attend(const AttentionTile& tile, SpanRange spans, const AttentionScratch& scratch);
SpanResult soft_max(const RowGroup& group, float soft_cap, float* scores);
void merge_span(const SpanResult& span, const float* sums, int64_t padded, float* const* states,
                int32_t rows);
}  // namespace attention_parts

}  // namespace cairn
