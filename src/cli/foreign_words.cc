#include "cli/foreign_words.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace cairn {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

constexpr std::string_view kProcessorAlone = "Cairn runs on the processor alone: leave it out";
constexpr std::string_view kWriteKv = "write --kv k=int8,v=int8 for the formats of keys and values";
constexpr std::string_view kWriteChunk = "--prefill-chunk says how many prompt tokens run in a step";
constexpr std::string_view kChat = "cairn chat talks, turn by turn";
constexpr std::string_view kNoMap = "weights are packed into memory when they are loaded: leave it out";
constexpr std::string_view kNoScores = "attention keeps no table of scores: leave it out";

constexpr std::array<Pair, 41> kOptions{{
    {"-ngl", kProcessorAlone},
    {"--n-gpu-layers", kProcessorAlone},
    {"--gpu-layers", kProcessorAlone},
    {"--device", kProcessorAlone},
    {"--tensor-split", kProcessorAlone},
    {"--main-gpu", kProcessorAlone},
    {"-ctk", kWriteKv},
    {"-ctv", kWriteKv},
    {"--cache-type-k", kWriteKv},
    {"--cache-type-v", kWriteKv},
    {"--kv-cache-dtype", kWriteKv},
    {"-b", kWriteChunk},
    {"-ub", kWriteChunk},
    {"--batch-size", kWriteChunk},
    {"--ubatch-size", kWriteChunk},
    {"--max-num-batched-tokens", kWriteChunk},
    {"-cnv", kChat},
    {"--conversation", kChat},
    {"-i", kChat},
    {"--interactive", kChat},
    {"--mlock", kNoMap},
    {"--no-mmap", kNoMap},
    {"--mmap", kNoMap},
    {"-fa", kNoScores},
    {"--flash-attn", kNoScores},
    {"-r", "--stop ends the text before a word"},
    {"--reverse-prompt", "--stop ends the text before a word"},
    {"-hf", "download the model, and name its file or folder with -m"},
    {"--hf-repo", "download the model, and name its file or folder with -m"},
    {"-sys", "--system TEXT is a chat's system message"},
    {"-np", "--samples N writes several texts from one prompt"},
    {"-no-cnv", "cairn generate goes on with a text"},
    {"-td", "-t N sets the threads of all work"},
    {"--kv-cache", "--kv says how keys and values are stored"},
    {"--users", "--sequences N plans for so many users"},
    {"--greedy", "--temp 0 takes the most likely token"},
    {"--do-sample", "--temp above 0 draws tokens, --temp 0 takes the most likely one"},
    {"--stream", "text is written as it comes"},
    {"--no-cache", "write --cache none"},
    {"--gpu-memory-utilization", "--kv-memory says how much memory keys and values may take"},
    {"--max-model-len", "--context says how many positions a sequence may have"},
}};

constexpr std::array<Pair, 12> kCommands{{
    {"run", "cairn generate or cairn chat"},
    {"complete", "cairn generate"},
    {"completion", "cairn generate"},
    {"talk", "cairn chat"},
    {"info", "cairn model"},
    {"show", "cairn model"},
    {"inspect", "cairn model"},
    {"tokens", "cairn tokenize"},
    {"memory", "cairn plan"},
    {"test", "cairn verify"},
    {"check", "cairn verify"},
    {"benchmark", "cairn bench"},
}};

constexpr std::array<Pair, 8> kSameFormats{{{"fp32", "f32"},
                                            {"float32", "f32"},
                                            {"float", "f32"},
                                            {"fp16", "f16"},
                                            {"float16", "f16"},
                                            {"half", "f16"},
                                            {"bfloat16", "bf16"},
                                            {"fp8_e4m3fn", "fp8_e4m3"}}};

constexpr std::array<Pair, 18> kNearFormats{{{"q8_0", "int8"},
                                             {"q8_1", "int8"},
                                             {"q8", "int8"},
                                             {"i8", "int8"},
                                             {"8bit", "int8"},
                                             {"q6_k", "int8"},
                                             {"q5_0", "int4"},
                                             {"q5_1", "int4"},
                                             {"q5", "int4"},
                                             {"q4_0", "int4"},
                                             {"q4_1", "int4"},
                                             {"q4_k", "int4"},
                                             {"q4", "int4"},
                                             {"i4", "int4"},
                                             {"iq4_nl", "int4"},
                                             {"4bit", "int4"},
                                             {"q3_k", "int3"},
                                             {"q2_k", "int2"}}};

template <size_t kCount>
std::optional<std::string_view> found_in(const std::array<Pair, kCount>& pairs, std::string_view word) {
  const auto* found = std::ranges::find(pairs, word, &Pair::first);
  if (found == pairs.end()) return std::nullopt;
  return found->second;
}

bool is_of_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

// Calls `take` with each word, in lower case, and `pass` with what stands between.
template <typename Take, typename Pass>
void for_words(std::string_view text, const Take& take, const Pass& pass) {
  for (size_t at = 0; at < text.size();) {
    const bool is_word = is_of_word(text[at]);
    std::string part;
    for (; at < text.size() && is_of_word(text[at]) == is_word; ++at) {
      part += static_cast<char>(std::tolower(static_cast<unsigned char>(text[at])));
    }
    is_word ? take(part) : pass(part);
  }
}

}  // namespace

std::optional<std::string_view> hint_for_option(std::string_view word) { return found_in(kOptions, word); }

std::optional<std::string_view> hint_for_command(std::string_view word) { return found_in(kCommands, word); }

std::string with_our_formats(std::string_view plan) {
  std::string ours;
  for_words(
      plan, [&](const std::string& word) { ours += found_in(kSameFormats, word).value_or(word); },
      [&](const std::string& between) { ours += between; });
  return ours;
}

std::optional<std::string> hint_for_format(std::string_view plan) {
  std::optional<std::string> hint;
  for_words(
      plan,
      [&](const std::string& word) {
        const auto nearest = found_in(kNearFormats, word);
        if (nearest.has_value() && !hint.has_value())
          hint = fmt::format("{}: the nearest is {}", word, *nearest);
      },
      [](const std::string&) {});
  return hint;
}

}  // namespace cairn
