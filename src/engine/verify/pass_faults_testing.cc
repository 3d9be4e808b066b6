#include "engine/verify/pass_faults_testing.h"

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/check.h"
#include "kernels/kernels.h"
#include "kernels/reference.h"
#include "model/step_blocks.h"

namespace cairn {
namespace {

const StepNow* running_step = nullptr;

// As the model's, step by step.
class WrappedPass : public ForwardPass {
 public:
  explicit WrappedPass(PassPtr pass) : pass_(std::move(pass)) {}
  Status forward(const Batch& batch, KvLayerGate& gate, std::span<float> logits) final {
    AllLayers kv(gate);
    forward_all(batch, kv, logits);
    return {};
  }
  virtual void forward_all(const Batch& batch, AllLayers& kv, std::span<float> logits) {
    const StepNow now{batch, kv};
    running_step = &now;
    const Status status = pass_->forward(batch, kv, logits);
    CHECK(status.ok());
    running_step = nullptr;
  }
  [[nodiscard]] int64_t max_rows() const override { return pass_->max_rows(); }
  [[nodiscard]] int64_t max_logit_rows() const override { return pass_->max_logit_rows(); }
  [[nodiscard]] int64_t vocab_size() const override { return pass_->vocab_size(); }
  [[nodiscard]] uint64_t work_bytes() const override { return pass_->work_bytes(); }

 private:
  PassPtr pass_;
};

std::byte* block_of(const AllLayers& kv, size_t sequence, int64_t position) {
  return kv.sequence(sequence).block(position / kBlockSize);
}

// visit(float& of a block) for each element of a position's rows, where they are f32.
template <typename Visit>
void each_float(const AllLayers& kv, std::byte* block, int64_t position, const Visit& visit) {
  const int64_t slot = position % kBlockSize;
  for (const KvLayerView& view : kv.views) {
    const KvLayerLayout& layer = *view.layout;
    for (int64_t head = 0; head < view.kv_head_count; ++head) {
      auto* keys = reinterpret_cast<float*>(block + layer.keys_offset(head));
      auto* values = reinterpret_cast<float*>(block + layer.values_offset(head));
      for (int64_t d = 0; d < view.head_dim; ++d) {
        visit(keys[d * layer.keys.lanes + slot]);
        visit(values[slot * layer.values.lanes + d]);
      }
    }
  }
}

class PassWithRowsThatStay final : public WrappedPass {
 public:
  using WrappedPass::WrappedPass;
  void forward_all(const Batch& batch, AllLayers& kv, std::span<float> logits) override {
    std::vector<float> before;
    each_row(batch, kv, [&](float& at) { before.push_back(at); });
    WrappedPass::forward_all(batch, kv, logits);
    size_t i = 0;
    each_row(batch, kv, [&](float& at) {
      if (before[i] != 0) at = before[i];
      ++i;
    });
  }

 private:
  template <typename Visit>
  void each_row(const Batch& batch, const AllLayers& kv, const Visit& visit) {
    for (size_t s = 0; s < batch.sequences.size(); ++s) {
      const BatchSequence& sequence = batch.sequences[s];
      for (int64_t p = sequence.first_position; p < sequence.first_position + sequence.row_count; ++p) {
        each_float(kv, block_of(kv, s, p), p, visit);
      }
    }
  }
};

// The open rows of a block become what a sealed form of it says.
void open_from_sealed(const AllLayers& kv, const StepBlock& block, const std::byte* sealed) {
  std::vector<float> wide;
  for (const KvLayerView& view : kv.views) {
    const KvLayerLayout& layer = *view.layout;
    for (int64_t head = 0; head < view.kv_head_count; ++head) {
      const StepBlocks::OpenTiles open = StepBlocks::open_tiles(view, block, head);
      const auto copy = [&](const KvTileShape& shape, int64_t offset, std::byte* to) {
        if (to == nullptr) return;
        wide.resize(static_cast<size_t>(shape.lines * shape.lanes));
        reference::decode_kv(shape, sealed + offset, 0, shape.lines, wide.data());
        const int64_t lanes = kv_tile_shape({.format = KvFormat::kF32}, shape.side, shape.head_dim).lanes;
        for (int64_t line = 0; line < shape.lines; ++line) {
          std::memcpy(to + line * lanes * 4, wide.data() + line * shape.lanes,
                      static_cast<size_t>(lanes) * 4);
        }
      };
      copy(layer.keys, layer.keys_offset(head), open.keys);
      copy(layer.values, layer.values_offset(head), open.values);
    }
  }
}

// Runs a step as it should be; then, where it computes a block again whose sealed form is known, runs its
// last row once more behind rows that are decoded from there.
class PassThatDecodes : public WrappedPass {
 public:
  using WrappedPass::WrappedPass;
  void forward_all(const Batch& batch, AllLayers& kv, std::span<float> logits) override {
    WrappedPass::forward_all(batch, kv, logits);
    for (size_t s = 0; s < batch.sequences.size(); ++s) {
      const BatchSequence& sequence = batch.sequences[s];
      const auto tokens = batch.tokens.subspan(static_cast<size_t>(sequence.first_row),
                                               static_cast<size_t>(sequence.row_count));
      const std::byte* sealed = nullptr;
      if (sequence.first_position % kBlockSize == 0 && sequence.row_count > 1 &&
          sequence.row_count <= kBlockSize) {
        sealed = sealed_form(kv, s, sequence, tokens);
      }
      if (sealed != nullptr) run_last_again(batch, kv, s, sealed, logits);
      remember(kv, s, sequence, tokens);
    }
  }

 protected:
  struct Past {
    std::vector<TokenId> tokens;
    std::vector<std::byte*> blocks;
  };
  // Of the sequence that has these open rows.
  Past& past(const AllLayers& kv, size_t s) { return pasts_[kv.sequence(s).open]; }
  virtual const std::byte* sealed_form(const AllLayers& kv, size_t s, const BatchSequence& sequence,
                                       std::span<const TokenId> tokens) = 0;
  virtual void remember(const AllLayers& kv, size_t s, const BatchSequence& sequence,
                        std::span<const TokenId> tokens) {
    Past& p = past(kv, s);
    p.tokens.resize(static_cast<size_t>(sequence.first_position), -1);
    p.tokens.insert(p.tokens.end(), tokens.begin(), tokens.end());
    p.blocks.clear();
    for (size_t at = 0; at < p.tokens.size(); at += kBlockSize) {
      p.blocks.push_back(block_of(kv, s, static_cast<int64_t>(at)));
    }
  }

 private:
  void run_last_again(const Batch& batch, const AllLayers& kv, size_t s, const std::byte* sealed,
                      std::span<float> logits) {
    const BatchSequence& sequence = batch.sequences[s];
    const int32_t last_row = sequence.first_row + sequence.row_count - 1;
    open_from_sealed(kv, {.sequence = static_cast<int32_t>(s), .block = sequence.first_position / kBlockSize},
                     sealed);
    const BatchSequence last{0, 1, sequence.first_position + sequence.row_count - 1};
    const auto wanted = std::ranges::find(batch.logit_rows, last_row);
    const bool is_wanted = wanted != batch.logit_rows.end();
    const int32_t row = 0;
    const auto vocab = static_cast<size_t>(vocab_size());
    AllLayers one(kv, s);
    WrappedPass::forward_all(
        {batch.tokens.subspan(static_cast<size_t>(last_row), 1),
         {&last, 1},
         std::span(&row, is_wanted ? 1 : 0)},
        one,
        is_wanted ? logits.subspan(static_cast<size_t>(wanted - batch.logit_rows.begin()) * vocab, vocab)
                  : std::span<float>());
  }

  std::map<const std::byte*, Past> pasts_;
};

// Visits the f32 open rows of `slot`, head by head, as (row, elements apart, element count).
template <typename Visit>
void each_open_row(const AllLayers& kv, const StepBlock& block, int64_t slot, const Visit& visit) {
  for (const KvLayerView& view : kv.views) {
    const int64_t dim = view.head_dim;
    const int64_t lanes = kv_tile_shape({.format = KvFormat::kF32}, KvSide::kValues, view.head_dim).lanes;
    for (int64_t head = 0; head < view.kv_head_count; ++head) {
      const StepBlocks::OpenTiles open = StepBlocks::open_tiles(view, block, head);
      if (open.keys != nullptr) visit(reinterpret_cast<float*>(open.keys) + slot, int64_t{kBlockSize}, dim);
      if (open.values != nullptr)
        visit(reinterpret_cast<float*>(open.values) + slot * lanes, int64_t{1}, dim);
    }
  }
}

class PassWithForksOfNewerRows final : public WrappedPass {
 public:
  using WrappedPass::WrappedPass;
  void forward_all(const Batch& batch, AllLayers& kv, std::span<float> logits) override {
    for (size_t s = 0; s < batch.sequences.size(); ++s) {
      const BatchSequence& sequence = batch.sequences[s];
      int64_t& end = ends_[kv.sequence(s).open];
      if (sequence.first_position != end) replace_open_rows(kv, s, sequence.first_position);
      end = sequence.first_position + sequence.row_count;
    }
    WrappedPass::forward_all(batch, kv, logits);
  }

 private:
  static void replace_open_rows(const AllLayers& kv, size_t s, int64_t position) {
    const StepBlock block{.sequence = static_cast<int32_t>(s), .block = position / kBlockSize};
    for (int64_t slot = 0; slot < position % kBlockSize; ++slot) {
      each_open_row(kv, block, slot, [](float* row, int64_t apart, int64_t count) {
        for (int64_t i = 0; i < count; ++i) row[i * apart] = 0.5F * row[i * apart] + 0.25F;
      });
    }
  }

  std::map<const std::byte*, int64_t> ends_;  // where each sequence, by its open rows, ended
};

class PassWithCutBlocksDecoded final : public PassThatDecodes {
 public:
  using PassThatDecodes::PassThatDecodes;

 private:
  const std::byte* sealed_form(const AllLayers& kv, size_t s, const BatchSequence& sequence,
                               std::span<const TokenId> tokens) override {
    const Past& p = past(kv, s);
    const auto first = static_cast<size_t>(sequence.first_position);
    const bool was_sealed = p.tokens.size() >= first + kBlockSize;
    if (!was_sealed ||
        !std::equal(tokens.begin(), tokens.end() - 1, p.tokens.begin() + sequence.first_position)) {
      return nullptr;
    }
    return p.blocks[first / kBlockSize];
  }
};

class PassWithHitsOfTheLastToken final : public PassThatDecodes {
 public:
  using PassThatDecodes::PassThatDecodes;

 private:
  using Block = std::pair<int64_t, std::vector<TokenId>>;

  const std::byte* sealed_form(const AllLayers& kv, size_t s, const BatchSequence& sequence,
                               std::span<const TokenId> tokens) override {
    if (sequence.row_count != kBlockSize) return nullptr;
    const bool is_there = known_.contains({sequence.first_position, {tokens.begin(), tokens.end()}});
    return is_there ? block_of(kv, s, sequence.first_position)
                    : nullptr;  // it was sealed by this step, as it was then
  }
  void remember(const AllLayers& kv, size_t s, const BatchSequence& sequence,
                std::span<const TokenId> tokens) override {
    PassThatDecodes::remember(kv, s, sequence, tokens);
    const auto& all = past(kv, s).tokens;
    for (size_t at = 0; at + kBlockSize <= all.size(); at += kBlockSize) {
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(at);
      known_.insert({static_cast<int64_t>(at), {begin, begin + kBlockSize}});
    }
  }

  std::set<Block> known_;
};

class PassWithBlocksGivenBackTooEarly final : public WrappedPass {
 public:
  using WrappedPass::WrappedPass;
  void forward_all(const Batch& batch, AllLayers& kv, std::span<float> logits) override {
    tables_.clear();
    sequences_.clear();
    for (KvLayerView& view : kv.views) {
      auto& sequences = sequences_.emplace_back(view.sequences.begin(), view.sequences.end());
      for (size_t s = 0; s < sequences.size(); ++s) {
        if (sequences[s].first_block > sequences[s].sink_blocks)
          take_oldest(view.visibility, batch.sequences[s], sequences[s]);
      }
      view.sequences = sequences;
    }
    WrappedPass::forward_all(batch, kv, logits);
  }

 private:
  // Its place is the next block's.
  void take_oldest(const Visibility& visibility, const BatchSequence& rows, KvSequenceView& view) {
    const int64_t oldest = visibility.recent_range(rows.first_position).begin / kBlockSize;
    const int64_t place = oldest - view.first_block + view.sink_blocks;
    const int64_t last = rows.first_position + rows.row_count - 1;
    const BlockId* const end = view.table + last / kBlockSize - view.first_block + view.sink_blocks + 1;
    auto& table = tables_.emplace_back(view.table, end);
    if (place + 1 < std::ssize(table))
      table[static_cast<size_t>(place)] = table[static_cast<size_t>(place + 1)];
    view.table = table.data();
  }

  std::deque<std::vector<BlockId>> tables_;
  std::deque<std::vector<KvSequenceView>> sequences_;
};

}  // namespace

AllLayers::AllLayers(KvLayerGate& gate) {
  for (int64_t layer = 0; layer < gate.layer_count(); ++layer) {
    views.push_back(gate.open(layer).value());
    gate.close(layer);
  }
}

AllLayers::AllLayers(const AllLayers& all, size_t sequence) : views(all.views) {
  for (KvLayerView& view : views) view.sequences = view.sequences.subspan(sequence, 1);
}

const StepNow* step_now() { return running_step; }

PassPtr telling_steps(PassPtr pass) { return std::make_unique<WrappedPass>(std::move(pass)); }
PassPtr with_rows_that_stay(PassPtr pass) { return std::make_unique<PassWithRowsThatStay>(std::move(pass)); }
PassPtr with_cut_blocks_decoded(PassPtr pass) {
  return std::make_unique<PassWithCutBlocksDecoded>(std::move(pass));
}
PassPtr with_forks_of_newer_rows(PassPtr pass) {
  return std::make_unique<PassWithForksOfNewerRows>(std::move(pass));
}
PassPtr with_hits_of_the_last_token(PassPtr pass) {
  return std::make_unique<PassWithHitsOfTheLastToken>(std::move(pass));
}
PassPtr with_blocks_given_back_too_early(PassPtr pass) {
  return std::make_unique<PassWithBlocksGivenBackTooEarly>(std::move(pass));
}

}  // namespace cairn
