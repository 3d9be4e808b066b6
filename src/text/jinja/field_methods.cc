#include <algorithm>
#include <array>

#include "text/jinja/methods.h"
#include "text/jinja/text.h"

namespace cairn::jinja {

namespace {

constexpr std::array<std::string_view, 6> kMethods{"zfill", "center",    "ljust",
                                                   "rjust", "partition", "rpartition"};

// How many characters `self` lacks.
Result<std::size_t> lacking(Budget& budget, const std::string& self, int64_t width) {
  const auto size = static_cast<int64_t>(count_characters(self));
  const auto missing = static_cast<uint64_t>(std::max<int64_t>(width - size, 0));
  constexpr uint64_t kBytesOfCharacter = 4;
  if (missing > Budget::kMaxBytes)
    return resource_exhausted("a text is filled up to more than fits into memory");
  CAIRN_RETURN_IF_ERROR(budget.allocate(missing * kBytesOfCharacter));
  return static_cast<std::size_t>(missing);
}

std::string repeated(std::string_view text, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += text;
  return out;
}

// A sign stays in front.
Result<Value> fill_zeros(Budget& budget, const std::string& self, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind("zfill()", arguments, {"width"}, 1));
  if (!bound.has(0)) return invalid_data("zfill() needs an integer");
  CAIRN_ASSIGN_OR_RETURN(const int64_t width, bound.integer(0, 0));
  CAIRN_ASSIGN_OR_RETURN(const std::size_t missing, lacking(budget, self, width));
  const std::size_t sign = self.starts_with('-') || self.starts_with('+') ? 1 : 0;
  return Value::string(self.substr(0, sign) + std::string(missing, '0') + self.substr(sign));
}

Result<Value> justify(Budget& budget, const std::string& self, std::string_view name,
                      const Arguments& arguments) {
  const std::string who = std::string(name) + "()";
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind(who, arguments, {"width", "fillchar"}, 1));
  if (!bound.has(0)) return invalid_data(who + " needs an integer");
  CAIRN_ASSIGN_OR_RETURN(const int64_t width, bound.integer(0, 0));
  CAIRN_ASSIGN_OR_RETURN(const std::string fill, bound.text(1, " "));
  if (count_characters(fill) != 1) return invalid_data(who + " fills up with one character");
  CAIRN_ASSIGN_OR_RETURN(const std::size_t missing, lacking(budget, self, width));
  // Where it cannot be shared out evenly, Python's center() gives the left side more in an odd width.
  const std::size_t middle =
      missing / 2 + (missing & static_cast<std::size_t>(std::max<int64_t>(width, 0)) & 1);
  const std::size_t left = name == "ljust" ? 0 : name == "rjust" ? missing : middle;
  return Value::string(repeated(fill, left) + self + repeated(fill, missing - left));
}

Result<Value> partition(Budget& budget, const std::string& self, std::string_view name,
                        const Arguments& arguments) {
  const std::string who = std::string(name) + "()";
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind(who, arguments, {"sep"}, 1));
  if (!bound.has(0)) return invalid_data(who + " needs a string");
  CAIRN_ASSIGN_OR_RETURN(const std::string separator, bound.text(0, ""));
  if (separator.empty()) return invalid_data(who + " has an empty separator");
  const bool is_backward = name == "rpartition";
  if (is_backward)
    CAIRN_RETURN_IF_ERROR(budget.spend(1 + self.size() * (1 + std::min(separator.size(), self.size()) / 16)));
  const std::size_t at = is_backward ? self.rfind(separator) : find_text(self, separator, 0);
  Items parts{Value::string(self.substr(0, at)), Value::string(separator), Value::string("")};
  if (at == std::string::npos) {
    parts = {Value::string(self), Value::string(""), Value::string("")};
    if (is_backward) std::swap(parts[0], parts[2]);
  } else {
    parts[2] = Value::string(self.substr(at + separator.size()));
  }
  return Value::sequence(SequenceKind::kTuple, std::move(parts));
}

}  // namespace

bool is_field_method(std::string_view name) { return std::ranges::find(kMethods, name) != kMethods.end(); }

Result<Value> call_field_method(Budget& budget, const std::string& self, std::string_view name,
                                const Arguments& arguments) {
  if (name == "zfill") return fill_zeros(budget, self, arguments);
  if (name.ends_with("partition")) return partition(budget, self, name, arguments);
  return justify(budget, self, name, arguments);
}

}  // namespace cairn::jinja
