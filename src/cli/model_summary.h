// What a model file holds, as numbers, and those as text or JSON. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cairn/model_facts.h"
#include "cli/open_model.h"
#include "model/config.h"

namespace cairn {

struct TensorTypeCount {
  std::string name;
  uint64_t tensor_count = 0;
  uint64_t element_count = 0;
  std::optional<uint64_t> bytes;  // absent: of an unknown type
  bool runs_here = true;
};

struct KvCost {
  std::string type_name;        // "f16"
  uint64_t position_bytes = 0;  // of all layers
};

struct ModelSummary {
  std::string path;
  std::string kind;
  uint64_t file_bytes = 0;
  uint64_t parameter_count = 0;
  std::vector<TensorTypeCount> tensor_types;  // the most bytes first
  std::optional<Config> config;               // absent: Cairn cannot run it
  std::string refusal;                        // why Cairn cannot run it: its layers, or its tokenizer
  std::string tokenizer;                      // its kind, or why there is none
  int64_t token_count = 0;
  std::vector<EndOfReply> ends;
  bool has_chat_template = false;
  std::vector<KvCost> kv_costs;    // for each --kv; empty without a config
  std::vector<std::string> notes;  // of the model, then of its tokenizer

  [[nodiscard]] bool runs_here() const { return refusal.empty(); }
};

[[nodiscard]] ModelSummary summarise(const ModelFile& file, const std::string& path,
                                     const TokenizerOptions& options);
[[nodiscard]] std::string summary_text(const ModelSummary& summary);
[[nodiscard]] std::string summary_json(const ModelSummary& summary);

}  // namespace cairn
