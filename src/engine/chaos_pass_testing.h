// FailingPass: another pass, which fails at random: at the gate of any layer, when all is
// done, or for want of memory. For tests only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "engine/chaos_dice_testing.h"
#include "engine/forward_pass.h"

namespace cairn {

class FailingPass final : public ForwardPass {
 public:
  // One pass in `fails_one_in` fails; absent: none does.
  FailingPass(std::unique_ptr<ForwardPass> pass, std::optional<int64_t> fails_one_in, Dice dice)
      : pass_(std::move(pass)), fails_one_in_(fails_one_in), dice_(dice) {}

  Status forward(const Batch& batch, KvLayerGate& gate, std::span<float> logits) override;
  [[nodiscard]] int64_t max_rows() const override { return pass_->max_rows(); }
  [[nodiscard]] int64_t max_logit_rows() const override { return pass_->max_logit_rows(); }
  [[nodiscard]] int64_t vocab_size() const override { return pass_->vocab_size(); }
  [[nodiscard]] uint64_t work_bytes() const override { return pass_->work_bytes(); }

  [[nodiscard]] int64_t failures() const { return failures_; }
  // Why the last pass failed, where one sequence ran alone in it; absent also where it did not fail.
  [[nodiscard]] const std::optional<Status>& failure_of_one() const { return failure_of_one_; }

 private:
  Status fail(const Batch& batch, KvLayerGate& gate, std::span<float> logits);

  std::unique_ptr<ForwardPass> pass_;
  std::optional<int64_t> fails_one_in_;
  Dice dice_;
  int64_t failures_ = 0;
  std::optional<Status> failure_of_one_;
};

}  // namespace cairn
