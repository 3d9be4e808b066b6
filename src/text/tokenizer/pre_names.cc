#include "text/tokenizer/pre_names.h"

#include <algorithm>
#include <array>

#include "base/printable.h"
#include "text/tokenizer/pre_patterns.h"

namespace cairn {
namespace {

// What a name implies beside the pattern.
enum class Extra {
  kNone,
  kNfc,  // the tokenizers of these families apply NFC; their GGUF files cannot express it
  kWholeWords,
  kWholeWordsAndBos,
  kBos,
};

struct Name {
  std::string_view name;
  WordPattern pattern;
  Extra extra = Extra::kNone;
};

using P = WordPattern;

constexpr auto kNames = std::to_array<Name>({
    {"default", P::kDefault},
    {"gpt-2", P::kGpt2},
    {"phi-2", P::kGpt2},
    {"mpt", P::kGpt2},
    {"olmo", P::kGpt2},
    {"jais", P::kGpt2},
    {"trillion", P::kGpt2},
    {"granite-docling", P::kGpt2},
    {"exaone4", P::kGpt2},
    {"gigachat", P::kGpt2},
    {"a.x-4.0", P::kGpt2},
    {"mellum", P::kGpt2},
    {"modern-bert", P::kGpt2},
    {"roberta-bpe", P::kGpt2},
    {"jina-es", P::kGpt2},
    {"jina-de", P::kGpt2},
    {"jina-v1-en", P::kGpt2},
    {"jina-v2-es", P::kGpt2},
    {"jina-v2-de", P::kGpt2},
    {"jina-v2-code", P::kGpt2},
    {"llama-bpe", P::kLlama3, Extra::kWholeWordsAndBos},
    {"llama3", P::kLlama3, Extra::kWholeWordsAndBos},
    {"llama-v3", P::kLlama3, Extra::kWholeWordsAndBos},
    {"falcon3", P::kLlama3, Extra::kWholeWordsAndBos},
    {"falcon-h1", P::kLlama3, Extra::kWholeWordsAndBos},
    {"pixtral", P::kLlama3, Extra::kWholeWordsAndBos},
    {"midm-2.0", P::kLlama3, Extra::kWholeWordsAndBos},
    {"lfm2", P::kLlama3, Extra::kWholeWordsAndBos},
    {"jina-v5-nano", P::kLlama3, Extra::kWholeWordsAndBos},
    {"dbrx", P::kLlama3},
    {"smaug-bpe", P::kLlama3},
    {"glm4", P::kLlama3},
    {"chatglm-bpe", P::kLlama3},
    {"jais-2", P::kJais2},
    {"minicpm5", P::kMiniCpm5, Extra::kWholeWords},
    {"qwen2", P::kQwen2, Extra::kNfc},
    {"deepseek-r1-qwen", P::kQwen2, Extra::kNfc},
    {"megrez", P::kQwen2, Extra::kNfc},
    {"kormo", P::kQwen2, Extra::kNfc},
    {"f2llmv2", P::kQwen2, Extra::kNfc},
    {"stablelm2", P::kQwen2},
    {"hunyuan", P::kQwen2},
    {"solar-open", P::kQwen2},
    {"grok-2", P::kQwen2},
    {"qwen35", P::kQwen35, Extra::kNfc},
    {"ufakzeka", P::kUfakZeka},
    {"laguna", P::kLaguna},
    {"smollm", P::kDigitsThenGpt2},
    {"starcoder", P::kDigitsThenGpt2},
    {"refact", P::kDigitsThenGpt2},
    {"command-r", P::kDigitsThenGpt2},
    {"codeshell", P::kDigitsThenGpt2},
    {"exaone", P::kDigitsThenGpt2},
    {"minerva-7b", P::kDigitsThenGpt2},
    {"mellum2", P::kDigitsThenGpt2},
    {"falcon", P::kFalcon},
    {"bailingmoe", P::kBailingMoe},
    {"bailingmoe2", P::kBailingMoe},
    {"llada-moe", P::kBailingMoe},
    {"seed-coder", P::kSeedCoder},
    {"exaone-moe", P::kExaoneMoe},
    {"tekken", P::kTekken, Extra::kWholeWordsAndBos},
    {"gpt-4o", P::kGpt4o},
    {"llama4", P::kGpt4o},
    {"kanana2", P::kGpt4o},
    {"talkie", P::kGpt4o},
    {"minimax-m2", P::kGpt4o},
    {"granite-embed-multi-97m", P::kGpt4o, Extra::kWholeWords},
    {"tiny_aya", P::kTinyAya},
    {"cohere2moe", P::kTinyAya},
    {"kimi-k2", P::kKimiK2},
    {"deepseek-llm", P::kDeepSeekLlm},
    {"deepseek-coder", P::kDeepSeekCoder},
    {"deepseek-v3", P::kDeepSeekV3},
    {"hunyuan-dense", P::kDeepSeekV3},
    {"joyai-llm", P::kDeepSeekV3},
    {"hy_v4", P::kDeepSeekV3},
    {"spark2_5", P::kSpark},
    {"afmoe", P::kAfMoe},
    {"youtu", P::kYoutu, Extra::kWholeWords},
    {"bloom", P::kBloom},
    {"poro-chat", P::kBloom},
    {"gpt3-finnish", P::kBloom},
    {"viking", P::kViking},
    {"chameleon", P::kChameleon, Extra::kBos},
    {"superbpe", P::kSuperBpe},
});

}  // namespace

std::string pre_tokenization_names() {
  std::string names;
  for (const Name& entry : kNames) names.append(names.empty() ? "" : ", ").append(entry.name);
  return names;
}

Result<PreTokenization> make_pre_tokenization(std::string_view name) {
  const auto* const entry = std::ranges::find(kNames, name, &Name::name);
  if (entry == kNames.end()) {
    return unsupported("tokenizer.ggml.pre is \"" + printable(name) +
                       "\", a way to split text that Cairn does not support; it supports " +
                       pre_tokenization_names() + ". `pre` names another one in its place");
  }
  PreTokenization made;
  for (const std::string_view pattern : patterns_of(entry->pattern)) {
    CAIRN_ASSIGN_OR_RETURN(Regex regex, Regex::compile(pattern));
    made.split.emplace_back(SplitStep{std::move(regex), SplitBehavior::kIsolated});
  }
  if (entry->extra == Extra::kNfc) made.normalize.emplace_back(FormStep{NormalForm::kNfc});
  made.add_bos = entry->extra == Extra::kBos || entry->extra == Extra::kWholeWordsAndBos;
  made.whole_words_first = entry->extra == Extra::kWholeWords || entry->extra == Extra::kWholeWordsAndBos;
  return made;
}

Result<PreTokenization> make_chosen_pre_tokenization(std::string_view name) {
  auto made = make_pre_tokenization(name);
  if (made.ok()) return made;
  return invalid_argument("`pre`: there is no way to split text with the name \"" + printable(name) +
                          "\"; there are " + pre_tokenization_names());
}

Status no_pre_tokenizer(std::string_view what) {
  return invalid_argument("`pre` chooses how byte-level BPE splits text into words, but the tokenizer of " +
                          std::string(what) + " is of another kind");
}

}  // namespace cairn
