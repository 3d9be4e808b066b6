// What is wrong with a request, as far as its limits say: known before a model's weights are loaded.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "cairn/ids.h"
#include "cairn/status.h"
#include "engine/request.h"

namespace cairn {

struct RequestLimits {
  int64_t vocab_size = 0;
  int64_t context = 0;                 // positions of a sequence at most
  std::optional<int64_t> context_max;  // what `context` could be for this model; absent: not known
  std::optional<int64_t>
      cache_length;  // the longest sequence that the cache's memory holds; absent: not known
};

// kInvalidArgument: an empty prompt, one that is too long, a token outside the vocabulary, a parameter.
Status check_request(const Request& request, const RequestLimits& limits);
// `what` names a token with its number: "prompt position".
Status check_tokens(const char* what, std::span<const TokenId> tokens, int64_t vocab_size);

}  // namespace cairn
