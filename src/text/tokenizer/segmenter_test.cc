// The segmenters against plain versions of them without queues, tries or cuts.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "base/utf8.h"
#include "text/tokenizer/bpe.h"
#include "text/tokenizer/spm.h"
#include "text/tokenizer/unigram.h"

namespace cairn {
namespace {

std::vector<TokenId> segment(const Segmenter& segmenter, std::string_view word) {
  MergeScratch scratch;
  std::vector<TokenId> ids;
  const Status status = segmenter.segment(word, scratch, ids);
  EXPECT_TRUE(status.ok()) << status.message();
  return ids;
}

std::vector<std::string> split(std::string_view word) {
  const std::vector<std::string_view> characters = characters_of(word);
  return {characters.begin(), characters.end()};
}

// Joins the best pair, leftmost of equals, until there is none. `rank(a, b)`: smaller is better, negative:
// never.
template <typename Rank>
void join_plainly(std::vector<std::string>& parts, Rank rank) {
  while (true) {
    int64_t best = -1;
    size_t at = 0;
    for (size_t i = 0; i + 1 < parts.size(); ++i) {
      const int64_t here = rank(parts[i], parts[i + 1]);
      if (here < 0 || (best >= 0 && here >= best)) continue;
      best = here;
      at = i;
    }
    if (best < 0) return;
    parts[at] += parts[at + 1];
    parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(at) + 1);
  }
}

// A random vocabulary over a few letters, one of them of two bytes, so that merges overlap in every way.
class RandomVocabulary {
 public:
  explicit RandomVocabulary(uint64_t seed) : random_(seed) {
    for (const char* letter : {"a", "b", "c", "é"}) add(letter);
    for (int i = 0; i < 30; ++i) {
      const std::string left = tokens_[random_() % tokens_.size()];
      const std::string right = tokens_[random_() % tokens_.size()];
      if (left.size() + right.size() > 12 || ids_.contains(left + right)) continue;
      merges_.emplace_back(left, right);
      add(left + right);
    }
  }

  std::string word() {
    std::string text;
    for (size_t i = random_() % 40 + 1; i > 0; --i) text += tokens_[random_() % 6];
    return text;
  }

  // 'z' is in no token.
  std::string word_with_unknown() {
    std::string text = word();
    return text.insert(0, "z") + "zz" + word();
  }

  TokenIndex index() const {
    TokenIndex made;
    for (const auto& [text, id] : ids_) made.emplace(text, id);
    return made;
  }
  TokenId id(const std::string& text) const { return ids_.contains(text) ? ids_.at(text) : -1; }
  const std::vector<std::string>& tokens() const { return tokens_; }
  const std::vector<std::pair<std::string, std::string>>& merges() const { return merges_; }
  uint64_t next() { return random_(); }

 private:
  void add(const std::string& text) {
    ids_[text] = static_cast<TokenId>(tokens_.size());
    tokens_.push_back(text);
  }
  std::mt19937_64 random_;
  std::vector<std::string> tokens_;
  std::map<std::string, TokenId> ids_;
  std::vector<std::pair<std::string, std::string>> merges_;
};

TEST(RankedBpe, EqualsItsPlainTwin) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    RandomVocabulary vocabulary(seed);
    const auto& merges = vocabulary.merges();
    RankedBpeTables tables{BpeUnit::kCharacters, vocabulary.index(), merges, {}, {std::nullopt, 99, true}};
    auto bpe = RankedBpe::make(std::move(tables));
    ASSERT_TRUE(bpe.ok()) << bpe.status().message();
    for (int i = 0; i < 20; ++i) {
      const std::string word = vocabulary.word();
      std::vector<std::string> parts = split(word);
      join_plainly(parts, [&](const std::string& left, const std::string& right) -> int64_t {
        for (size_t rank = 0; rank < merges.size(); ++rank) {
          if (merges[rank].first == left && merges[rank].second == right) return static_cast<int64_t>(rank);
        }
        return -1;
      });
      std::vector<TokenId> expected;
      for (const std::string& part : parts) expected.push_back(vocabulary.id(part));
      EXPECT_EQ(segment(**bpe, word), expected) << "seed " << seed << ", word " << word;
    }
  }
}

TEST(ScoredBpe, EqualsItsPlainTwin) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    RandomVocabulary vocabulary(seed);
    std::vector<float> scores;
    for (size_t i = 0; i < vocabulary.tokens().size(); ++i) {
      scores.push_back(static_cast<float>(vocabulary.next() % 7) - 3.0F);  // equal scores are frequent
    }
    const ScoredBpe bpe({vocabulary.index(), scores, {std::nullopt, 99, true}});
    for (int i = 0; i < 20; ++i) {
      const std::string word = i % 2 == 0 ? vocabulary.word() : vocabulary.word_with_unknown();
      std::vector<std::string> parts = split(word);
      join_plainly(parts, [&](const std::string& left, const std::string& right) -> int64_t {
        const TokenId id = vocabulary.id(left + right);
        return id < 0 ? -1 : static_cast<int64_t>(10 - scores[static_cast<size_t>(id)]);
      });
      std::vector<TokenId> expected;
      for (const std::string& part : parts) {
        const TokenId id = vocabulary.id(part) < 0 ? 99 : vocabulary.id(part);
        if (id != 99 || expected.empty() || expected.back() != 99) expected.push_back(id);
      }
      EXPECT_EQ(segment(bpe, word), expected) << "seed " << seed << ", word " << word;
    }
  }
}

// The largest sum of scores of any way to write `word` as tokens, and 'z' as unknown.
double best_sum(const RandomVocabulary& vocabulary, const std::vector<double>& scores, std::string_view word,
                double unknown, std::map<size_t, double>& known) {
  if (word.empty()) return 0;
  if (const auto it = known.find(word.size()); it != known.end()) return it->second;
  double best =
      word[0] == 'z' ? unknown + best_sum(vocabulary, scores, word.substr(1), unknown, known) : -1e300;
  for (size_t i = 0; i < scores.size(); ++i) {
    const std::string& token = vocabulary.tokens()[i];
    if (!word.starts_with(token)) continue;
    best =
        std::max(best, scores[i] + best_sum(vocabulary, scores, word.substr(token.size()), unknown, known));
  }
  return known[word.size()] = best;
}

TEST(Unigram, FindsTheBestSum) {
  for (uint64_t seed = 0; seed < 60; ++seed) {
    RandomVocabulary vocabulary(seed);
    UnigramTables tables;
    for (size_t i = 0; i < vocabulary.tokens().size(); ++i) {
      tables.tokens.emplace_back(vocabulary.tokens()[i], static_cast<TokenId>(i));
      tables.scores.push_back(-0.25 * static_cast<double>(vocabulary.next() % 40));  // sums are exact
    }
    const std::vector<double> scores = tables.scores;
    tables.fallback = {std::nullopt, 99, false};
    const Unigram unigram(std::move(tables));
    const double unknown = *std::min_element(scores.begin(), scores.end()) - 10.0;
    for (int i = 0; i < 20; ++i) {
      const std::string word = i % 2 == 0 ? vocabulary.word() : vocabulary.word_with_unknown();
      double sum = 0;
      std::string written;
      for (const TokenId id : segment(unigram, word)) {
        sum += id == 99 ? unknown : scores[static_cast<size_t>(id)];
        written += id == 99 ? "z" : vocabulary.tokens()[static_cast<size_t>(id)];
      }
      std::map<size_t, double> known;
      EXPECT_EQ(written, word);
      EXPECT_EQ(sum, best_sum(vocabulary, scores, word, unknown, known))
          << "seed " << seed << ", word " << word;
    }
  }
}

TEST(RankedBpe, WholeWordsComeFirstWhereAsked) {
  RankedBpeTables tables{BpeUnit::kBytes, {{"a", 0}, {"b", 1}, {"ab", 2}, {"aba", 3}}, {{"a", "b"}}, {}, {}};
  tables.cut_out = {"aba"};  // which no merge makes
  auto merged = RankedBpe::make(tables);
  tables.whole_words_first = true;
  auto whole = RankedBpe::make(tables);
  ASSERT_TRUE(merged.ok() && whole.ok());
  EXPECT_EQ(segment(**merged, "aba"), (std::vector<TokenId>{2, 0}));
  EXPECT_EQ(segment(**whole, "aba"), (std::vector<TokenId>{3}));
}

TEST(Merge, ScoresRankBestFirst) {
  EXPECT_LT(rank_of_score(2.0F), rank_of_score(1.0F));
  EXPECT_LT(rank_of_score(1.0F), rank_of_score(0.0F));
  EXPECT_EQ(rank_of_score(-0.0F), rank_of_score(0.0F));
  EXPECT_LT(rank_of_score(0.0F), rank_of_score(-1e-30F));
  EXPECT_LT(rank_of_score(-1.0F), rank_of_score(-1e9F));
}

}  // namespace
}  // namespace cairn
