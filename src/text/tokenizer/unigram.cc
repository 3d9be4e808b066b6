#include "text/tokenizer/unigram.h"

#include <algorithm>
#include <limits>

#include "base/utf8.h"

namespace cairn {
namespace {

constexpr double kUnknownPenalty = 10.0;  // below the worst token, as in SentencePiece
constexpr TokenId kUnknown = -1;

// The best segmentation up to some place: its last token, and where that begins.
struct Best {
  double score;
  uint32_t begin;
  TokenId id;
  bool reached;
};

}  // namespace

Unigram::Unigram(UnigramTables tables) : scores_(std::move(tables.scores)), fallback_(tables.fallback) {
  double lowest = std::numeric_limits<double>::max();
  for (const auto& [text, id] : tables.tokens) {
    trie_.insert(text, id);
    lowest = std::min(lowest, scores_[static_cast<size_t>(id)]);
  }
  unknown_score_ = (tables.tokens.empty() ? 0.0 : lowest) - kUnknownPenalty;
  for (const TokenId id : tables.user_defined) scores_[static_cast<size_t>(id)] = 0.0;
}

Status Unigram::segment(std::string_view word, MergeScratch&, std::vector<TokenId>& ids) const {
  std::vector<Best> best(word.size() + 1, Best{0.0, 0, kUnknown, false});
  best[0].reached = true;
  for (size_t at = 0; at < word.size(); at += utf8_length(word[at])) {
    const size_t character = utf8_length(word[at]);
    bool character_is_token = false;
    const auto offer = [&](size_t length, TokenId id, double score) {
      Best& target = best[at + length];
      const double sum = best[at].score + score;
      if (!target.reached || sum > target.score) target = {sum, static_cast<uint32_t>(at), id, true};
    };
    trie_.for_each_prefix(word.substr(at), [&](size_t length, TokenId id) {
      offer(length, id, scores_[static_cast<size_t>(id)]);
      character_is_token = character_is_token || length == character;
    });
    if (!character_is_token) offer(character, kUnknown, unknown_score_);
  }
  const size_t first = ids.size();
  bool before_unknown = false;  // walking backwards
  for (size_t end = word.size(); end > 0; end = best[end].begin) {
    const Best& step = best[end];
    const std::string_view text = word.substr(step.begin, end - step.begin);
    if (step.id != kUnknown) {
      ids.push_back(step.id);
    } else if (fallback_.bytes) {
      for (auto c = text.rbegin(); c != text.rend(); ++c) {
        ids.push_back((*fallback_.bytes)[static_cast<unsigned char>(*c)]);
      }
    } else if (!fallback_.unknown) {
      return no_token_for(text);
    } else if (!before_unknown || !fallback_.fuse_unknown) {
      ids.push_back(*fallback_.unknown);
    }
    before_unknown = step.id == kUnknown && !fallback_.bytes;
  }
  std::reverse(ids.begin() + static_cast<std::ptrdiff_t>(first), ids.end());
  return {};
}

}  // namespace cairn
