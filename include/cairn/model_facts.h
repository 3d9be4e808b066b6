// ModelFacts: what a model is, as far as its user may want to know. Plain data.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cairn/ids.h"
#include "cairn/memory_plan.h"

namespace cairn {

// A token that ends a reply.
struct EndOfReply {
  TokenId id = 0;
  std::string text;    // its spelling, "<|im_end|>"; as the file has it, which need not be UTF-8
  std::string reason;  // what says that it ends a reply: keys of the file, or its spelling

  friend bool operator==(const EndOfReply&, const EndOfReply&) = default;
};

struct ModelFacts {
  std::string name;    // as the file says; else the file's or folder's own. It need not be UTF-8
  std::string family;  // "llama", "qwen3" ...
  int64_t layer_count = 0;
  int64_t model_dim = 0;      // elements of a token's vector between layers
  int64_t head_count = 0;     // of queries
  int64_t kv_head_count = 0;  // of keys and values; divides head_count
  int64_t head_dim = 0;       // elements of a head
  int64_t ffn_dim = 0;
  int64_t vocab_size = 0;      // elements of a row of logits
  int64_t context_length = 0;  // positions that the model was made for
  std::vector<int64_t>
      layer_windows;             // for each layer: how many positions a token sees, its own included; 0: all
  uint64_t parameter_count = 0;  // a matrix that serves twice counts once
  uint64_t file_bytes = 0;       // of its files

  std::string tokenizer_kind;                // "sentencepiece-bpe", "bpe", "byte-level-bpe", "unigram"
  std::optional<TokenId> begin_token;        // what a text begins with, where the vocabulary has one
  std::vector<EndOfReply> end_tokens;        // by ascending id
  std::optional<std::string> chat_template;  // Jinja, where the model brings one

  friend bool operator==(const ModelFacts&, const ModelFacts&) = default;
};

// A model that is not open, and what opening it would take.
struct ModelDescription {
  ModelFacts facts;
  int64_t context = 0;  // positions of a sequence at most, with these options
  MemoryPlan memory;
  std::vector<std::string> notes;  // as Llm::notes()
};

}  // namespace cairn
