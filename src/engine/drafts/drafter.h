// Drafter: who guesses an engine's tokens ahead (EngineOptions::drafter). Called by the engine's thread, for each sequence
// that decodes, before a step; what it guesses changes how fast tokens come, and nothing else.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "cairn/ids.h"
#include "cairn/speculation.h"

namespace cairn {

class Drafter {
 public:
  virtual ~Drafter() = default;

  // Fills `draft` with the tokens that are likely to follow `text`, and returns how good a guess it is: by how many of the
  // last tokens it was found. Drafts of about the same length are taken to be right about as often (draft_chances.h). 0:
  // there is no guess, and `draft` means nothing. Must not throw, nor allocate.
  virtual int64_t propose(std::span<const TokenId> text, std::span<TokenId> draft) = 0;
};

// Null for kOff.
[[nodiscard]] std::shared_ptr<Drafter> make_drafter(Speculation speculation);

}  // namespace cairn
