// Guide and GuideWalk: constrained generation. A guide is an automaton over bytes, compiled once from a GuideSpec; a walk
// is the state of one reply on it, and says before each token which tokens keep the text on a way that can be
// completed.
//
// Always true of a guide: immutable for its callers, so any number of walks in any threads may share one (what it
// remembers of masks is behind a lock, and bounded: kMemoryBytes). Compiling a hostile schema ends in a Status within
// the limits of text/grammar/limits.h. Of a walk: it belongs to one thread; each token that it allows leads to a text
// that can be completed with tokens of the vocabulary; end tokens are allowed exactly where the text may end, and
// behind them nothing else. docs/constrained.md says what of JSON Schema there is.
//
//   CAIRN_ASSIGN_OR_RETURN(auto trie, TokenTrie::build(tokenizer));         // once
//   CAIRN_ASSIGN_OR_RETURN(auto guide, Guide::compile(trie, spec));         // once for each schema, in any thread
//   GuideWalk walk(guide);                                                  // once for each reply
//   walk.restrict(mask, remaining); ... walk.take(token);
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "cairn/status.h"
#include "cairn/token_choice.h"
#include "text/grammar/guide_spec.h"
#include "text/grammar/token_trie.h"

namespace cairn {

namespace grammar {
class Automaton;
struct StateKey;
}  // namespace grammar

class Guide {
 public:
  static constexpr uint64_t kMemoryBytes = uint64_t{32} << 20;  // of states and masks that are remembered

  // kInvalidArgument: the schema has a keyword that is not supported, contradicts itself, allows no finite text, or is
  // over a limit; the sentence names the keyword or the limit, and where in the schema it stands.
  static Result<std::shared_ptr<const Guide>> compile(std::shared_ptr<const TokenTrie> trie,
                                                      const GuideSpec& spec);
  ~Guide();
  Guide(const Guide&) = delete;
  Guide& operator=(const Guide&) = delete;

  [[nodiscard]] const TokenTrie& trie() const { return *trie_; }
  [[nodiscard]] int64_t state_count() const;  // of the compiled automaton
  [[nodiscard]] uint64_t used_bytes() const;  // of it and all that is remembered now; without the trie
  // The least number of tokens that a whole reply takes, its end token included.
  [[nodiscard]] int64_t shortest_reply_tokens() const;

 private:
  friend class GuideWalk;
  Guide(std::shared_ptr<const TokenTrie> trie, std::unique_ptr<grammar::Automaton> automaton);

  std::shared_ptr<const TokenTrie> trie_;
  std::unique_ptr<grammar::Automaton> automaton_;
};

class GuideWalk {
 public:
  explicit GuideWalk(std::shared_ptr<const Guide> guide);

  // Forbids in `allowed` what may not come next, where `remaining` tokens (this one and the end token included) may
  // still be generated. Where the text can still be closed within them, only tokens that keep it so are left;
  // where it cannot (since the beginning, or since a token was taken that was not allowed), it goes on as if there
  // were no end, and the reply ends by its length.
  void restrict(TokenMask& allowed, int64_t remaining);
  // Moves on. False: the walk is lost from then on. Where the token was not allowed (it was forced), nothing is
  // restricted any more. Where the mask allowed it nevertheless, as may be with more ways than kWaysMax
  // (text/grammar/limits.h), only end tokens are forbidden from then on (must_not_end()): the text may not fit the schema,
  // so it must not end as if it did, and ends by its length.
  bool take(TokenId token);

  [[nodiscard]] bool is_lost() const { return is_lost_; }
  [[nodiscard]] bool must_not_end() const { return must_not_end_; }
  [[nodiscard]] bool has_ended() const { return has_ended_; }  // an end token was taken
  [[nodiscard]] bool may_end() const;                          // the text is complete as it is
  // The least number of tokens that close the text, its end token included; none in free text, which may be cut anywhere.
  [[nodiscard]] int64_t closing_tokens() const;

 private:
  std::shared_ptr<const Guide> guide_;
  std::shared_ptr<const grammar::StateKey> state_;
  bool is_lost_ = false;
  bool must_not_end_ = false;  // lost by a token that was allowed
  bool has_ended_ = false;
};

}  // namespace cairn
