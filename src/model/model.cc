#include "model/model.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <utility>
#include <variant>

#include "base/memory.h"
#include "files/gguf.h"
#include "files/hf_folder.h"
#include "model/fingerprint.h"
#include "model/model_plan.h"
#include "model/rope.h"
#include "model/weights.h"

namespace cairn {

struct Model::Impl {
  std::variant<std::monostate, GgufFile, HfFolder> file;  // the embedding tables are read from it
  const Kernels* kernels = nullptr;
  Config config;
  Weights weights;
  std::optional<Tokenizer> tokenizer;
  std::vector<std::string> notes;
  FileFacts file_facts;
  std::optional<Sha256Digest> fingerprint;
};

namespace {

// What only the tokenizer was made from.
void forget_tokenizer(GgufFile&) {}
void forget_tokenizer(HfFolder& folder) {
  folder.forget_tokenizer();
  trim_heap();
}

uint64_t products(const Linear& linear) {
  return static_cast<uint64_t>(linear.matrix.rows) * static_cast<uint64_t>(linear.matrix.columns);
}

}  // namespace

Result<std::shared_ptr<const Model>> Model::load(const std::string& path, const Kernels& kernels,
                                                 ThreadPool& threads, const ModelLoadOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->kernels = &kernels;
  const auto load_from = [&](auto opened) -> Status {
    if (!opened.ok()) return opened.status();
    auto& file = impl->file.template emplace<std::decay_t<decltype(*opened)>>(std::move(opened).value());
    CAIRN_ASSIGN_OR_RETURN(ModelPlan plan, plan_model(file));
    CAIRN_ASSIGN_OR_RETURN(impl->tokenizer, load_tokenizer(file, options.tokenizer));
    int64_t context = plan.config.context_length;
    if (options.accept) {
      CAIRN_ASSIGN_OR_RETURN(context, options.accept(plan, *impl->tokenizer));
    }
    settle_context(plan.config, context);
    CAIRN_ASSIGN_OR_RETURN(impl->file_facts, cairn::file_facts(file, path));
    forget_tokenizer(file);
    impl->config = plan.config;
    impl->notes = plan.notes;
    std::ranges::copy(impl->tokenizer->notes(), std::back_inserter(impl->notes));
    const CopyBytes copy = [&](std::span<const std::byte> bytes, std::byte* to) { file.copy(bytes, to); };
    if (options.wants_fingerprint) impl->fingerprint = model_fingerprint(plan, threads, copy);
    const WeightsOptions weights_options{[&](std::span<const std::byte> bytes) { file.release(bytes); }, copy,
                                         options.progress, options.weights_form};
    CAIRN_ASSIGN_OR_RETURN(impl->weights, load_weights(plan, threads, weights_options));
    for (const Tensor& tensor : file.tensors()) file.release(tensor.data);  // vectors' pages too
    return {};
  };
  std::error_code ignored;
  const bool is_folder = std::filesystem::is_directory(path, ignored);
  CAIRN_RETURN_IF_ERROR(is_folder ? load_from(HfFolder::open(path)) : load_from(GgufFile::open(path)));
  return std::shared_ptr<const Model>(new Model(std::move(impl)));
}

Model::Model(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Model::~Model() = default;

const Config& Model::config() const { return impl_->config; }
const Weights& Model::weights() const { return impl_->weights; }
const Kernels& Model::kernels() const { return *impl_->kernels; }
const Tokenizer& Model::tokenizer() const { return *impl_->tokenizer; }
std::span<const std::string> Model::notes() const { return impl_->notes; }
const FileFacts& Model::file_facts() const { return impl_->file_facts; }
const std::optional<Sha256Digest>& Model::fingerprint() const { return impl_->fingerprint; }
uint64_t Model::decode_weight_bytes() const { return impl_->weights.decode_file_bytes; }

uint64_t Model::layer_products_per_row() const {
  uint64_t sum = 0;
  for (const LayerWeights& layer : impl_->weights.layers) {
    sum += products(layer.query) + products(layer.key) + products(layer.value) + products(layer.output);
    sum += products(layer.gate) + products(layer.up) + products(layer.down);
  }
  return sum;
}

uint64_t Model::output_products_per_row() const { return products({impl_->weights.output, {}}); }

}  // namespace cairn
