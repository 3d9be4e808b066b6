#include "text/tokenizer/end_tokens.h"

#include <algorithm>
#include <array>
#include <map>

namespace cairn {
namespace {

constexpr std::string_view kBySpelling = "its spelling";

// Names that no text has by chance.
constexpr auto kNames = std::to_array<std::string_view>({
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|calls|>",
    "<|flush|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|end_of_turn|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|endofturn|>",
    "<|eot|>",
    "<|eom|>",
    "<|role_end|>",
    "<|eos|>",
    "<end_of_turn>",
    "<turn|>",
    "<|tool_response>",
    "<end_of_utterance>",
    "<eos>",
    "<EOT>",
    "_<EOT>",
    "▁<EOT>",
    "[EOT]",
    "[EOS]",
    "[|endofturn|]",
    "<seed:eos>",
    "[e~[",
    "<｜end▁of▁sentence｜>",
    // What code models write between two files.
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
});

// The end of struck-out text in HTML too, a word of some vocabularies: it counts only as a special token.
constexpr std::string_view kEndOfSequence = "</s>";

// In OpenAI's Harmony format (and Solar's like it) a reply consists of several messages, each of which ends with
// <|end|>; the reply goes on behind it.
bool end_means_message(const Vocabulary& vocabulary) {
  const auto has = [&](std::string_view name) { return vocabulary.find(name).has_value(); };
  return (has("<|return|>") && has("<|call|>")) ||
         (has("<|flush|>") && (has("<|call|>") || has("<|calls|>")));
}

}  // namespace

std::vector<std::string_view> end_names() { return {kNames.begin(), kNames.end()}; }

bool is_end_name(std::string_view name) { return std::ranges::find(kNames, name) != kNames.end(); }

void set_end_tokens(Tokenizer::Impl& impl, const std::vector<EndToken>& named) {
  std::map<TokenId, std::string> reasons;
  const auto add = [&](TokenId id, std::string_view reason) {
    std::string& text = reasons[id];
    text.append(text.empty() ? "" : ", ").append(reason);
  };
  for (const EndToken& end : named) add(end.id, end.reason);
  const bool end_is_no_end = end_means_message(impl.vocabulary);
  for (TokenId id = 0; id < impl.vocabulary.size(); ++id) {
    if (impl.vocabulary.sort(id) != TokenSort::kSpecial) continue;
    const std::string_view text = impl.vocabulary.text(id);
    if (text == "<|end|>" && end_is_no_end) continue;
    if (text == kEndOfSequence || is_end_name(text)) add(id, kBySpelling);
  }
  impl.end_tokens.clear();
  for (auto& [id, reason] : reasons) impl.end_tokens.push_back({id, std::move(reason)});
}

}  // namespace cairn
