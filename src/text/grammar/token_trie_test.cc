#include "text/grammar/token_trie.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "text/grammar/grammar_testing.h"

namespace cairn {
namespace {

TEST(TokenTrie, EachOrdinaryTokenIsAtTheNodeOfItsBytesAndNoOtherIs) {
  const auto trie = mixed_vocabulary(2'000, 3);
  std::map<TokenId, std::string> found;
  std::string path;
  for (TokenTrie::Node node = 0; node < trie->node_count(); ++node) {
    ASSERT_LE(trie->depth(node), path.size() + 1);
    if (node > 0) {
      path.resize(trie->depth(node) - 1u);
      path += static_cast<char>(trie->byte(node));
    }
    ASSERT_GT(trie->end(node), node);
    for (const TokenId token : trie->tokens(node)) {
      EXPECT_TRUE(found.emplace(token, path).second);
      EXPECT_EQ(trie->text(token), path);
    }
  }
  int64_t ordinary = 0;
  for (TokenId token = 0; token < trie->vocab_size(); ++token) ordinary += trie->text(token).empty() ? 0 : 1;
  EXPECT_EQ(std::ssize(found), ordinary);
  EXPECT_EQ(std::ssize(found), trie->vocab_size() - 5);  // two end tokens, two special ones, one without text
}

TEST(TokenTrie, ANodesEndIsBehindAllThatIsBelowIt) {
  const auto trie = mixed_vocabulary(800, 5);
  for (TokenTrie::Node node = 0; node < trie->node_count(); ++node) {
    TokenTrie::Node end = node + 1;
    while (end < trie->node_count() && trie->depth(end) > trie->depth(node)) ++end;
    ASSERT_EQ(trie->end(node), end) << node;
    size_t tokens = 0;
    for (TokenTrie::Node below = node; below < end; ++below) tokens += trie->tokens(below).size();
    ASSERT_EQ(trie->tokens_below(node).size(), tokens);
  }
}

TEST(TokenTrie, SpecialAndEndTokensHaveNoText) {
  const auto trie = mixed_vocabulary(400, 1);
  EXPECT_TRUE(trie->is_end(0) && trie->is_end(3) && !trie->is_end(1));
  EXPECT_TRUE(trie->is_special(1) && trie->is_special(2) && !trie->is_special(0));
  for (const TokenId token : {-1, 0, 1, 2, 3, 4, 1'000'000}) EXPECT_EQ(trie->text(token), "") << token;
}

TEST(TokenTrie, AVocabularyWithoutAnEndIsRefused) {
  const auto trie = TokenTrie::build(PlainVocabulary{.texts = {"a"}, .special = {}, .end_tokens = {}});
  ASSERT_FALSE(trie.ok());
  EXPECT_EQ(trie.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(trie.status().message().find("no token that ends a reply"), std::string::npos);
}

TEST(TokenTrie, ATokenThatIsTooLongIsLeftOut) {
  PlainVocabulary vocabulary{.texts = {"", std::string(TokenTrie::kTokenBytesMax, 'x'),
                                       std::string(TokenTrie::kTokenBytesMax + 1, 'x')},
                             .special = {},
                             .end_tokens = {0}};
  const auto trie = TokenTrie::build(vocabulary).value();
  EXPECT_EQ(trie->text(1).size(), TokenTrie::kTokenBytesMax);
  EXPECT_EQ(trie->text(2), "");
  EXPECT_EQ(trie->node_count(), TokenTrie::kTokenBytesMax + 1);
  EXPECT_FALSE(trie->has_byte('x'));
}

}  // namespace
}  // namespace cairn
