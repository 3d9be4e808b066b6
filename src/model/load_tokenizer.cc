// load_tokenizer: the tables of a model file, handed to make_tokenizer.
#include "files/gguf.h"
#include "files/hf_folder.h"
#include "text/tokenizer.h"
#include "text/tokenizer/pre_names.h"

namespace cairn {
namespace {

// Moves an optional value read from the file into `out`, where the key is there.
template <typename Out, typename Value>
Status take(Result<std::optional<Value>> found, Out& out) {
  if (!found.ok()) return found.status();
  if (found->has_value()) out = std::move(**found);
  return {};
}

// A key of another type than an integer counts as absent: the file can be used without that token.
void take_id(const GgufFile& file, std::string_view key, TokenizerTables& tables,
             std::optional<int64_t>& out) {
  auto id = file.find_int(key);
  if (id.ok()) {
    out = *id;
  } else {
    tables.notes.push_back(id.status().message() + ": it counts as absent");
  }
}

void take_ids(const GgufFile& file, TokenizerTables& tables) {
  take_id(file, "tokenizer.ggml.bos_token_id", tables, tables.bos);
  take_id(file, "tokenizer.ggml.eos_token_id", tables, tables.eos);
  take_id(file, "tokenizer.ggml.unknown_token_id", tables, tables.unk);
  take_id(file, "tokenizer.ggml.eot_token_id", tables, tables.eot);
  take_id(file, "tokenizer.ggml.eom_token_id", tables, tables.eom);
}

Status choose_pre(const std::string& name, TokenizerTables& tables) {
  if (tables.model != "gpt2") return no_pre_tokenizer("this file");
  CAIRN_RETURN_IF_ERROR(make_chosen_pre_tokenization(name).status());
  tables.pre = name;
  return {};
}

// Phi-3's special tokens take the white space after them; GGUF has no field for that, so the name must do.
Status read_phi3_rule(const GgufFile& file, TokenizerTables& tables) {
  CAIRN_ASSIGN_OR_RETURN(const auto architecture, file.find_string("general.architecture"));
  if (architecture != "phi3" || tables.model != "llama") return {};
  for (size_t i = 0; i < tables.types.size() && i < tables.tokens.size(); ++i) {
    const std::string& text = tables.tokens[i];
    const bool control = tables.types[i] == static_cast<int64_t>(TokenType::kControl);
    if ((control && text.starts_with("<|") && text != "<|endoftext|>") || text == "</s>") {
      tables.swallow_space_after.push_back(text);
    }
  }
  return {};
}

}  // namespace

Result<Tokenizer> load_tokenizer(const GgufFile& file, const TokenizerOptions& options) {
  TokenizerTables tables;
  CAIRN_ASSIGN_OR_RETURN(tables.model, file.need_string("tokenizer.ggml.model"));
  CAIRN_RETURN_IF_ERROR(take(file.find_string("tokenizer.ggml.pre"), tables.pre));
  CAIRN_RETURN_IF_ERROR(take(file.find_strings("tokenizer.ggml.tokens"), tables.tokens));
  CAIRN_RETURN_IF_ERROR(take(file.find_floats("tokenizer.ggml.scores"), tables.scores));
  CAIRN_RETURN_IF_ERROR(take(file.find_ints("tokenizer.ggml.token_type"), tables.types));
  CAIRN_RETURN_IF_ERROR(take(file.find_strings("tokenizer.ggml.merges"), tables.merges));
  CAIRN_RETURN_IF_ERROR(take(file.find_bool("tokenizer.ggml.add_bos_token"), tables.add_bos));
  CAIRN_RETURN_IF_ERROR(take(file.find_bool("tokenizer.ggml.add_eos_token"), tables.add_eos));
  CAIRN_RETURN_IF_ERROR(take(file.find_bool("tokenizer.ggml.add_space_prefix"), tables.add_space_prefix));
  CAIRN_RETURN_IF_ERROR(
      take(file.find_bool("tokenizer.ggml.remove_extra_whitespaces"), tables.remove_extra_spaces));
  take_ids(file, tables);
  if (options.pre) CAIRN_RETURN_IF_ERROR(choose_pre(*options.pre, tables));
  if (file.has("tokenizer.ggml.precompiled_charsmap")) {
    return unsupported(
        "the file has a tokenizer.ggml.precompiled_charsmap, a way to normalize text that Cairn does not do");
  }
  CAIRN_RETURN_IF_ERROR(read_phi3_rule(file, tables));
  return make_tokenizer(std::move(tables));
}

Result<Tokenizer> load_tokenizer(const HfFolder& folder, const TokenizerOptions& options) {
  if (folder.tokenizer() == nullptr) {
    return not_found("the model's folder has no tokenizer.json, from which Cairn reads the tokenizer");
  }
  return make_tokenizer(*folder.tokenizer(),
                        {.tokenizer_config = folder.tokenizer_config(),
                         .generation_config = folder.generation_config(),
                         .model_config = &folder.config()},
                        options);
}

}  // namespace cairn
