// Lists of token ids in a body. For the parsers of server/openai/.
#pragma once

#include <boost/json/array.hpp>
#include <string_view>
#include <vector>

#include "cairn/ids.h"
#include "server/openai/field_reader.h"

namespace cairn {

// All are at least 0; whether the vocabulary has them is not known here. An empty list is refused. `name`: of the list.
[[nodiscard]] std::vector<TokenId> read_tokens(const FieldReader& fields, std::string_view name,
                                               const boost::json::array& list);

}  // namespace cairn
