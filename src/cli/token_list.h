// Token ids as they are typed: "1,2,3" and "ID=VALUE".
#pragma once

#include <string_view>
#include <vector>

#include "cairn/ids.h"
#include "cairn/status.h"
#include "engine/sampler.h"

namespace cairn {

// Ids separated by commas, blanks around them allowed; none for an empty text. kInvalidArgument names the
// part that is no id (negative, too large, not a number).
Result<std::vector<TokenId>> parse_token_list(std::string_view text);

// "5=-2.5", "5=-inf" (the token is forbidden).
Result<LogitBias> parse_logit_bias(std::string_view text);

// "1,2,3".
[[nodiscard]] std::string format_token_list(const std::vector<TokenId>& tokens);

}  // namespace cairn
