#include "engine/model_facts.h"

#include <algorithm>
#include <filesystem>
#include <iterator>

#include "engine/memory_plan.h"
#include "engine/thread_count.h"
#include "files/gguf.h"
#include "files/hf_folder.h"
#include "model/model_plan.h"

namespace cairn {
namespace {

ModelFacts facts_of(const Config& config, const Tokenizer& tokenizer) {
  ModelFacts facts{.family = config.family,
                   .layer_count = config.layer_count,
                   .model_dim = config.model_dim,
                   .head_count = config.head_count,
                   .kv_head_count = config.kv_head_count,
                   .head_dim = config.head_dim,
                   .ffn_dim = config.ffn_dim,
                   .vocab_size = config.vocab_size,
                   .context_length = config.context_length,
                   .tokenizer_kind = std::string(tokenizer.kind()),
                   .begin_token = tokenizer.bos(),
                   .end_tokens = ends_of_replies(tokenizer)};
  for (const LayerConfig& layer : config.layers) facts.layer_windows.push_back(layer.window);
  return facts;
}

void add_file(const FileFacts& file, ModelFacts& facts) {
  facts.name = file.name;
  facts.chat_template = file.chat_template;
  facts.file_bytes = file.file_bytes;
}

template <typename File>
Result<ModelDescription> describe(const Result<File>& file, const std::string& path,
                                  const OpenOptions& options) {
  CAIRN_RETURN_IF_ERROR(file.status());
  CAIRN_ASSIGN_OR_RETURN(const ModelPlan plan, plan_model(*file));
  CAIRN_ASSIGN_OR_RETURN(const Tokenizer tokenizer, load_tokenizer(*file, options.tokenizer));
  CAIRN_ASSIGN_OR_RETURN(const FileFacts of_file, file_facts(*file, path));
  CAIRN_ASSIGN_OR_RETURN(const int thread_count, checked_thread_count(options.thread_count));
  MemoryWish wish{.engine = options.engine, .thread_count = thread_count};
  CAIRN_ASSIGN_OR_RETURN(wish.engine.context, context_for(plan.config, wish.engine.kv_plan, options.context,
                                                          options.context_limit));
  const WeightSizes weights = weight_sizes(plan);
  ModelDescription description{.facts = facts_of(plan.config, tokenizer), .context = wish.engine.context};
  add_file(of_file, description.facts);
  description.facts.parameter_count = weights.parameter_count;
  CAIRN_ASSIGN_OR_RETURN(description.memory, plan_memory({.config = plan.config, .weights = weights}, wish));
  description.notes = plan.notes;
  std::ranges::copy(tokenizer.notes(), std::back_inserter(description.notes));
  return description;
}

}  // namespace

std::vector<EndOfReply> ends_of_replies(const Tokenizer& tokenizer) {
  std::vector<EndOfReply> ends;
  for (const EndToken& end : tokenizer.end_tokens()) {
    ends.push_back({end.id, std::string(tokenizer.token_text(end.id)), end.reason});
  }
  return ends;
}

ModelFacts model_facts(const LoadedModel& loaded) {
  const Model& model = *loaded.model;
  ModelFacts facts = facts_of(model.config(), model.tokenizer());
  add_file(model.file_facts(), facts);
  facts.context_length = loaded.made_for;
  facts.parameter_count = loaded.weights.parameter_count;
  return facts;
}

Result<ModelDescription> describe_model(const std::string& path, const OpenOptions& options) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored) ? describe(HfFolder::open(path), path, options)
                                                      : describe(GgufFile::open(path), path, options);
}

}  // namespace cairn
