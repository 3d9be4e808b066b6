// The arguments of one call, bound to parameters as Python binds them.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/jinja/value.h"

namespace cairn::jinja {

struct Arguments {
  Items positional;
  std::vector<std::pair<std::string, Value>> named;
};

// Arguments by parameter. Reading one that was not given returns the fallback.
class Bound {
 public:
  // `who` names the function in messages. The first `required` parameters must be given.
  static Result<Bound> bind(std::string who, const Arguments& arguments,
                            std::initializer_list<std::string_view> parameters, std::size_t required = 0);

  [[nodiscard]] bool has(std::size_t parameter) const;  // given, and not None
  [[nodiscard]] const Value& operator[](std::size_t parameter) const { return values_[parameter]; }
  [[nodiscard]] Result<std::string> text(std::size_t parameter, std::string_view fallback) const;
  [[nodiscard]] Result<int64_t> integer(std::size_t parameter, int64_t fallback) const;
  [[nodiscard]] bool truth(std::size_t parameter) const { return values_[parameter].truth(); }

 private:
  [[nodiscard]] Status wrong_type(std::size_t parameter, std::string_view wanted) const;

  std::string who_;
  std::vector<std::string> names_;
  Items values_;
};

}  // namespace cairn::jinja
