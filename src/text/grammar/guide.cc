#include "text/grammar/guide.h"

#include <utility>

#include "text/grammar/automaton.h"
#include "text/grammar/compile.h"

namespace cairn {

Result<std::shared_ptr<const Guide>> Guide::compile(std::shared_ptr<const TokenTrie> trie,
                                                    const GuideSpec& spec) {
  CAIRN_ASSIGN_OR_RETURN(grammar::Graph graph, grammar::compile_spec(spec));
  auto automaton = std::make_unique<grammar::Automaton>(std::move(graph), trie, kMemoryBytes);
  if (automaton->start()->words.size() <= 1 ||
      automaton->closing_tokens(automaton->start()) >= grammar::kNever) {
    return invalid_argument(
        "no finite text fits the schema (a $ref that leads back to itself needs a branch that ends), or the "
        "vocabulary cannot write it");
  }
  return std::shared_ptr<const Guide>(new Guide(std::move(trie), std::move(automaton)));
}

Guide::Guide(std::shared_ptr<const TokenTrie> trie, std::unique_ptr<grammar::Automaton> automaton)
    : trie_(std::move(trie)), automaton_(std::move(automaton)) {}

Guide::~Guide() = default;

int64_t Guide::state_count() const { return automaton_->state_count(); }

uint64_t Guide::used_bytes() const { return automaton_->used_bytes(); }

int64_t Guide::shortest_reply_tokens() const { return automaton_->closing_tokens(automaton_->start()); }

GuideWalk::GuideWalk(std::shared_ptr<const Guide> guide)
    : guide_(std::move(guide)), state_(guide_->automaton_->start()) {}

void GuideWalk::restrict(TokenMask& allowed, int64_t remaining) {
  if (is_lost_) {
    if (!must_not_end_) return;
    for (const TokenId token : guide_->trie().end_tokens()) allowed.forbid(token);
    return;
  }
  if (has_ended_) {
    allowed.allow_only(guide_->trie().end_tokens());
    return;
  }
  guide_->automaton_->restrict(state_, allowed, remaining);
}

bool GuideWalk::take(TokenId token) {
  if (is_lost_) return false;
  if (guide_->trie().is_end(token)) {
    is_lost_ = !may_end();
    has_ended_ = !is_lost_;
    return has_ended_;
  }
  std::shared_ptr<const grammar::StateKey> next;
  if (!has_ended_) next = guide_->automaton_->take(state_, token);
  is_lost_ = next == nullptr;
  must_not_end_ = is_lost_ && !has_ended_ && guide_->automaton_->allows(state_, token);
  if (!is_lost_) state_ = std::move(next);
  return !is_lost_;
}

bool GuideWalk::may_end() const { return has_ended_ || (!is_lost_ && guide_->automaton_->may_end(state_)); }

int64_t GuideWalk::closing_tokens() const {
  if (has_ended_) return 0;
  return guide_->automaton_->closing_tokens(state_);
}

}  // namespace cairn
