#include "text/tokenizer/json_affixes.h"

#include <array>

#include "base/printable.h"
#include "text/tokenizer/end_tokens.h"
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

void ignore(const std::string& what, std::string_view why, Tokenizer::Impl& impl) {
  impl.notes.push_back(what + ", which " + std::string(why) + ": it is ignored");
}

std::string quoted(std::string_view field, std::string_view file) {
  return "\"" + std::string(field) + "\" in " + std::string(file);
}

constexpr std::string_view kNoToken = "is not the id of a token";

std::optional<TokenId> token_of(const json::value& value, const Tokenizer::Impl& impl) {
  const auto id = as_integer(value);
  if (!id || *id < 0 || *id >= impl.vocabulary.size()) return std::nullopt;
  return static_cast<TokenId>(*id);
}

// Appends the ids of the template's special token `name` to `ids`.
Status add_special(const json::object& section, std::string_view name, Tokenizer::Impl& impl,
                   std::vector<TokenId>& ids) {
  CAIRN_ASSIGN_OR_RETURN(const json::object* specials, need_object(section, kTemplate, "special_tokens"));
  if (find(*specials, name) == nullptr) {
    return invalid_data("the post_processor of tokenizer.json uses \"" + printable(name) +
                        "\", which is not among its special_tokens");
  }
  CAIRN_ASSIGN_OR_RETURN(const json::object* special, need_object(*specials, kTemplate, name));
  CAIRN_ASSIGN_OR_RETURN(const json::array* list, need_array(*special, kTemplate, "ids"));
  for (const json::value& value : *list) {
    if (const auto id = token_of(value, impl)) {
      ids.push_back(*id);
    } else {
      ignore("the special token \"" + printable(name) +
                 "\" of the post_processor in tokenizer.json has the id " + printable(json::serialize(value)),
             kNoToken, impl);
    }
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
std::optional<TokenId> named_token(const json::object* config, std::string_view field,
                                   Tokenizer::Impl& impl) {
  const json::value* value = config == nullptr ? nullptr : find(*config, field);
  if (value != nullptr && value->is_object()) value = find(value->get_object(), "content");
  if (value == nullptr) return std::nullopt;
  const auto id =
      value->is_string() ? impl.vocabulary.find(std::string_view(value->get_string())) : std::nullopt;
  if (!id) {
    ignore(quoted(field, "tokenizer_config.json") + " is " + printable(json::serialize(*value)),
           "tokenizer.json does not have as a token", impl);
  }
  return id;
}

// The classes whose add_bos_token and add_eos_token override the template.
bool options_decide(const json::object& config) {
  const json::value* name = find(config, "tokenizer_class");
  if (name == nullptr || !name->is_string()) return false;
  const std::string_view text = name->get_string();
  return text.starts_with("LlamaTokenizer") || text.starts_with("CodeLlamaTokenizer") ||
         text.starts_with("GemmaTokenizer");
}

void apply_options(const json::object& config, Tokenizer::Impl& impl) {
  if (!options_decide(config)) return;
  const auto apply = [&](std::string_view field, std::optional<TokenId> token, std::vector<TokenId>& ids) {
    const json::value* value = find(config, field);
    if (value == nullptr) return;
    if (!value->is_bool()) {
      ignore(quoted(field, "tokenizer_config.json") + " is " + printable(json::serialize(*value)),
             "is neither true nor false", impl);
      return;
    }
    const bool add = value->get_bool();
    ids.clear();
    if (add && token) ids.push_back(*token);
    if (add && !token)
      ignore(quoted(field, "tokenizer_config.json") + " is true", "needs a token that it does not name",
             impl);
  };
  apply("add_bos_token", impl.bos, impl.prefix);
  apply("add_eos_token", impl.eos, impl.suffix);
}

// Appends what `file` gives as "eos_token_id": an id, or a list of ids.
void add_end_tokens(const json::object* object, std::string_view file, Tokenizer::Impl& impl,
                    std::vector<EndToken>& ends) {
  const json::value* value = object == nullptr ? nullptr : find(*object, "eos_token_id");
  if (value == nullptr) return;
  const std::string name = quoted("eos_token_id", file);
  const auto add = [&](const json::value& item) {
    if (const auto id = token_of(item, impl)) {
      ends.push_back({*id, name});
    } else {
      ignore(name + " has " + printable(json::serialize(item)), kNoToken, impl);
    }
  };
  if (const json::array* list = value->if_array()) {
    for (const json::value& item : *list) add(item);
  } else {
    add(*value);
  }
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

Status read_affixes(const json::object& tokenizer_json, const TokenizerCompanions& companions,
                    Tokenizer::Impl& impl) {
  const json::object* config = companions.tokenizer_config;
  CAIRN_RETURN_IF_ERROR(read_post_processor(find(tokenizer_json, "post_processor"), 0, impl));
  impl.bos = named_token(config, "bos_token", impl);
  impl.eos = named_token(config, "eos_token", impl);
  std::vector<EndToken> ends;
  if (impl.eos) ends.push_back({*impl.eos, quoted("eos_token", "tokenizer_config.json")});
  add_end_tokens(companions.generation_config, "generation_config.json", impl, ends);
  add_end_tokens(companions.model_config, "config.json", impl, ends);
  if (config == nullptr && !impl.prefix.empty()) impl.bos = impl.prefix.front();
  if (!impl.eos && !ends.empty()) impl.eos = ends.front().id;
  if (!impl.eos && config == nullptr) impl.eos = usual_eos(impl);
  if (config != nullptr) apply_options(*config, impl);
  set_end_tokens(impl, ends);
  return {};
}

}  // namespace cairn
