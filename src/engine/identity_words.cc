#include "engine/identity_words.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/printable.h"

namespace cairn {
namespace {

// The line behind `begin`.
std::optional<std::string_view> value_of(std::string_view line, std::string_view begin) {
  if (!line.starts_with(begin)) return std::nullopt;
  return line.substr(begin.size());
}

// "f16,f16 in group 0, 4 sinks and a window of 1020": the codecs of a layer's keys and values, and what its queries see.
std::optional<std::string> codecs_of(std::string_view line) {
  const size_t end = line.find(" in group ");
  const size_t comma = line.find(',');
  if (end == std::string_view::npos || comma > end) return std::nullopt;
  const std::string_view keys = line.substr(0, comma);
  const std::string_view values = line.substr(comma + 1, end - comma - 1);
  std::string text =
      keys == values ? std::string(keys) : "k=" + std::string(keys) + ",v=" + std::string(values);
  const size_t seen = line.find(", ", end);
  if (seen != std::string_view::npos) text += " (" + std::string(line.substr(seen + 2)) + ")";
  return printable(text);
}

}  // namespace

IdentityWords identity_words(std::string_view identity) {
  IdentityWords words;
  std::vector<std::string> kinds;  // of layers
  while (!identity.empty()) {
    const size_t end = std::min(identity.find('\n'), identity.size());
    const std::string_view line = identity.substr(0, end);
    identity.remove_prefix(std::min(end + 1, identity.size()));
    if (const auto model = value_of(line, "model=")) words.model = printable(*model);
    if (const auto family = value_of(line, "family=")) words.family = printable(*family);
    if (const auto arithmetic = value_of(line, "arithmetic=")) words.arithmetic = printable(*arithmetic);
    const auto codecs = codecs_of(line);
    if (codecs.has_value() && std::ranges::find(kinds, *codecs) == kinds.end()) kinds.push_back(*codecs);
  }
  for (const std::string& kind : kinds) words.kv += (words.kv.empty() ? "" : "; ") + kind;
  return words;
}

}  // namespace cairn
