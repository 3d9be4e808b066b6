#include "model/synth_tensors.h"

#include <boost/json/object.hpp>
#include <cmath>

#include "base/check.h"
#include "model/families/assemble.h"
#include "model/families/rope_scaling.h"

namespace cairn {
namespace {

// Standard deviation of a score before softmax. Scores of n keys drawn with deviation s leave an entropy of
// about log n - s^2 / 2: half of it is gone at n = 500, most of it at n = 30.
constexpr double kScoreDeviation = 2.5;
constexpr double kLogitDeviation = 4.0;
// What one layer's attention or ffn adds to the residual stream, of the embedding's size.
constexpr double kLayerShare = 0.5;

class TensorList {
 public:
  explicit TensorList(const SynthShape& shape) : shape_(shape), c_(shape.config) {
    names_ = gguf_names();
    const bool is_phi3 = shape.architecture == "phi3";
    if (c_.family == "gpt2" || is_phi3) names_.query_key_value = "attn_qkv";
    if (is_phi3) names_.gate_up = "ffn_up";
    // A matrix with this deviation keeps the size of a normed input.
    unit_ = 1.0 / std::sqrt(static_cast<double>(c_.model_dim));
    embedding_deviation_ = shape.output == SynthOutput::kTied ? kLogitDeviation * unit_ : 1.0;
    share_ = kLayerShare * embedding_deviation_ * static_cast<double>(c_.embedding_scale);
  }

  std::vector<SynthTensor> list() {
    matrix(names_.token_embedding, {{c_.vocab_size, narrow(embedding_deviation_)}}, c_.model_dim);
    if (c_.learned_positions) {
      matrix(names_.position_embedding, {{c_.context_length, narrow(share_)}}, c_.model_dim);
      tensors_.back().stays_f32 = true;  // as in other engines' files
    }
    if (c_.family == "llama3-rope") llama3_divisors();
    if (c_.rope_style != RopeStyle::kNone) longrope_divisors(c_.ropes[0]);
    for (int64_t layer = 0; layer < c_.layer_count; ++layer) {
      prefix_ = names_.layer_prefix + std::to_string(layer) + ".";
      attention();
      ffn();
    }
    prefix_.clear();
    norm(names_.final_norm, c_.model_dim, 1.0,
         shape_.output == SynthOutput::kTied ? SynthFill::kSignedNorm : SynthFill::kNorm);
    if (shape_.output == SynthOutput::kOwn) {
      matrix(names_.output, {{c_.vocab_size, narrow(kLogitDeviation * unit_)}}, c_.model_dim);
    }
    return std::move(tensors_);
  }

 private:
  using Band = SynthTensor::Band;

  static float narrow(double value) { return static_cast<float>(value); }

  void attention() {
    const int64_t q = c_.head_count * c_.head_dim;
    const int64_t kv = c_.kv_head_count * c_.head_dim;
    const double root = std::sqrt(kScoreDeviation);
    // Query times key sums head_dim products, which the attention scale undoes but for a square root.
    const Band queries{q, narrow(c_.qk_norm ? unit_ : root * unit_)};
    const Band keys{kv, queries.scale};
    const Band values{kv, narrow(unit_)};
    norm(names_.attention_norm, c_.model_dim, 1.0, SynthFill::kNorm);
    if (!names_.query_key_value.empty()) {
      matrix(names_.query_key_value, {queries, keys, values}, c_.model_dim);
    } else {
      matrix(names_.query, {queries}, c_.model_dim);
      matrix(names_.key, {keys}, c_.model_dim);
      matrix(names_.value, {values}, c_.model_dim);
    }
    if (c_.family == "qwen2") {
      bias(names_.query, q);
      bias(names_.key, kv);
      bias(names_.value, kv);
    }
    if (c_.family == "gpt2") bias(names_.query_key_value, q + 2 * kv);
    if (c_.qk_norm) {
      norm(names_.query_norm, c_.head_dim, root, SynthFill::kNorm);
      norm(names_.key_norm, c_.head_dim, root, SynthFill::kNorm);
    }
    // Mixed values are about half of a value's size; with a norm behind it the matrix's own scale is of no
    // account.
    matrix(names_.attention_output,
           {{c_.model_dim, narrow(2.0 * share_ / std::sqrt(static_cast<double>(q)))}}, q);
    if (c_.family == "gpt2") bias(names_.attention_output, c_.model_dim);
    if (c_.post_norms) norm(names_.attention_post_norm, c_.model_dim, share_, SynthFill::kNorm);
  }

  void ffn() {
    norm(names_.ffn_norm, c_.model_dim, 1.0, SynthFill::kNorm);
    const Band inner{c_.ffn_dim, narrow(unit_)};
    if (!names_.gate_up.empty()) {
      matrix(names_.gate_up, {inner, inner}, c_.model_dim);
    } else {
      if (c_.gated_ffn) matrix(names_.gate, {inner}, c_.model_dim);
      matrix(names_.up, {inner}, c_.model_dim);
    }
    if (c_.family == "gpt2") bias(names_.up, c_.ffn_dim);
    // An activated product of two normal numbers has a deviation of about 0.6.
    const double down = share_ / (0.6 * std::sqrt(static_cast<double>(c_.ffn_dim)));
    matrix(names_.down, {{c_.model_dim, narrow(down)}}, c_.ffn_dim);
    if (c_.family == "gpt2") bias(names_.down, c_.model_dim);
    if (c_.post_norms) norm(names_.ffn_post_norm, c_.model_dim, share_, SynthFill::kNorm);
  }

  void matrix(const std::string& stem, std::vector<Band> bands, int64_t columns) {
    int64_t rows = 0;
    for (const Band& band : bands) rows += band.row_count;
    tensors_.push_back(
        {prefix_ + stem + ".weight", {rows, columns}, SynthFill::kNormal, std::move(bands), {}, false});
  }

  void vector(const std::string& name, int64_t count, double scale, SynthFill fill) {
    tensors_.push_back({name, {count}, fill, {{count, narrow(scale)}}, {}, true});
  }

  void norm(const std::string& stem, int64_t count, double scale, SynthFill fill) {
    vector(prefix_ + stem + ".weight", count, scale, fill);
    if (c_.norm == NormKind::kLayer) vector(prefix_ + stem + ".bias", count, 0.1, SynthFill::kNormal);
  }

  void bias(const std::string& stem, int64_t count) {
    vector(prefix_ + stem + ".bias", count, 0.3 * embedding_deviation_, SynthFill::kNormal);
  }

  // Llama 3.1's own numbers, but for an original context that is short enough for a tiny model to leave.
  void llama3_divisors() {
    const boost::json::object scaling = {{"rope_type", "llama3"},
                                         {"factor", 8.0},
                                         {"low_freq_factor", 1.0},
                                         {"high_freq_factor", 4.0},
                                         {"original_max_position_embeddings", 128}};
    const auto scaled = rope_from_hf(
        &scaling, {.rope_dim = c_.rope_dim, .context_length = c_.context_length, .base = c_.ropes[0].base});
    CHECK(scaled.ok());
    divisors(names_.rope_divisors, scaled->rope.divisors);
  }

  void longrope_divisors(const RopeConfig& rope) {
    const auto* longer = std::get_if<LongRope>(&rope.by_context);
    if (longer == nullptr) return;
    divisors(names_.rope_long_divisors, longer->divisors);
    divisors(names_.rope_short_divisors, rope.divisors);
  }

  void divisors(const std::string& name, const std::vector<double>& values) {
    vector(name, c_.rope_dim / 2, 0, SynthFill::kGiven);
    for (const double divisor : values) tensors_.back().given.push_back(narrow(divisor));
  }

  const SynthShape& shape_;
  const Config& c_;
  TensorNames names_;
  double unit_ = 0, embedding_deviation_ = 0, share_ = 0;
  std::string prefix_;
  std::vector<SynthTensor> tensors_;
};

}  // namespace

std::vector<SynthTensor> synth_tensors(const SynthShape& shape) { return TensorList(shape).list(); }

}  // namespace cairn
