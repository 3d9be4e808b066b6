#include "model/families/assemble.h"

#include <cmath>

#include "base/printable.h"
#include "files/hf_folder.h"
#include "kernels/weights/dequantize.h"
#include "model/families/keys.h"

namespace cairn {
namespace {

using Rows = PartFinder::Rows;

Status check_config(const Config& c) {
  if (c.head_count % c.kv_head_count != 0) {
    return invalid_data("the head count " + std::to_string(c.head_count) +
                        " is not a multiple of the KV head count " + std::to_string(c.kv_head_count));
  }
  if (c.rope_style != RopeStyle::kNone &&
      (c.rope_dim % 2 != 0 || c.rope_dim < 2 || c.rope_dim > c.head_dim)) {
    return invalid_data("RoPE's dimension count " + std::to_string(c.rope_dim) +
                        " must be even and at most the head dimension " + std::to_string(c.head_dim));
  }
  if (!(c.attention_scale > 0) || !std::isfinite(c.attention_scale)) {
    return invalid_data("the attention scale is not a positive number");
  }
  return {};
}

// Reads one layer's parts; the order of calls is the order in which errors are reported.
class LayerReader {
 public:
  LayerReader(PartFinder& parts, const TensorNames& names, const Config& config, int64_t layer)
      : parts_(parts), names_(names), c_(config), prefix_(names.layer_prefix + std::to_string(layer) + ".") {}

  LayerPlan read() {
    LayerPlan plan;
    norm(names_.attention_norm, plan.attention_norm, plan.attention_norm_bias);
    read_attention(plan);
    norm(names_.ffn_norm, plan.ffn_norm, plan.ffn_norm_bias);
    read_ffn(plan);
    if (c_.post_norms) {
      plan.attention_post_norm = norm_weight(names_.attention_post_norm, c_.model_dim);
      plan.ffn_post_norm = norm_weight(names_.ffn_post_norm, c_.model_dim);
    }
    return plan;
  }

 private:
  void read_attention(LayerPlan& plan) {
    const int64_t q = c_.head_count * c_.head_dim;
    const int64_t kv = c_.kv_head_count * c_.head_dim;
    const int64_t all = q + 2 * kv;
    const bool fused = !names_.query_key_value.empty();
    const auto stem = [&](const std::string& own) { return fused ? names_.query_key_value : own; };
    const Bias bias = names_.query_key_value_bias;
    matrix(stem(names_.query), fused ? Rows{0, q, all} : PartFinder::all_rows(q), c_.model_dim, bias,
           plan.query, plan.query_bias);
    matrix(stem(names_.key), fused ? Rows{q, kv, all} : PartFinder::all_rows(kv), c_.model_dim, bias,
           plan.key, plan.key_bias);
    matrix(stem(names_.value), fused ? Rows{q + kv, kv, all} : PartFinder::all_rows(kv), c_.model_dim, bias,
           plan.value, plan.value_bias);
    matrix(names_.attention_output, PartFinder::all_rows(c_.model_dim), q, names_.attention_output_bias,
           plan.output, plan.output_bias);
    if (c_.qk_norm) {
      plan.query_norm = norm_weight(names_.query_norm, c_.head_dim);
      plan.key_norm = norm_weight(names_.key_norm, c_.head_dim);
    }
  }

  void read_ffn(LayerPlan& plan) {
    const int64_t ffn = c_.ffn_dim;
    const bool fused = !names_.gate_up.empty();
    if (c_.gated_ffn) {
      plan.gate.emplace();
      matrix(fused ? names_.gate_up : names_.gate, fused ? Rows{0, ffn, 2 * ffn} : PartFinder::all_rows(ffn),
             c_.model_dim, names_.ffn_bias, *plan.gate, plan.gate_bias);
    }
    matrix(fused ? names_.gate_up : names_.up, fused ? Rows{ffn, ffn, 2 * ffn} : PartFinder::all_rows(ffn),
           c_.model_dim, names_.ffn_bias, plan.up, plan.up_bias);
    matrix(names_.down, PartFinder::all_rows(c_.model_dim), ffn, names_.ffn_bias, plan.down, plan.down_bias);
  }

  void matrix(const std::string& stem, Rows rows, int64_t columns, Bias bias_rule, TensorPart& weight,
              std::optional<TensorPart>& bias) {
    weight = parts_.matrix(prefix_ + stem + ".weight", rows, columns);
    const std::string bias_name = prefix_ + stem + ".bias";
    if (bias_rule == Bias::kRequired || (bias_rule == Bias::kIfPresent && parts_.has(bias_name))) {
      bias = parts_.vector(bias_name, rows);
    }
  }

  TensorPart norm_weight(const std::string& stem, int64_t count) {
    TensorPart part = parts_.vector(prefix_ + stem + ".weight", PartFinder::all_rows(count));
    part.add = names_.norm_add;
    return part;
  }

  void norm(const std::string& stem, TensorPart& weight, std::optional<TensorPart>& bias) {
    weight = norm_weight(stem, c_.model_dim);
    if (names_.norm_bias == Bias::kRequired) {
      bias = parts_.vector(prefix_ + stem + ".bias", PartFinder::all_rows(c_.model_dim));
    }
  }

  PartFinder& parts_;
  const TensorNames& names_;
  const Config& c_;
  std::string prefix_;
};

Status imagine_vocab_size(const TensorNames& names, ModelPlan& plan) {
  if (plan.config.vocab_size > 0) return {};
  if (!names.usual_vocab_size) return invalid_data("config.json: vocab_size is missing");
  plan.config.vocab_size = *names.usual_vocab_size;
  plan.notes.push_back("config.json has no vocab_size: transformers' default for this family is assumed, " +
                       std::to_string(*names.usual_vocab_size));
  return {};
}

// Tied weights are sometimes saved under the output's name alone.
void find_tied_embedding(const PartFinder& parts, TensorNames& names, ModelPlan& plan) {
  const std::string embedding = names.token_embedding + ".weight";
  const std::string output = names.output + ".weight";
  if (parts.imagines() || names.output_matrix == OutputMatrix::kOwn) return;
  if (parts.has(embedding) || !parts.has(output)) return;
  plan.notes.push_back("the file has no tensor " + embedding + ": " + output +
                       " serves for both (tied weights)");
  names.token_embedding = names.output;
  names.output_matrix = OutputMatrix::kTied;
}

Status read_vocab_size(const PartFinder& parts, const TensorNames& names, ModelPlan& plan) {
  if (parts.imagines()) return imagine_vocab_size(names, plan);
  Config& config = plan.config;
  const Tensor* embedding = parts.peek(names.token_embedding + ".weight");
  if (embedding == nullptr)
    return invalid_data("the file has no tensor " + names.token_embedding + ".weight");
  if (embedding->shape.size() != 2 || embedding->shape[0] < 1 || embedding->shape[0] > ConfigLimits::kVocab) {
    return invalid_data("tensor " + embedding->name + " is not a matrix of 1 to " +
                        std::to_string(ConfigLimits::kVocab) + " rows");
  }
  if (config.vocab_size == 0) config.vocab_size = embedding->shape[0];
  return {};
}

// `divisors` (none: all 1) times those of a tensor: what each pair's frequency is divided by.
Result<std::vector<double>> times_divisors(PartFinder& parts, const std::string& name,
                                           std::vector<double> divisors, int64_t pairs) {
  const TensorPart part = parts.vector(name, PartFinder::all_rows(pairs));
  CAIRN_RETURN_IF_ERROR(parts.status());
  std::vector<float> values(static_cast<size_t>(pairs));
  dequantize_row(part.tensor->type, part.tensor->data.data(), values);
  if (divisors.empty()) divisors.assign(values.size(), 1.0);
  for (size_t i = 0; i < values.size(); ++i) {
    if (!(values[i] >= 1e-6F && values[i] <= 1e6F)) {
      return invalid_data("tensor " + name + " holds a divisor that is not between 1e-6 and 1e6");
    }
    divisors[i] *= static_cast<double>(values[i]);
  }
  return divisors;
}

// GGUF's rope_freqs.weight; and, of longrope, rope_factors_long.weight and rope_factors_short.weight.
Status read_rope_divisors(PartFinder& parts, const TensorNames& names, Config& config) {
  if (names.rope_divisors.empty() || config.ropes.empty()) return {};
  RopeConfig& rope = config.ropes[0];
  const int64_t pairs = config.rope_dim / 2;
  if (parts.has(names.rope_divisors)) {
    CAIRN_ASSIGN_OR_RETURN(rope.divisors, times_divisors(parts, names.rope_divisors, rope.divisors, pairs));
  }
  if (auto* longer = std::get_if<LongRope>(&rope.by_context)) {
    CAIRN_ASSIGN_OR_RETURN(longer->divisors,
                           times_divisors(parts, names.rope_long_divisors, rope.divisors, pairs));
    CAIRN_ASSIGN_OR_RETURN(rope.divisors,
                           times_divisors(parts, names.rope_short_divisors, rope.divisors, pairs));
  }
  return {};
}

void read_ends(PartFinder& parts, const TensorNames& names, ModelPlan& plan) {
  const Config& c = plan.config;
  plan.token_embedding = parts.table(names.token_embedding + ".weight", c.vocab_size, c.model_dim);
  if (c.learned_positions) {
    plan.position_embedding =
        parts.table(names.position_embedding + ".weight", c.context_length, c.model_dim);
  }
  plan.final_norm = parts.vector(names.final_norm + ".weight", PartFinder::all_rows(c.model_dim));
  plan.final_norm.add = names.norm_add;
  if (names.norm_bias == Bias::kRequired) {
    plan.final_norm_bias = parts.vector(names.final_norm + ".bias", PartFinder::all_rows(c.model_dim));
  }
  const std::string output = names.output + ".weight";
  if (names.output_matrix == OutputMatrix::kTied) {
    parts.ignore(output);
  } else if (names.output_matrix == OutputMatrix::kOwn || parts.has(output) || parts.imagines()) {
    plan.output = parts.table(output, c.vocab_size, c.model_dim);
  }
}

}  // namespace

TensorNames gguf_names() {
  TensorNames n;
  n.token_embedding = "token_embd";
  n.position_embedding = "position_embd";
  n.final_norm = "output_norm";
  n.output = "output";
  n.layer_prefix = "blk.";
  n.attention_norm = "attn_norm";
  n.query = "attn_q";
  n.key = "attn_k";
  n.value = "attn_v";
  n.attention_output = "attn_output";
  n.query_norm = "attn_q_norm";
  n.key_norm = "attn_k_norm";
  n.attention_post_norm = "post_attention_norm";
  n.ffn_norm = "ffn_norm";
  n.gate = "ffn_gate";
  n.up = "ffn_up";
  n.down = "ffn_down";
  n.ffn_post_norm = "post_ffw_norm";
  n.rope_divisors = "rope_freqs.weight";
  n.rope_long_divisors = "rope_factors_long.weight";
  n.rope_short_divisors = "rope_factors_short.weight";
  n.ignored = {".attn_rot_embd."};
  return n;
}

TensorNames hf_names() {
  TensorNames n;
  n.token_embedding = "model.embed_tokens";
  n.final_norm = "model.norm";
  n.output = "lm_head";
  n.layer_prefix = "model.layers.";
  n.attention_norm = "input_layernorm";
  n.query = "self_attn.q_proj";
  n.key = "self_attn.k_proj";
  n.value = "self_attn.v_proj";
  n.attention_output = "self_attn.o_proj";
  n.query_norm = "self_attn.q_norm";
  n.key_norm = "self_attn.k_norm";
  n.ffn_norm = "post_attention_layernorm";
  n.gate = "mlp.gate_proj";
  n.up = "mlp.up_proj";
  n.down = "mlp.down_proj";
  n.ignored = {"rotary_emb.inv_freq"};
  return n;
}

namespace {

Result<ModelPlan> assemble_from(PartFinder& parts, Config config, TensorNames names) {
  CAIRN_RETURN_IF_ERROR(check_config(config));
  ModelPlan plan;
  plan.config = std::move(config);
  find_tied_embedding(parts, names, plan);
  CAIRN_RETURN_IF_ERROR(read_vocab_size(parts, names, plan));
  CAIRN_RETURN_IF_ERROR(read_rope_divisors(parts, names, plan.config));
  read_ends(parts, names, plan);
  CAIRN_RETURN_IF_ERROR(parts.status());
  for (int64_t layer = 0; layer < plan.config.layer_count; ++layer) {
    plan.layers.push_back(LayerReader(parts, names, plan.config, layer).read());
    CAIRN_RETURN_IF_ERROR(parts.status());
  }
  if (const auto unused = parts.find_unused(names.ignored)) {
    return unsupported("tensor " + printable(*unused) + " plays no part in a " + plan.config.family +
                       " model as Cairn runs it, so the file is of a variant that would be computed wrongly");
  }
  return plan;
}

}  // namespace

Result<ModelPlan> assemble(Config config, std::span<const Tensor> tensors, const TensorNames& names) {
  PartFinder parts(tensors, names.layout);
  return assemble_from(parts, std::move(config), names);
}

Result<ModelPlan> assemble(Config config, const HfFolder& folder, const TensorNames& names) {
  if (!folder.imagined_type().has_value()) return assemble(std::move(config), folder.tensors(), names);
  auto tensors = std::make_shared<std::deque<Tensor>>();
  PartFinder parts(*tensors, *folder.imagined_type());
  CAIRN_ASSIGN_OR_RETURN(ModelPlan plan, assemble_from(parts, std::move(config), names));
  plan.imagined_tensors = std::move(tensors);
  return plan;
}

}  // namespace cairn
