#include "text/grammar/token_trie.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace cairn {

Result<std::shared_ptr<const TokenTrie>> TokenTrie::build(const Tokenizer& tokenizer) {
  auto trie = std::shared_ptr<TokenTrie>(new TokenTrie());
  trie->texts_.resize(static_cast<size_t>(tokenizer.vocab_size()));
  for (TokenId id = 0; id < tokenizer.vocab_size(); ++id) {
    if (tokenizer.is_end(id)) continue;
    if (tokenizer.is_special(id)) {
      trie->special_.push_back(id);
    } else {
      trie->texts_[static_cast<size_t>(id)] = tokenizer.token_text(id);
    }
  }
  for (const EndToken& end : tokenizer.end_tokens()) trie->end_tokens_.push_back(end.id);
  return finish(std::move(trie));
}

Result<std::shared_ptr<const TokenTrie>> TokenTrie::build(const PlainVocabulary& vocabulary) {
  auto trie = std::shared_ptr<TokenTrie>(new TokenTrie());
  trie->texts_ = vocabulary.texts;
  trie->special_ = vocabulary.special;
  trie->end_tokens_ = vocabulary.end_tokens;
  std::erase_if(trie->special_, [&](TokenId id) {
    return std::ranges::find(vocabulary.end_tokens, id) != vocabulary.end_tokens.end();
  });
  for (const auto& list : {trie->special_, trie->end_tokens_}) {
    for (const TokenId id : list) {
      if (id >= 0 && id < trie->vocab_size()) trie->texts_[static_cast<size_t>(id)].clear();
    }
  }
  return finish(std::move(trie));
}

Result<std::shared_ptr<const TokenTrie>> TokenTrie::finish(std::shared_ptr<TokenTrie> trie) {
  if (trie->end_tokens_.empty()) {
    return invalid_argument(
        "the vocabulary has no token that ends a reply, so a constrained reply could not end; name one as an "
        "end "
        "token");
  }
  std::ranges::sort(trie->special_);
  std::ranges::sort(trie->end_tokens_);
  std::vector<TokenId> order;
  for (TokenId id = 0; id < trie->vocab_size(); ++id) {
    const std::string& text = trie->texts_[static_cast<size_t>(id)];
    if (text.size() > kTokenBytesMax) trie->texts_[static_cast<size_t>(id)].clear();
    if (text.empty()) continue;
    order.push_back(id);
    if (text.size() == 1) trie->has_byte_[static_cast<uint8_t>(text[0])] = true;
  }
  std::ranges::sort(order, [&](TokenId a, TokenId b) {
    const int compared = trie->texts_[static_cast<size_t>(a)].compare(trie->texts_[static_cast<size_t>(b)]);
    return compared != 0 ? compared < 0 : a < b;  // char_traits compares as unsigned bytes
  });
  trie->add_nodes(std::move(order));
  return std::shared_ptr<const TokenTrie>(std::move(trie));
}

// `order`: by text, so that the nodes of a walk come one after the other.
void TokenTrie::add_nodes(std::vector<TokenId> order) {
  std::vector<Node> path{kRoot};  // from the root to the last node
  const auto add_node = [this](uint8_t byte, size_t depth) {
    bytes_.push_back(byte);
    depths_.push_back(static_cast<uint16_t>(depth));
    ends_.push_back(0);
    first_token_.push_back(static_cast<uint32_t>(tokens_.size()));
    return static_cast<Node>(bytes_.size() - 1);
  };
  const auto leave = [&](size_t depth) {  // the nodes of the path that are deeper
    while (path.size() > depth + 1) {
      ends_[path.back()] = static_cast<Node>(bytes_.size());
      path.pop_back();
    }
  };
  tokens_.reserve(order.size());
  add_node(0, 0);
  std::string_view before;
  for (const TokenId id : order) {
    const std::string_view now = texts_[static_cast<size_t>(id)];
    const size_t shared = static_cast<size_t>(std::ranges::mismatch(before, now).in1 - before.begin());
    leave(shared);
    for (size_t at = shared; at < now.size(); ++at) {
      path.push_back(add_node(static_cast<uint8_t>(now[at]), at + 1));
    }
    tokens_.push_back(id);
    before = now;
  }
  leave(0);
  ends_[kRoot] = static_cast<Node>(bytes_.size());
  first_token_.push_back(static_cast<uint32_t>(tokens_.size()));
  for (auto* list : {&ends_, &first_token_}) list->shrink_to_fit();
  bytes_.shrink_to_fit();
  depths_.shrink_to_fit();
}

bool TokenTrie::is_end(TokenId token) const { return std::ranges::binary_search(end_tokens_, token); }

bool TokenTrie::is_special(TokenId token) const { return std::ranges::binary_search(special_, token); }

std::string_view TokenTrie::text(TokenId token) const {
  if (token < 0 || token >= vocab_size()) return {};
  return texts_[static_cast<size_t>(token)];
}

uint64_t TokenTrie::used_bytes() const {
  uint64_t bytes = sizeof(*this);
  bytes += texts_.capacity() * sizeof(std::string);
  for (const std::string& text : texts_) bytes += text.size() > 15 ? text.capacity() + 1 : 0;
  bytes += bytes_.capacity() + depths_.capacity() * sizeof(uint16_t) + ends_.capacity() * sizeof(Node);
  bytes += first_token_.capacity() * sizeof(uint32_t);
  bytes += (tokens_.capacity() + special_.capacity() + end_tokens_.capacity()) * sizeof(TokenId);
  return bytes;
}

}  // namespace cairn
