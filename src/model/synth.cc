#include "model/synth.h"

#include <algorithm>
#include <map>

#include "base/check.h"
#include "base/random.h"
#include "files/gguf_writer.h"
#include "model/families/keys.h"
#include "model/synth_shapes.h"
#include "model/synth_tensors.h"

namespace cairn {
namespace {

// A stream of its own for each row, so that rows could be made in any order.
class RowRandom {
 public:
  RowRandom(uint64_t seed, uint64_t tensor, uint64_t row) : state_(random_bits(seed, tensor, row) | 1) {}

  uint64_t bits() {  // xorshift64* (Marsaglia; Vigna)
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545F4914F6CDD1DULL;
  }
  // Nearly normal, deviation 1, never beyond 3.5: the sum of four uniform numbers of 16 bits.
  float normal() {
    const uint64_t b = bits();
    const auto sum =
        static_cast<int32_t>((b & 0xFFFF) + ((b >> 16) & 0xFFFF) + ((b >> 32) & 0xFFFF) + (b >> 48));
    constexpr float kSqrt3 = 1.7320508F;
    return static_cast<float>(sum - 2 * 0xFFFF) * (kSqrt3 / 65536.0F);
  }
  float uniform() { return static_cast<float>(bits() >> 40) * 0x1p-24F; }

 private:
  uint64_t state_;
};

void fill_row(const SynthTensor& tensor, float scale, RowRandom random, std::span<float> out) {
  switch (tensor.fill) {
    case SynthFill::kNormal:
      for (float& v : out) v = scale * random.normal();
      return;
    case SynthFill::kNorm:
      for (float& v : out) v = scale * (0.9F + 0.2F * random.uniform());
      return;
    case SynthFill::kSignedNorm:
      for (float& v : out) {
        const float size = scale * (0.9F + 0.2F * random.uniform());
        v = (random.bits() >> 63) != 0 ? -size : size;
      }
      return;
    case SynthFill::kGiven: std::copy(tensor.given.begin(), tensor.given.end(), out.begin()); return;
  }
}

TensorType type_of(TensorType wanted, const SynthTensor& tensor) {
  return tensor.stays_f32 ? TensorType::kF32 : fitting_type(wanted, tensor.shape.back());
}

std::vector<std::pair<std::string, GgufSetting>> settings_of(const SynthShape& shape,
                                                             const SynthOptions& options) {
  const Config& c = shape.config;
  const auto u32 = [](int64_t value) { return static_cast<uint32_t>(value); };
  const std::string arch = shape.architecture + ".";
  std::vector<std::pair<std::string, GgufSetting>> s = {
      {"general.architecture", shape.architecture},
      {"general.name", "synthetic " + options.shape},
      {"general.file_type", tensor_type_info(options.type).gguf_file_type},
      {"general.quantization_version", uint32_t{2}},
      {arch + "vocab_size", u32(c.vocab_size)},
      {arch + "context_length", u32(c.context_length)},
      {arch + "embedding_length", u32(c.model_dim)},
      {arch + "block_count", u32(c.layer_count)},
      {arch + "feed_forward_length", u32(c.ffn_dim)},
      {arch + "attention.head_count", u32(c.head_count)},
      {arch + "attention.head_count_kv", u32(c.kv_head_count)},
      {arch + "attention.key_length", u32(c.head_dim)},
      {arch + "attention.value_length", u32(c.head_dim)},
      {arch +
           (c.norm == NormKind::kRms ? "attention.layer_norm_rms_epsilon" : "attention.layer_norm_epsilon"),
       c.norm_eps}};
  if (c.rope_style != RopeStyle::kNone) {
    s.emplace_back(arch + "rope.freq_base", static_cast<float>(c.ropes[0].base));
    s.emplace_back(arch + "rope.dimension_count", u32(c.rope_dim));
    if (const auto* longer = std::get_if<LongRope>(&c.ropes[0].by_context)) {
      s.emplace_back(arch + "rope.scaling.original_context_length", u32(longer->original_context));
      s.emplace_back(arch + "rope.scaling.attn_factor", static_cast<float>(longer->magnitude));
    }
  }
  // 0 is no window; other engines want to hear it of a Phi-3.
  if (c.layers[0].window > 0 || shape.architecture == "phi3")
    s.emplace_back(arch + "attention.sliding_window", u32(c.layers[0].window));
  if (c.attention_soft_cap > 0) s.emplace_back(arch + "attn_logit_softcapping", c.attention_soft_cap);
  if (c.final_soft_cap > 0) s.emplace_back(arch + "final_logit_softcapping", c.final_soft_cap);
  for (auto& setting : synth_vocabulary(shape.vocabulary, c.vocab_size)) s.push_back(std::move(setting));
  return s;
}

// One sentence for each type that was put in place of the one asked for.
std::vector<std::string> notes_of(const std::vector<SynthTensor>& tensors, TensorType wanted) {
  std::map<std::string, int> replaced;
  for (const SynthTensor& tensor : tensors) {
    const TensorType type = type_of(wanted, tensor);
    if (tensor.stays_f32 || type == wanted) continue;
    ++replaced["with rows of " + std::to_string(tensor.shape.back()) + " have the type " +
               std::string(tensor_type_info(type).name)];
  }
  std::vector<std::string> notes;
  for (const auto& [what, count] : replaced) {
    notes.push_back(std::to_string(count) + " matrices " + what + ", because " +
                    std::string(tensor_type_info(wanted).name) + " needs rows that are multiples of " +
                    std::to_string(tensor_type_info(wanted).elements));
  }
  return notes;
}

Status write_tensor(GgufWriter& writer, const SynthTensor& tensor, const SynthOptions& options,
                    uint64_t index) {
  const uint64_t seed = options.seed;
  std::vector<float> row(static_cast<size_t>(tensor.shape.back()));
  if (tensor.shape.size() == 1) {
    fill_row(tensor, tensor.bands[0].scale, RowRandom(seed, index, 0), row);
    return writer.append_floats(row);
  }
  uint64_t next = 0;
  for (const SynthTensor::Band& band : tensor.bands) {
    for (int64_t i = 0; i < band.row_count; ++i) {
      if (options.must_stop && options.must_stop()) return internal_error("stopped: nothing is written");
      fill_row(tensor, band.scale, RowRandom(seed, index, next++), row);
      CAIRN_RETURN_IF_ERROR(writer.append_floats(row));
    }
  }
  return {};
}

uint64_t element_count(const SynthTensor& tensor) {
  uint64_t count = 1;
  for (const int64_t extent : tensor.shape) count *= static_cast<uint64_t>(extent);
  return count;
}

Result<SynthShape> shape_for(const SynthOptions& options) {
  auto shape = synth_shape(options.shape);
  if (!shape) {
    std::string names;
    for (const std::string_view name : synth_shape_names())
      names += (names.empty() ? "" : ", ") + std::string(name);
    return invalid_argument("there is no shape \"" + options.shape + "\"; choose one of " + names);
  }
  if (options.context_length) {
    // A table of learned positions has a row for each, so the limit is nearer than a file's own.
    constexpr int64_t kMaxContext = 1 << 24;
    if (*options.context_length < 1 || *options.context_length > kMaxContext) {
      return invalid_argument("the context " + std::to_string(*options.context_length) +
                              " must lie between 1 and " + std::to_string(kMaxContext));
    }
    shape->config.context_length = *options.context_length;
  }
  return *std::move(shape);
}

}  // namespace

Result<SynthReport> write_synthetic_model(const SynthOptions& options, const std::string& path) {
  CAIRN_ASSIGN_OR_RETURN(const SynthShape shape, shape_for(options));
  const std::vector<SynthTensor> tensors = synth_tensors(shape);
  GgufHeader header{settings_of(shape, options), {}};
  SynthReport report{.notes = notes_of(tensors, options.type)};
  for (const SynthTensor& tensor : tensors) {
    header.tensors.push_back({tensor.name, type_of(options.type, tensor), tensor.shape});
    report.parameter_count += element_count(tensor);
  }
  CAIRN_ASSIGN_OR_RETURN(const GgufLayout layout, lay_out_gguf(header));
  report.file_bytes = layout.head.size();
  for (const auto& slot : layout.slots) report.file_bytes += slot.padded_bytes;
  CAIRN_ASSIGN_OR_RETURN(GgufWriter writer, GgufWriter::create(path, header));
  uint64_t done = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    CAIRN_RETURN_IF_ERROR(write_tensor(writer, tensors[i], options, i));
    done += element_count(tensors[i]);
    if (options.progress) options.progress(done, report.parameter_count);
  }
  CAIRN_RETURN_IF_ERROR(writer.finish());
  return report;
}

}  // namespace cairn
