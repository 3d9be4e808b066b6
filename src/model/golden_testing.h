// Golden logits of the shared models (../shared/models), made by implementations that are not ours. Test
// support.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace cairn {

// One sequence of ids, and the logits that are known for some of its positions.
struct GoldenSequence {
  std::vector<int32_t> tokens;
  std::vector<int64_t> positions;
  std::vector<std::vector<float>> logits;  // one row for each of `positions`
};

// The folder of shared material beside the source tree; nullopt where it is absent.
std::optional<std::string> shared_models_folder();

// `folder`: one of ../shared/models/families; `file`: "golden.f32" or another of its names.
std::vector<GoldenSequence> read_family_golden(const std::string& folder, const std::string& file);
// Prompt `number` (1 to 3) of stories260K: the first 64 positions.
GoldenSequence read_stories_golden(const std::string& folder, int number);

// The largest difference over all known logits, divided by the largest golden logit; `logits` holds all
// positions.
double relative_error(const GoldenSequence& golden, const std::vector<double>& logits);
double absolute_error(const GoldenSequence& golden, const std::vector<double>& logits);

}  // namespace cairn

// Skips a test of the shared models where they are absent, and says so.
#define CAIRN_NEED_SHARED_MODELS(folder)                                                        \
  const auto folder##_found = cairn::shared_models_folder();                                    \
  if (!folder##_found) GTEST_SKIP() << "../shared/models is absent, so its models are not run"; \
  const std::string& folder = *folder##_found
