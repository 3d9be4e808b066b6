// Runs a parsed template.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "text/chat_template.h"
#include "text/jinja/ast.h"

namespace cairn::jinja {

class Template {
 public:
  static Result<Template> parse(std::string_view source);

  struct Environment {
    std::vector<std::pair<std::string, Value>> variables;
    std::optional<CivilTime> now;
  };
  // The text, or an error that names the line.
  [[nodiscard]] Result<std::string> render(const Environment& environment) const;

 private:
  explicit Template(Body body) : body_(std::move(body)) {}

  Body body_;
};

}  // namespace cairn::jinja
