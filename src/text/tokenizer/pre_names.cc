#include "text/tokenizer/pre_names.h"

#include <array>
#include <string>

#include "base/printable.h"

namespace cairn {

const std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

namespace {

// From the tokenizer.json of the models that gave the names.
constexpr std::string_view kLlama3Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2Pattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekkenPattern =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|)"
    R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt4oPattern =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

enum class Way {
  kDefault,
  kGpt2,
  kLlama3,
  kDbrx,
  kQwen2,
  kStableLm2,
  kDigitsThenGpt2,
  kFalcon,
  kTekken,
  kGpt4o
};

struct Name {
  std::string_view name;
  Way way;
};

constexpr std::array<Name, 28> kNames{{
    {"default", Way::kDefault},
    {"gpt-2", Way::kGpt2},
    {"phi-2", Way::kGpt2},
    {"mpt", Way::kGpt2},
    {"olmo", Way::kGpt2},
    {"exaone4", Way::kGpt2},
    {"llama-bpe", Way::kLlama3},
    {"llama3", Way::kLlama3},
    {"llama-v3", Way::kLlama3},
    {"falcon3", Way::kLlama3},
    {"dbrx", Way::kDbrx},
    {"smaug-bpe", Way::kDbrx},
    {"qwen2", Way::kQwen2},
    {"deepseek-r1-qwen", Way::kQwen2},
    {"megrez", Way::kQwen2},
    {"kormo", Way::kQwen2},
    {"stablelm2", Way::kStableLm2},
    {"smollm", Way::kDigitsThenGpt2},
    {"starcoder", Way::kDigitsThenGpt2},
    {"refact", Way::kDigitsThenGpt2},
    {"command-r", Way::kDigitsThenGpt2},
    {"codeshell", Way::kDigitsThenGpt2},
    {"exaone", Way::kDigitsThenGpt2},
    {"minerva-7b", Way::kDigitsThenGpt2},
    {"falcon", Way::kFalcon},
    {"tekken", Way::kTekken},
    {"gpt-4o", Way::kGpt4o},
    {"llama4", Way::kGpt4o},
}};

std::vector<std::string_view> patterns_of(Way way) {
  switch (way) {
    case Way::kDefault: return {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2Pattern, R"(\p{N}+)", "[0-9][0-9][0-9]"};
    case Way::kGpt2: return {kGpt2Pattern};
    case Way::kLlama3:
    case Way::kDbrx: return {kLlama3Pattern};
    case Way::kQwen2:
    case Way::kStableLm2: return {kQwen2Pattern};
    case Way::kDigitsThenGpt2: return {R"(\p{N})", kGpt2Pattern};
    case Way::kFalcon: return {R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2Pattern, "[0-9][0-9][0-9]"};
    case Way::kTekken: return {kTekkenPattern};
    case Way::kGpt4o: return {kGpt4oPattern};
  }
  return {};
}

}  // namespace

Result<PreTokenization> make_pre_tokenization(std::string_view name) {
  if (name.empty()) name = "default";
  std::string known;
  for (const Name& entry : kNames) {
    if (entry.name != name) {
      known += known.empty() ? "" : ", ";
      known += entry.name;
      continue;
    }
    PreTokenization made;
    for (const std::string_view pattern : patterns_of(entry.way)) {
      CAIRN_ASSIGN_OR_RETURN(Regex regex, Regex::compile(pattern));
      made.split.emplace_back(SplitStep{std::move(regex), SplitBehavior::kIsolated});
    }
    // The tokenizers of these families apply NFC; their GGUF files cannot express it.
    if (entry.way == Way::kQwen2) made.normalize.emplace_back(FormStep{NormalForm::kNfc});
    made.whole_words_first = entry.way == Way::kLlama3 || entry.way == Way::kTekken;
    made.add_bos = made.whole_words_first;
    return made;
  }
  return unsupported("tokenizer.ggml.pre is \"" + printable(name) +
                     "\", a way to split text that Cairn does not support; it supports " + known);
}

}  // namespace cairn
