#include "model/fingerprint.h"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>

#include "base/temporary_folder_testing.h"
#include "base/thread_pool.h"
#include "files/gguf.h"
#include "model/synth.h"

namespace cairn {
namespace {

void copy_bytes(std::span<const std::byte> from, std::byte* to) { std::memcpy(to, from.data(), from.size()); }

Sha256Digest fingerprint(const ModelPlan& plan, int thread_count = 1) {
  ThreadPool threads(thread_count);
  return model_fingerprint(plan, threads, copy_bytes);
}

// A plan with one tensor exchanged for a copy that a test may change.
class ChangedTensor {
 public:
  ChangedTensor(ModelPlan plan, TensorPart& (*part_of)(ModelPlan&)) : plan_(std::move(plan)) {
    TensorPart& part = part_of(plan_);
    tensor_ = *part.tensor;
    bytes_.assign(tensor_.data.begin(), tensor_.data.end());
    tensor_.data = bytes_;
    part.tensor = &tensor_;
  }
  ChangedTensor(const ChangedTensor&) = delete;
  ChangedTensor& operator=(const ChangedTensor&) = delete;

  [[nodiscard]] const ModelPlan& plan() const { return plan_; }
  Tensor& tensor() { return tensor_; }
  std::vector<std::byte>& bytes() { return bytes_; }

 private:
  ModelPlan plan_;
  Tensor tensor_;
  std::vector<std::byte> bytes_;
};

class Fingerprint : public testing::Test {
 protected:
  void SetUp() override {
    const TemporaryFolder folder;
    const std::string path = folder.at("model.gguf");
    ASSERT_TRUE(write_synthetic_model({.shape = "tiny-gemma3", .type = TensorType::kQ8_0}, path).ok());
    for (auto& file : files_) {
      file.emplace(GgufFile::open(path).value());
      plans_.push_back(plan_model(*file).value());
    }
  }
  [[nodiscard]] const ModelPlan& plan() const { return plans_.front(); }

  std::optional<GgufFile> files_[2];
  std::vector<ModelPlan> plans_;
};

TensorPart& down_part(ModelPlan& plan) { return plan.layers.back().down; }
TensorPart& embedding_part(ModelPlan& plan) { return plan.token_embedding; }
TensorPart& norm_part(ModelPlan& plan) { return plan.final_norm; }

TEST_F(Fingerprint, IsTheSameForAFileReadTwice) {
  EXPECT_EQ(fingerprint(plans_[0]), fingerprint(plans_[1]));
  EXPECT_EQ(fingerprint(ChangedTensor(plan(), down_part).plan()), fingerprint(plan()));
}

TEST_F(Fingerprint, DoesNotDependOnTheNumberOfThreads) {
  for (const int thread_count : {2, 3, 8}) EXPECT_EQ(fingerprint(plan(), thread_count), fingerprint(plan()));
}

TEST_F(Fingerprint, SeesEveryBitOfATensor) {
  const Sha256Digest original = fingerprint(plan());
  for (const auto part : {down_part, embedding_part, norm_part}) {
    ChangedTensor changed(plan(), part);
    const size_t size = changed.bytes().size();
    for (const size_t at : {size_t{0}, size / 2, size - 1}) {
      changed.bytes()[at] ^= std::byte{0x10};
      EXPECT_NE(fingerprint(changed.plan()), original) << changed.tensor().name << " at " << at;
      changed.bytes()[at] ^= std::byte{0x10};
    }
    EXPECT_EQ(fingerprint(changed.plan()), original);
  }
}

TEST_F(Fingerprint, SeesATensorsNameTypeAndShape) {
  const Sha256Digest original = fingerprint(plan());
  ChangedTensor renamed(plan(), down_part);
  renamed.tensor().name += "x";
  EXPECT_NE(fingerprint(renamed.plan()), original);
  ChangedTensor retyped(plan(), norm_part);
  retyped.tensor().type = TensorType::kBF16;
  EXPECT_NE(fingerprint(retyped.plan()), original);
  ChangedTensor reshaped(plan(), down_part);
  std::swap(reshaped.tensor().shape[0], reshaped.tensor().shape[1]);
  EXPECT_NE(fingerprint(reshaped.plan()), original);
}

TEST_F(Fingerprint, SeesWhichTensorPlaysWhichPart) {
  const Sha256Digest original = fingerprint(plan());
  ModelPlan swapped = plan();
  std::swap(swapped.layers[0].attention_norm, swapped.layers[0].ffn_norm);
  EXPECT_NE(fingerprint(swapped), original);
  ModelPlan untied = plan();
  untied.output = untied.token_embedding;
  EXPECT_NE(fingerprint(untied), original);
  ModelPlan added = plan();
  added.final_norm.add += 1;
  EXPECT_NE(fingerprint(added), original);
}

TEST_F(Fingerprint, SeesTheConfig) {
  ModelPlan changed = plan();
  changed.config.norm_eps *= 2;
  EXPECT_NE(fingerprint(changed), fingerprint(plan()));
}

// Pieces of a megabyte: a tensor of several, the last one cut.
TEST(FingerprintPieces, EveryPieceCounts) {
  std::vector<std::byte> bytes((size_t{5} << 19) + 4);
  Tensor tensor{.name = "w", .shape = {std::ssize(bytes) / 4}, .data = bytes};
  ModelPlan plan{.token_embedding = {.tensor = &tensor}, .final_norm = {.tensor = &tensor}};
  const Sha256Digest original = fingerprint(plan, 3);
  for (size_t at = 0; at < bytes.size(); at += size_t{1} << 18) {
    bytes[at] ^= std::byte{1};
    EXPECT_NE(fingerprint(plan, 2), original) << at;
    bytes[at] ^= std::byte{1};
  }
  EXPECT_EQ(fingerprint(plan, 1), original);
}

}  // namespace
}  // namespace cairn
