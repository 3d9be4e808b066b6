#include "engine/request_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "engine/sampler.h"

namespace cairn {
namespace {

// A larger context is advice only where there is one.
std::string way_out(const RequestLimits& limits) {
  if (!limits.context_max.has_value()) return "shorten it, or ask for a larger `context`";
  if (limits.context >= *limits.context_max) return "shorten it: the model was made for no more";
  return fmt::format("shorten it, or ask for a larger `context` (at most {})", *limits.context_max);
}

Status check_length(const Request& request, const RequestLimits& limits) {
  const auto count = static_cast<int64_t>(request.prompt.size());
  if (count == 0) return invalid_argument("the prompt is empty: it needs at least one token");
  if (count > limits.context) {
    return invalid_argument(fmt::format("the prompt has {} tokens, but the context holds {}: {}", count,
                                        limits.context, way_out(limits)));
  }
  if (count > limits.cache_length.value_or(count)) {
    return invalid_argument(
        fmt::format("the prompt has {} tokens, but the cache's memory holds {}: shorten it, or ask for more "
                    "`kv_memory_bytes`",
                    count, *limits.cache_length));
  }
  return {};
}

}  // namespace

Status check_tokens(const char* what, std::span<const TokenId> tokens, int64_t vocab_size) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] >= 0 && tokens[i] < vocab_size) continue;
    return invalid_argument(fmt::format("{} {} is token {}: the vocabulary has {} tokens (0 to {})", what, i,
                                        tokens[i], vocab_size, vocab_size - 1));
  }
  return {};
}

Status check_request(const Request& request, const RequestLimits& limits) {
  CAIRN_RETURN_IF_ERROR(check_length(request, limits));
  if (request.max_tokens.has_value() && *request.max_tokens < 0) {
    return invalid_argument(fmt::format("max tokens is {}: it must be at least 0", *request.max_tokens));
  }
  if (request.picks == Picks::kByCaller && request.on_text) {
    return invalid_argument("a request whose caller picks the tokens reports no text: leave on_text empty");
  }
  if (request.picks == Picks::kByCaller &&
      (request.on_mask || request.on_choice || request.constraint != nullptr)) {
    return invalid_argument(
        "a request whose caller picks the tokens has no choice to mask or report: leave on_mask, "
        "on_choice and constraint empty");
  }
  if (request.picks == Picks::kByCaller && request.deadline_ns.has_value()) {
    return invalid_argument(
        "a request whose caller picks the tokens has no deadline, since no step runs while it waits for its "
        "caller: leave deadline_ns empty, and cancel it");
  }
  if (request.likeliest_count < 0 || request.likeliest_count > limits.vocab_size) {
    return invalid_argument(fmt::format("the likeliest {} tokens are not possible: the vocabulary has {}",
                                        request.likeliest_count, limits.vocab_size));
  }
  if (std::ranges::any_of(request.stop_strings, [](const std::string& stop) { return stop.empty(); })) {
    return invalid_argument("a stop string is empty: leave it out");
  }
  CAIRN_RETURN_IF_ERROR(check_tokens("prompt position", request.prompt, limits.vocab_size));
  CAIRN_RETURN_IF_ERROR(check_tokens("forced token", request.forced_tokens, limits.vocab_size));
  return validate(request.sampling, limits.vocab_size);
}

}  // namespace cairn
