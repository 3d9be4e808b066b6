// Chat templates by name: how the best-known families write a conversation, for models that bring no template, or one
// that does not run. Plain forms: a system message, questions and answers, no tools.
#pragma once

#include <optional>
#include <span>
#include <string_view>

namespace cairn {

struct NamedTemplate {
  std::string_view name;
  std::string_view source;       // Jinja
  std::string_view end_of_turn;  // what closes a reply, where the vocabulary has no token for it
  std::string_view mark;         // a template writes the first of these forms whose mark it holds

  friend bool operator==(const NamedTemplate&, const NamedTemplate&) = default;
};

[[nodiscard]] std::span<const NamedTemplate> named_templates();
[[nodiscard]] std::optional<NamedTemplate> find_named_template(std::string_view name);
// The form that a template (which may not run) writes, by its marks.
[[nodiscard]] std::optional<NamedTemplate> named_template_like(std::string_view source);

}  // namespace cairn
