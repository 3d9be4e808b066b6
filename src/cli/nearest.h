// The name that somebody may have meant who typed another one.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace cairn {

// How many letters must be added, removed, changed or swapped with their neighbour to make `b` of `a`.
[[nodiscard]] size_t edit_distance(std::string_view a, std::string_view b);

// The nearest of `names`, if near enough that it is a likely slip: a third of the word, or its beginning.
[[nodiscard]] std::optional<std::string> nearest_name(std::string_view word,
                                                      std::span<const std::string> names);

}  // namespace cairn
