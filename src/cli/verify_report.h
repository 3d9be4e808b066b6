// What cairn verify found, as a table for people or as JSON. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/verify/laws.h"
#include "kernels/isa.h"

namespace cairn {

// One model under one instruction set.
struct VerifiedModel {
  std::string name;     // of a file, or of a made model's shape
  std::string weights;  // a made model's weight type; empty: as in the file
  Isa isa = Isa::kScalar;
  std::vector<LawRow> rows;
  std::string not_applicable;  // why there are no rows
};

struct VerifyCounts {
  int64_t row_count = 0;  // compared
  int64_t bad_row_count = 0;
  uint64_t logit_count = 0;
};
[[nodiscard]] VerifyCounts count_rows(std::span<const VerifiedModel> models);

// A line for each way of computing; row types that agree share one.
[[nodiscard]] std::string ways_table(std::span<const VerifiedModel> models);
// The cells of a line for each model and weight type; instruction sets that agree share one: model, weights,
// instruction sets, rows, positions, logits, result.
[[nodiscard]] std::vector<std::vector<std::string>> model_rows(std::span<const VerifiedModel> models);
// Not equal, or not computed.
[[nodiscard]] bool is_bad(const LawRow& row);
// "equal", or what is wrong.
[[nodiscard]] std::string result_text(const LawRow& row);
// One plain sentence.
[[nodiscard]] std::string verdict(const VerifyCounts& counts);
enum class Extent : uint8_t { kWhole, kStoppedEarly };
[[nodiscard]] std::string verify_json(std::span<const VerifiedModel> models, Extent extent);

}  // namespace cairn
