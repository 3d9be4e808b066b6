// The tests of templates: `x is defined`, `x is string`, `x is divisibleby 3`.
#include <algorithm>

#include "text/jinja/filters.h"
#include "text/jinja/operators.h"
#include "text/jinja/print.h"
#include "text/jinja/subscript.h"
#include "text/jinja/text.h"

namespace cairn::jinja {

namespace {

using Predicate = Result<bool> (*)(Budget& budget, const Value& subject, const Value& argument);

bool is_integer(const Value& v) { return v.get_if<int64_t>() != nullptr; }

bool is_number(const Value& v) {
  double unused = 0;
  return v.as_number(&unused);
}

bool is_sequence(const Value& v) {
  const Sequence* s = v.as_sequence();
  const bool has_index =
      s != nullptr && s->kind != SequenceKind::kGenerator && s->kind != SequenceKind::kView;
  return v.is_undefined() || v.is_string() || v.as_dict() != nullptr || has_index;
}

Result<bool> divides(Budget& budget, const Value& subject, const Value& argument) {
  CAIRN_ASSIGN_OR_RETURN(const Value rest, binary(budget, "%", subject, argument));
  return equal(rest, Value::integer(0));
}

Result<bool> is_odd(Budget& budget, const Value& subject, const Value&) {
  CAIRN_ASSIGN_OR_RETURN(const Value rest, binary(budget, "%", subject, Value::integer(2)));
  return equal(rest, Value::integer(1));
}

// Of the value as printed: 1e20 is lower.
Result<bool> is_upper(Budget& budget, const Value& v, const Value&) {
  CAIRN_RETURN_IF_ERROR(budget.allocate(v.weight() * 64));
  CAIRN_ASSIGN_OR_RETURN(const std::string text, print(v));
  return text == to_upper(text) && text != to_lower(text);
}

Result<bool> is_lower(Budget& budget, const Value& v, const Value&) {
  CAIRN_RETURN_IF_ERROR(budget.allocate(v.weight() * 64));
  CAIRN_ASSIGN_OR_RETURN(const std::string text, print(v));
  return text == to_lower(text) && text != to_upper(text);
}

Result<bool> is_same(Budget&, const Value& a, const Value& b) {
  // Python's `is`: the same object. For what is stored by value, that is the same type and value.
  if (a.as_sequence() != nullptr || a.as_dict() != nullptr) {
    return a.as_sequence() == b.as_sequence() && a.as_dict() == b.as_dict();
  }
  return std::string_view(a.type_name()) == b.type_name() && equal(a, b);
}

template <char const* op>
Result<bool> compares(Budget& budget, const Value& subject, const Value& argument) {
  return compare(budget, op, subject, argument);
}
constexpr char kEq[] = "==", kNe[] = "!=", kLt[] = "<", kLe[] = "<=", kGt[] = ">", kGe[] = ">=", kIn[] = "in";

struct NamedPredicate {
  std::string_view name;
  std::size_t arguments;
  Predicate test;
};

#define CAIRN_IS(condition) [](Budget&, const Value& v, const Value&) -> Result<bool> { return condition; }

const NamedPredicate kPredicates[] = {
    {"defined", 0, CAIRN_IS(!v.is_undefined())},
    {"undefined", 0, CAIRN_IS(v.is_undefined())},
    {"none", 0, CAIRN_IS(v.is_none())},
    {"string", 0, CAIRN_IS(v.is_string())},
    {"mapping", 0, CAIRN_IS(v.as_dict() != nullptr)},
    {"iterable", 0, CAIRN_IS(is_iterable(v))},
    {"sequence", 0, CAIRN_IS(is_sequence(v))},
    {"number", 0, CAIRN_IS(is_number(v))},
    {"integer", 0, CAIRN_IS(is_integer(v))},
    {"float", 0, CAIRN_IS(v.is_float())},
    {"boolean", 0, CAIRN_IS(v.is_bool())},
    {"true", 0, CAIRN_IS(v.is_bool() && v.truth())},
    {"false", 0, CAIRN_IS(v.is_bool() && !v.truth())},
    {"callable", 0, CAIRN_IS(v.as_callable() != nullptr || v.as_loop() != nullptr)},
    {"filter", 0, CAIRN_IS(v.is_string() && is_filter(*v.text()))},
    {"test", 0, CAIRN_IS(v.is_string() && is_test(*v.text()))},
    {"lower", 0, is_lower},
    {"upper", 0, is_upper},
    {"even", 0, [](Budget& b, const Value& v, const Value&) { return divides(b, v, Value::integer(2)); }},
    {"odd", 0, is_odd},
    {"divisibleby", 1, divides},
    {"sameas", 1, is_same},
    {"eq", 1, compares<kEq>},
    {"equalto", 1, compares<kEq>},
    {"==", 1, compares<kEq>},
    {"ne", 1, compares<kNe>},
    {"!=", 1, compares<kNe>},
    {"lt", 1, compares<kLt>},
    {"lessthan", 1, compares<kLt>},
    {"<", 1, compares<kLt>},
    {"le", 1, compares<kLe>},
    {"<=", 1, compares<kLe>},
    {"gt", 1, compares<kGt>},
    {"greaterthan", 1, compares<kGt>},
    {">", 1, compares<kGt>},
    {"ge", 1, compares<kGe>},
    {">=", 1, compares<kGe>},
    {"in", 1, compares<kIn>},
};

#undef CAIRN_IS

const NamedPredicate* find_predicate(std::string_view name) {
  const auto* at = std::find_if(std::begin(kPredicates), std::end(kPredicates),
                                [&](const NamedPredicate& predicate) { return predicate.name == name; });
  return at == std::end(kPredicates) ? nullptr : at;
}

}  // namespace

bool is_test(std::string_view name) { return find_predicate(name) != nullptr; }

Result<bool> apply_test(Budget& budget, std::string_view name, const Value& subject,
                        const Arguments& arguments) {
  CAIRN_RETURN_IF_ERROR(budget.spend(1));
  const NamedPredicate* predicate = find_predicate(name);
  if (predicate == nullptr) return unsupported("the test 'is " + std::string(name) + "' is not supported");
  if (!arguments.named.empty() || arguments.positional.size() != predicate->arguments) {
    return invalid_data("the test 'is " + std::string(name) + "' takes " +
                        std::to_string(predicate->arguments) + " arguments without names, not " +
                        std::to_string(arguments.positional.size() + arguments.named.size()));
  }
  const Value none;
  return predicate->test(budget, subject, predicate->arguments == 0 ? none : arguments.positional[0]);
}

}  // namespace cairn::jinja
