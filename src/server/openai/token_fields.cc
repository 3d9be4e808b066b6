#include "server/openai/token_fields.h"

#include <limits>

namespace cairn {

std::vector<TokenId> read_tokens(const FieldReader& fields, std::string_view name,
                                 const boost::json::array& list) {
  std::vector<TokenId> tokens;
  if (list.empty()) fields.refuse(name, "is an empty list");
  tokens.reserve(list.size());
  for (size_t i = 0; i < list.size() && !fields.failed(); ++i) {
    const auto token = integer_of(list[i]);
    if (!token.has_value() || *token < 0 || *token > std::numeric_limits<TokenId>::max()) {
      fields.refuse(element_path(name, i), "must be a token id, not " + kind_of(list[i]));
    } else {
      tokens.push_back(static_cast<TokenId>(*token));
    }
  }
  return tokens;
}

}  // namespace cairn
