#include "model/fingerprint.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/thread_pool.h"

namespace cairn {
namespace {

// Tensors are hashed as trees: pieces of this size, then their digests in order. A part of what is hashed: never tuned.
constexpr size_t kPieceBytes = size_t{1} << 20;

// What begins each hashed text, so that a piece of weights can never pass for another kind.
constexpr std::string_view kPieceMark = "cairn tensor piece 1\n";
constexpr std::string_view kTensorMark = "cairn tensor 1\n";
constexpr std::string_view kModelMark = "cairn model 1\n";

void update(Sha256& hash, std::string_view text) { hash.update(std::as_bytes(std::span(text))); }
void update(Sha256& hash, const Sha256Digest& digest) { hash.update(std::as_bytes(std::span(digest))); }

// The parts of a plan: which tensor plays which, as text, and the tensors by name.
class Parts {
 public:
  explicit Parts(const ModelPlan& plan) {
    add("token_embedding", plan.token_embedding);
    add("position_embedding", plan.position_embedding);
    for (const LayerPlan& layer : plan.layers) add_layer(layer);
    add("final_norm", plan.final_norm);
    add("final_norm_bias", plan.final_norm_bias);
    add("output", plan.output);
  }

  [[nodiscard]] const std::string& text() const { return text_; }
  [[nodiscard]] const std::map<std::string_view, const Tensor*>& tensors() const { return tensors_; }

 private:
  void add(std::string_view role, const TensorPart& part) {
    const auto& [tensor, row_begin, row_count, transposed, added] = part;
    text_ += fmt::format("{}={}:{} {} {} {} {:a}\n", role, tensor->name.size(), tensor->name, row_begin,
                         row_count, transposed ? "transposed" : "plain", double{added});
    const auto [at, is_new] = tensors_.emplace(tensor->name, tensor);
    CHECK(is_new || at->second == tensor);
  }

  void add(std::string_view role, const std::optional<TensorPart>& part) {
    if (part) add(role, *part);
  }

  void add_layer(const LayerPlan& layer) {
    const auto& [attention_norm, attention_norm_bias, query, key, value, output, query_bias, key_bias,
                 value_bias, output_bias, query_norm, key_norm, attention_post_norm, ffn_norm, ffn_norm_bias,
                 gate, gate_bias, up, down, up_bias, down_bias, ffn_post_norm] = layer;
    text_ += "layer\n";
    add("attention_norm", attention_norm);
    add("attention_norm_bias", attention_norm_bias);
    add("query", query);
    add("key", key);
    add("value", value);
    add("output", output);
    add("query_bias", query_bias);
    add("key_bias", key_bias);
    add("value_bias", value_bias);
    add("output_bias", output_bias);
    add("query_norm", query_norm);
    add("key_norm", key_norm);
    add("attention_post_norm", attention_post_norm);
    add("ffn_norm", ffn_norm);
    add("ffn_norm_bias", ffn_norm_bias);
    add("gate", gate);
    add("gate_bias", gate_bias);
    add("up", up);
    add("down", down);
    add("up_bias", up_bias);
    add("down_bias", down_bias);
    add("ffn_post_norm", ffn_post_norm);
  }

  std::string text_;
  std::map<std::string_view, const Tensor*> tensors_;
};

struct Piece {
  std::span<const std::byte> bytes;
  Sha256Digest digest;
};

std::vector<Piece> pieces_of(const Parts& parts) {
  std::vector<Piece> pieces;
  for (const auto& [name, tensor] : parts.tensors()) {
    for (size_t at = 0; at < tensor->data.size(); at += kPieceBytes) {
      pieces.push_back({tensor->data.subspan(at, std::min(kPieceBytes, tensor->data.size() - at)), {}});
    }
  }
  return pieces;
}

// Fills in the digests.
void hash_pieces(std::vector<Piece>& pieces, ThreadPool& threads, const CopyBytes& copy) {
  std::vector<std::vector<std::byte>> buffers(static_cast<size_t>(threads.thread_count()),
                                              std::vector<std::byte>(kPieceBytes));
  threads.for_each(std::ssize(pieces), [&](int64_t i, int thread) {
    Piece& piece = pieces[static_cast<size_t>(i)];
    std::byte* const buffer = buffers[static_cast<size_t>(thread)].data();
    copy(piece.bytes, buffer);
    Sha256 hash;
    update(hash, kPieceMark);
    hash.update({buffer, piece.bytes.size()});
    piece.digest = hash.finish();
  });
}

Sha256Digest tensor_digest(const Tensor& tensor, std::span<const Piece> pieces) {
  Sha256 hash;
  update(hash, kTensorMark);
  update(hash,
         fmt::format("{}:{}\n{}\n", tensor.name.size(), tensor.name, tensor_type_info(tensor.type).name));
  for (const int64_t extent : tensor.shape) update(hash, fmt::format("{} ", extent));
  update(hash, fmt::format("\n{} bytes\n", tensor.data.size()));
  for (const Piece& piece : pieces) update(hash, piece.digest);
  return hash.finish();
}

}  // namespace

Sha256Digest model_fingerprint(const ModelPlan& plan, ThreadPool& threads, const CopyBytes& copy) {
  CHECK(plan.imagined_tensors == nullptr);
  const Parts parts(plan);
  std::vector<Piece> pieces = pieces_of(parts);
  hash_pieces(pieces, threads, copy);
  Sha256 hash;
  update(hash, kModelMark);
  const std::string config = config_text(plan.config);
  update(hash, fmt::format("{}\n{}{}\n{}", config.size(), config, parts.text().size(), parts.text()));
  std::span<const Piece> rest = pieces;
  for (const auto& [name, tensor] : parts.tensors()) {
    const size_t count = (tensor->data.size() + kPieceBytes - 1) / kPieceBytes;
    update(hash, tensor_digest(*tensor, rest.first(count)));
    rest = rest.subspan(count);
  }
  return hash.finish();
}

}  // namespace cairn
