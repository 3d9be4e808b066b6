// Sessions: what stays of a request for the next one of its conversation.
#include <algorithm>
#include <utility>

#include "base/no_throw.h"
#include "engine/engine.h"

namespace cairn {

Result<SessionId> Engine::open_session() {
  return no_throw([&]() -> Result<SessionId> {
    sessions_.push_back({.id = {next_id_}});
    return SessionId{next_id_++};
  });
}

void Engine::close_session(SessionId id) {
  std::erase_if(sessions_, [id](const Session& session) { return session.id == id; });
}

Session* Engine::find_session(std::optional<SessionId> id) {
  if (!id.has_value()) return nullptr;
  const auto found = std::ranges::find(sessions_, *id, &Session::id);
  return found == sessions_.end() ? nullptr : &*found;
}

// The rows that the new prompt agrees with go to the sequence, unless the index knows more of the prompt: then the
// sequence will find that, and the session's rows are not needed. At least the last token runs again: the first
// token is picked from its logits.
void Engine::continue_session(Session& session, Sequence& sequence, std::string salt) {
  session.busy = true;
  const TenantId tenant = sequence.request.tenant;
  if (session.salt != salt || session.tenant != tenant) session.kv = {};  // another tenant's
  session.salt = std::move(salt);
  session.tenant = tenant;
  if (!session.kv) return;
  const std::span<const TokenId> prompt = sequence.request.prompt;
  const std::span<const TokenId> again = prompt.first(prompt.size() - 1);
  const auto agreed =
      std::mismatch(again.begin(), again.end(), session.tokens.begin(), session.tokens.end()).first -
      again.begin();
  KvLease kv = std::move(session.kv);
  session.tokens.clear();
  if (agreed == 0 || cache_->findable(findable_tokens(sequence), sequence.names) > agreed) return;

  const int64_t kept = go_back(sequence, kv, agreed);
  cache_->keep_tail(kv, kept);  // where the turn begins: it may be taken back
  cache_->keep_tail(kv, std::ssize(prompt));
  sequence.scored = kept;
  sequence.stats.reused_tokens = kept;
  sequence.stats.match = {.end = KvMatchEnd::kOwnRows,
                          .text_positions = std::ssize(prompt),
                          .found_positions = kept,
                          .known_positions = agreed};
  place(sequence, std::move(kv));
}

// Rows that only wait for a next turn are the first to go; of those, the ones that have waited longest.
bool Engine::drop_an_idle_session() {
  const auto found =
      std::ranges::find_if(sessions_, [](const Session& s) { return static_cast<bool>(s.kv); });
  if (found == sessions_.end()) return false;
  drop_rows_of(*found);
  return true;
}

bool Engine::drop_an_idle_session_of(TenantId tenant) {
  const auto found = std::ranges::find_if(
      sessions_, [&](const Session& s) { return s.tenant == tenant && static_cast<bool>(s.kv); });
  if (found == sessions_.end()) return false;
  drop_rows_of(*found);
  return true;
}

void Engine::drop_rows_of(Session& session) {
  events_.of_step(EngineEventKind::kSessionDropped, static_cast<int64_t>(session.id.value));
  session.kv = {};
  session.tokens.clear();
}

void Engine::keep_for_session(Session& session, Sequence& sequence, KvLease kv) {
  if (cache_->length(kv) == 0) return;  // a place for nothing
  sequence.tokens.resize(static_cast<size_t>(cache_->length(kv)));
  session.tokens = std::move(sequence.tokens);
  session.kv = std::move(kv);
  const auto at = sessions_.begin() + (&session - sessions_.data());
  std::rotate(at, at + 1, sessions_.end());
}

}  // namespace cairn
