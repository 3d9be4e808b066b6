#include "text/tokenizer/json_affixes.h"

#include <array>

#include "base/printable.h"
#include "text/tokenizer/json_fields.h"

namespace cairn {
namespace {

using namespace json_fields;  // NOLINT: this file does nothing else

constexpr int kMaxDepth = 8;
constexpr std::string_view kTemplate = "the post_processor";

Status unsupported_template() {
  return unsupported(
      "the post_processor of tokenizer.json does not just put special tokens around one text, which is all "
      "that Cairn supports");
}

// Appends the ids of the template's special token `name` to `ids`.
Status add_special(const json::object& section, std::string_view name, const Tokenizer::Impl& impl,
                   std::vector<TokenId>& ids) {
  CAIRN_ASSIGN_OR_RETURN(const json::object* specials, need_object(section, kTemplate, "special_tokens"));
  CAIRN_ASSIGN_OR_RETURN(const json::object* special, need_object(*specials, kTemplate, name));
  CAIRN_ASSIGN_OR_RETURN(const json::array* list, need_array(*special, kTemplate, "ids"));
  for (const json::value& value : *list) {
    const auto id = as_integer(value);
    if (!id || *id < 0 || *id >= impl.vocabulary.size())
      return wrong(kTemplate, name, "made of ids of the vocabulary");
    ids.push_back(static_cast<TokenId>(*id));
  }
  return {};
}

Status read_template(const json::object& section, Tokenizer::Impl& impl) {
  CAIRN_ASSIGN_OR_RETURN(const json::array* single, need_array(section, kTemplate, "single"));
  int texts = 0;
  for (const json::value& item : *single) {
    if (!item.is_object()) return unsupported_template();
    if (item.get_object().contains("Sequence")) {
      ++texts;
      continue;
    }
    CAIRN_ASSIGN_OR_RETURN(const json::object* special,
                           need_object(item.get_object(), kTemplate, "SpecialToken"));
    CAIRN_ASSIGN_OR_RETURN(const std::string_view name, string_or(*special, kTemplate, "id", ""));
    CAIRN_RETURN_IF_ERROR(add_special(section, name, impl, texts == 0 ? impl.prefix : impl.suffix));
  }
  return texts == 1 ? Status() : unsupported_template();
}

Status read_post_processor(const json::value* value, int depth, Tokenizer::Impl& impl) {
  if (value == nullptr) return {};
  if (!value->is_object() || depth > kMaxDepth) return unsupported_template();
  const json::object& section = value->get_object();
  CAIRN_ASSIGN_OR_RETURN(const std::string_view type, string_or(section, kTemplate, "type", ""));
  if (type == "ByteLevel") return {};  // it changes offsets, not ids
  if (type == "TemplateProcessing") return read_template(section, impl);
  if (type != "Sequence") {
    return unsupported(
        "tokenizer.json has the post_processor \"" + printable(type) +
        "\", which Cairn does not support; it supports Sequence, ByteLevel, TemplateProcessing");
  }
  CAIRN_ASSIGN_OR_RETURN(const json::array* list, need_array(section, kTemplate, "processors"));
  for (const json::value& inner : *list) CAIRN_RETURN_IF_ERROR(read_post_processor(&inner, depth + 1, impl));
  return {};
}

// The token that tokenizer_config.json names in `field`: "</s>" or {"content": "</s>", ...}.
Result<std::optional<TokenId>> named_token(const json::object* config, std::string_view field,
                                           const Tokenizer::Impl& impl) {
  const json::value* value = config == nullptr ? nullptr : find(*config, field);
  if (value != nullptr && value->is_object()) value = find(value->get_object(), "content");
  if (value == nullptr) return std::optional<TokenId>();
  if (!value->is_string())
    return invalid_data("\"" + std::string(field) + "\" in tokenizer_config.json does not name a token");
  const auto id = impl.vocabulary.find(std::string_view(value->get_string()));
  if (!id) {
    return invalid_data("\"" + std::string(field) + "\" in tokenizer_config.json is \"" +
                        printable(value->get_string()) + "\", which tokenizer.json does not have");
  }
  return std::optional<TokenId>(*id);
}

// The classes whose add_bos_token and add_eos_token override the template.
bool options_decide(const json::object& config) {
  const json::value* name = find(config, "tokenizer_class");
  if (name == nullptr || !name->is_string()) return false;
  const std::string_view text = name->get_string();
  return text.starts_with("LlamaTokenizer") || text.starts_with("CodeLlamaTokenizer") ||
         text.starts_with("GemmaTokenizer");
}

Status apply_options(const json::object& config, Tokenizer::Impl& impl) {
  if (!options_decide(config)) return {};
  const auto apply = [&](std::string_view field, std::optional<TokenId> token,
                         std::vector<TokenId>& ids) -> Status {
    if (find(config, field) == nullptr) return {};
    CAIRN_ASSIGN_OR_RETURN(const bool add, bool_or(config, "tokenizer_config.json, not", field, false));
    ids.clear();
    if (add && !token)
      return invalid_data("tokenizer_config.json sets \"" + std::string(field) +
                          "\" but names no such token");
    if (add) ids.push_back(*token);
    return {};
  };
  CAIRN_RETURN_IF_ERROR(apply("add_bos_token", impl.bos, impl.prefix));
  return apply("add_eos_token", impl.eos, impl.suffix);
}

Result<std::vector<TokenId>> read_end_tokens(const json::object* generation) {
  std::vector<TokenId> ids;
  const json::value* value = generation == nullptr ? nullptr : find(*generation, "eos_token_id");
  if (value == nullptr) return ids;
  const auto add = [&](const json::value& item) {
    const auto id = as_integer(item);
    if (id && *id >= 0 && *id <= INT32_MAX) ids.push_back(static_cast<TokenId>(*id));
    return id && *id >= 0 && *id <= INT32_MAX;
  };
  bool good = true;
  if (const json::array* list = value->if_array()) {
    for (const json::value& item : *list) good = add(item) && good;
  } else {
    good = add(*value);
  }
  if (!good) return invalid_data("\"eos_token_id\" in generation_config.json is not an id or a list of ids");
  return ids;
}

// Without a tokenizer_config.json: the usual names of such tokens.
std::optional<TokenId> usual_eos(const Tokenizer::Impl& impl) {
  static constexpr std::array<std::string_view, 5> kNames{"</s>", "<|end_of_text|>", "<|endoftext|>", "<eos>",
                                                          "<|im_end|>"};
  for (const std::string_view name : kNames) {
    const auto id = impl.vocabulary.find(name);
    if (id && impl.vocabulary.sort(*id) == TokenSort::kSpecial) return id;
  }
  return std::nullopt;
}

}  // namespace

Status read_affixes(const json::object& tokenizer_json, const json::object* config,
                    const json::object* generation, Tokenizer::Impl& impl) {
  CAIRN_RETURN_IF_ERROR(read_post_processor(find(tokenizer_json, "post_processor"), 0, impl));
  CAIRN_ASSIGN_OR_RETURN(impl.bos, named_token(config, "bos_token", impl));
  CAIRN_ASSIGN_OR_RETURN(impl.eos, named_token(config, "eos_token", impl));
  CAIRN_ASSIGN_OR_RETURN(std::vector<TokenId> ends, read_end_tokens(generation));
  if (config != nullptr) CAIRN_RETURN_IF_ERROR(apply_options(*config, impl));
  if (config == nullptr && !impl.prefix.empty()) impl.bos = impl.prefix.front();
  if (config == nullptr) impl.eos = ends.empty() ? usual_eos(impl) : std::optional<TokenId>(ends.front());
  set_end_tokens(impl, ends);
  return {};
}

}  // namespace cairn
