#include "cli/json_text.h"

#include <boost/json/serialize.hpp>

#include "base/utf8.h"

namespace cairn {

std::string json_line(const boost::json::object& object) { return boost::json::serialize(object) + "\n"; }

std::string json_text(std::string_view text) {
  std::string valid;
  const size_t used = take_utf8(text, valid);
  if (used < text.size()) append_utf8(valid, U'\uFFFD');
  return valid;
}

}  // namespace cairn
