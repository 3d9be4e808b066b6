// Speculation: whether an engine guesses tokens ahead.
#pragma once

#include <cstdint>

namespace cairn {

// Guessed tokens run together with the next one, in one step: those that prove right cost hardly more than one alone, and
// wrong ones leave no trace. Every token, logit and text is what it is without guesses, bit by bit, whatever the sampling.
// An engine guesses only as long as that makes it faster.
enum class Speculation : uint8_t {
  kOff,
  kPromptLookup,  // what followed when the text's last tokens stood in it before: quotations, code that is edited, lists
};

}  // namespace cairn
