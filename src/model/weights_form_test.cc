#include "model/weights_form.h"

#include <gtest/gtest.h>

#include <cstring>

#include "base/temporary_folder_testing.h"
#include "base/thread_pool.h"
#include "files/gguf.h"
#include "kernels/kernels.h"
#include "model/model.h"
#include "model/model_plan.h"
#include "model/synth.h"
#include "model/weight_sizes.h"
#include "model/weights.h"

namespace cairn {
namespace {

std::shared_ptr<const Model> load(const std::string& path, WeightsForm form) {
  ThreadPool threads(2);
  const auto model =
      Model::load(path, *select_kernels(std::nullopt).value(), threads, {.weights_form = form});
  EXPECT_TRUE(model.ok()) << model.status().message();
  return *model;
}

// The first panel of a matrix, packed from its rows as floats.
std::vector<std::byte> panel_of_floats(const TensorPart& part) {
  const auto columns = static_cast<size_t>(columns_of(part));
  std::vector<float> values(columns * kPanelRows);
  const std::byte* rows[kPanelRows] = {};
  for (int64_t r = 0; r < kPanelRows; ++r) {
    const auto row = std::span(values).subspan(static_cast<size_t>(r) * columns, columns);
    read_row(part, r, row);
    rows[r] = std::as_bytes(row).data();
  }
  std::vector<std::byte> panel(static_cast<size_t>(panel_bytes(TensorType::kF32, columns_of(part))));
  pack_panel(TensorType::kF32, rows, columns_of(part), panel.data());
  return panel;
}

TEST(WeightsForm, DequantisedMatricesAreTheFloatsThatTheFileStandsFor) {
  for (const TensorType type : {TensorType::kF16, TensorType::kQ8_0, TensorType::kQ4_K}) {
    const TemporaryFolder folder;
    const std::string path = folder.at("model.gguf");
    ASSERT_TRUE(write_synthetic_model({.shape = "tiny-256", .type = type}, path).ok());
    const auto stored = load(path, WeightsForm::kAsStored);
    const auto floats = load(path, WeightsForm::kDequantised);
    const PackedMatrix& up = floats->weights().layers[0].up.matrix;
    EXPECT_EQ(stored->weights().layers[0].up.matrix.type, type);
    EXPECT_EQ(up.type, TensorType::kF32);
    EXPECT_EQ(floats->decode_weight_bytes(), stored->decode_weight_bytes());  // of the file

    const auto file = GgufFile::open(path);
    ASSERT_TRUE(file.ok());
    const auto plan = plan_model(*file);
    ASSERT_TRUE(plan.ok());
    const std::vector<std::byte> panel = panel_of_floats(plan->layers[0].up);
    EXPECT_EQ(std::memcmp(up.data, panel.data(), panel.size()), 0);
    EXPECT_EQ(floats->weights().memory.bytes(), weight_sizes(*plan, TensorType::kF32).packed_bytes);
  }
}

}  // namespace
}  // namespace cairn
