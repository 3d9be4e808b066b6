// Drafter: who guesses an engine's tokens ahead (EngineOptions::drafter). Called by the engine's thread before a step in
// which all sequences decode; what it guesses changes how fast tokens come, and nothing else. One engine's own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "cairn/ids.h"
#include "cairn/speculation.h"

namespace cairn {

// One sequence's.
struct DraftAsk {
  RequestId id;  // as long as it lives its text only grows
  std::span<const TokenId> text;
  std::string_view salt;          // nothing of one text may be kept where another one's salt finds it
  std::span<TokenId> draft = {};  // room for the tokens that may follow
  // Set by look: by how many of the last tokens the draft was found, or kGuessOfModel; 0: there is none. Drafts of about the
  // same length are taken to be right about as often (draft_chances.h).
  int64_t match_length = 0;
};

// Of the match lengths: a model's guess, whatever the text.
inline constexpr int64_t kGuessOfModel = 32;

class Drafter {
 public:
  virtual ~Drafter() = default;

  // What guesses, for people and settings: "lookup".
  [[nodiscard]] virtual std::string_view name() const = 0;

  // Says of each how good a draft of it would be. What hardly costs anything is filled in at once. Must not throw.
  virtual void look(std::span<DraftAsk> asks) = 0;
  // Fills the drafts that look has left open, as long as they are now; one that cannot be had becomes empty. Returns how long
  // a token more of the longest takes, in ns, where that is known and counts. Must not throw.
  virtual std::optional<uint64_t> draft(std::span<DraftAsk> /*asks*/) { return {}; }
  // The sequence has ended.
  virtual void forget(RequestId /*id*/) {}
};

// Null for kOff.
[[nodiscard]] std::shared_ptr<Drafter> make_drafter(Speculation speculation);

}  // namespace cairn
