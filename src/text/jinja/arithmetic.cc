#include <cmath>

#include "text/jinja/format.h"
#include "text/jinja/operators.h"

namespace cairn::jinja {

namespace {

Status too_large() { return unsupported("an integer does not fit into 64 bits"); }

Result<Value> integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return invalid_data("zero cannot be raised to a negative power");
    return Value::real(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  int64_t result = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0 && __builtin_mul_overflow(result, base, &result)) return too_large();
    if (exponent > 1 && __builtin_mul_overflow(base, base, &base)) return too_large();
  }
  return Value::integer(result);
}

Result<Value> integer_arithmetic(std::string_view op, int64_t a, int64_t b) {
  int64_t result = 0;
  if (op == "**") return integer_power(a, b);
  if (op == "+" || op == "-" || op == "*") {
    const bool overflow = op == "+"   ? __builtin_add_overflow(a, b, &result)
                          : op == "-" ? __builtin_sub_overflow(a, b, &result)
                                      : __builtin_mul_overflow(a, b, &result);
    if (overflow) return too_large();
    return Value::integer(result);
  }
  if (b == 0) return invalid_data("division by zero");
  if (op == "/") return Value::real(static_cast<double>(a) / static_cast<double>(b));
  if (b == -1) {  // INT64_MIN / -1 traps
    if (op == "%") return Value::integer(0);
    if (__builtin_sub_overflow(int64_t{0}, a, &result)) return too_large();
    return Value::integer(result);
  }
  const int64_t rest = a % b;
  const bool floors = rest != 0 && (rest < 0) != (b < 0);  // Python rounds down, not to zero
  if (op == "//") return Value::integer(a / b - (floors ? 1 : 0));
  return Value::integer(floors ? rest + b : rest);
}

Result<Value> float_arithmetic(std::string_view op, double a, double b) {
  if (op == "+") return Value::real(a + b);
  if (op == "-") return Value::real(a - b);
  if (op == "*") return Value::real(a * b);
  if (op == "**") {
    const double power = std::pow(a, b);
    if ((a < 0 && b != std::floor(b)) || (a == 0 && b < 0) ||
        (std::isinf(power) && std::isfinite(a) && std::isfinite(b))) {
      return unsupported("the result of a power is not a finite real number");
    }
    return Value::real(power);
  }
  if (b == 0) return invalid_data("division by zero");
  if (op == "/") return Value::real(a / b);
  double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest != 0) {
    if ((b < 0) != (rest < 0)) {
      rest += b;
      quotient -= 1;
    }
  } else {
    rest = std::copysign(0.0, b);
  }
  if (op == "%") return Value::real(rest);
  if (quotient == 0) return Value::real(std::copysign(0.0, a / b));
  const double floored = std::floor(quotient);
  return Value::real(quotient - floored > 0.5 ? floored + 1 : floored);
}

Result<Value> repeat(Budget& budget, const Value& value, int64_t count) {
  const auto times = static_cast<uint64_t>(count < 0 ? 0 : count);
  const Sequence* sequence = value.as_sequence();
  const uint64_t bytes = sequence == nullptr ? value.text()->size() : sequence->items.size() * sizeof(Value);
  if (bytes != 0 && times > (1ull << 40) / bytes) return resource_exhausted("a repeated value is too large");
  CAIRN_RETURN_IF_ERROR(budget.allocate(bytes * times));
  if (sequence == nullptr) {
    std::string out;
    out.reserve(bytes * times);
    for (uint64_t i = 0; bytes != 0 && i < times; ++i) out += *value.text();
    return Value::string(std::move(out));
  }
  Items items;
  for (uint64_t i = 0; bytes != 0 && i < times; ++i) {
    items.insert(items.end(), sequence->items.begin(), sequence->items.end());
  }
  return Value::sequence(sequence->kind, std::move(items));
}

bool is_list_or_tuple(const Sequence* sequence) {
  return sequence != nullptr &&
         (sequence->kind == SequenceKind::kList || sequence->kind == SequenceKind::kTuple);
}

bool repeats(const Value& value) { return value.is_string() || is_list_or_tuple(value.as_sequence()); }

Result<Value> join(Budget& budget, const Sequence& left, const Sequence& right) {
  CAIRN_RETURN_IF_ERROR(budget.allocate((left.items.size() + right.items.size()) * sizeof(Value)));
  Items items = left.items;
  items.insert(items.end(), right.items.begin(), right.items.end());
  return Value::sequence(left.kind, std::move(items));
}

}  // namespace

Status check_defined(const Value& value) {
  const auto* undefined = value.get_if<Value::Undefined>();
  if (undefined == nullptr) return {};
  return invalid_data(undefined->why == nullptr ? "a value is undefined" : *undefined->why);
}

Result<Value> binary(Budget& budget, std::string_view op, const Value& left, const Value& right) {
  CAIRN_RETURN_IF_ERROR(check_defined(left));
  if (op == "%" && left.is_string()) return format_percent(budget, *left.text(), right);
  CAIRN_RETURN_IF_ERROR(check_defined(right));
  int64_t i = 0;
  int64_t j = 0;
  if (left.as_integer(&i) && right.as_integer(&j)) return integer_arithmetic(op, i, j);
  double a = 0;
  double b = 0;
  if (left.as_number(&a) && right.as_number(&b)) return float_arithmetic(op, a, b);
  if (op == "+" && left.is_string() && right.is_string()) {
    CAIRN_RETURN_IF_ERROR(budget.allocate(left.text()->size() + right.text()->size()));
    return Value::string(*left.text() + *right.text());
  }
  if (op == "+" && is_list_or_tuple(left.as_sequence()) && is_list_or_tuple(right.as_sequence()) &&
      left.as_sequence()->kind == right.as_sequence()->kind) {
    return join(budget, *left.as_sequence(), *right.as_sequence());
  }
  if (op == "*" && repeats(left) && right.as_integer(&j)) return repeat(budget, left, j);
  if (op == "*" && left.as_integer(&i) && repeats(right)) return repeat(budget, right, i);
  return invalid_data("'" + std::string(op) + "' does not work between a value of type " + left.type_name() +
                      " and one of type " + right.type_name());
}

Result<Value> negate(const Value& value) {
  CAIRN_RETURN_IF_ERROR(check_defined(value));
  int64_t i = 0;
  if (value.as_integer(&i)) return integer_arithmetic("-", 0, i);
  if (const auto* d = value.get_if<double>()) return Value::real(-*d);
  return invalid_data(std::string("'-' does not work on a value of type ") + value.type_name());
}

}  // namespace cairn::jinja
