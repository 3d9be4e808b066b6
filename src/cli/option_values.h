// Values as people type them: token ids, logit biases, KV plans; and the name that a misspelt one
// may stand for. What cannot be read is kInvalidArgument, and the message quotes it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/byte_count.h"  // IWYU pragma: export
#include "cairn/ids.h"
#include "cairn/status.h"
#include "engine/sampler.h"
#include "kernels/weights/tensor_type.h"
#include "kv/kv_plan.h"

namespace cairn {

// Ids separated by commas, blanks around them allowed; none for an empty text. The message quotes
// the part that is not an id (negative, too large, not a number).
Result<std::vector<TokenId>> parse_token_list(std::string_view text);

// "5=-2.5", "5=-inf" (the token is forbidden).
Result<LogitBias> parse_logit_bias(std::string_view text);

// "1,2,3".
[[nodiscard]] std::string format_token_list(const std::vector<TokenId>& tokens);

// What --kv takes: a KV plan (kv/kv_plan.h), or @FILE for one in a file, as text or as JSON. Errors: those of
// KvPlan::parse and parse_json, and of reading the file.
Result<KvPlan> read_kv_plan(const std::string& text);

// How many letters must be added, removed, changed or swapped with their neighbour to make `b` of `a`.
[[nodiscard]] size_t edit_distance(std::string_view a, std::string_view b);

// The nearest of `names`, if it is near enough to be a likely slip: a third of the word, or its beginning.
[[nodiscard]] std::optional<std::string> nearest_name(std::string_view word,
                                                      std::span<const std::string> names);

// In lower case, as far as it is ASCII.
[[nodiscard]] std::string lowered(std::string_view word);

// A type's name, or what files that are mostly of this type are named by: q4_k_m is q4_k (with some q6_k in the file),
// fp16 is f16.
[[nodiscard]] std::optional<TensorType> tensor_type_of_file_name(std::string_view name);

}  // namespace cairn
