#include <algorithm>

#include "text/jinja/operators.h"
#include "text/jinja/text.h"

namespace cairn::jinja {

namespace {

// Exact for every int64 and double where long double has 64 bits of mantissa or more.
bool as_wide_number(const Value& value, long double* out) {
  int64_t i = 0;
  if (value.as_integer(&i)) {
    *out = static_cast<long double>(i);
    return true;
  }
  if (const auto* d = value.get_if<double>()) {
    *out = *d;
    return true;
  }
  return false;
}

bool equal_dicts(const Dict& left, const Dict& right) {
  return left.entries.size() == right.entries.size() &&
         std::all_of(left.entries.begin(), left.entries.end(), [&](const auto& entry) {
           const Value* other = right.find(entry.first);
           return other != nullptr && equal(entry.second, *other);
         });
}

Result<bool> contains(Budget& budget, const Value& container, const Value& item) {
  CAIRN_RETURN_IF_ERROR(budget.spend(item.weight()));
  if (const std::string* text = container.text()) {
    const std::string* needle = item.text();
    CAIRN_RETURN_IF_ERROR(check_defined(item));
    if (needle == nullptr) {
      return invalid_data(std::string("'in' looks for a string in a string, not for a value of type ") +
                          item.type_name());
    }
    CAIRN_RETURN_IF_ERROR(budget.spend(container.weight()));
    return find_text(*text, *needle, 0) != std::string_view::npos;
  }
  if (const Sequence* sequence = container.as_sequence()) {
    if (sequence->consumed) return false;
    if (sequence->kind == SequenceKind::kGenerator) sequence->consumed = true;
    CAIRN_RETURN_IF_ERROR(budget.spend(sequence->items.size() * std::min(item.weight(), container.weight())));
    return std::any_of(sequence->items.begin(), sequence->items.end(),
                       [&](const Value& each) { return equal(each, item); });
  }
  if (const Dict* dict = container.as_dict()) {
    if (item.is_undefined()) return false;
    CAIRN_RETURN_IF_ERROR(key_of(item).status());
    return dict->find(item) != nullptr;
  }
  if (container.is_undefined()) return false;
  return invalid_data(std::string("'in' cannot search a value of type ") + container.type_name());
}

}  // namespace

bool equal(const Value& left, const Value& right) {
  long double a = 0;
  long double b = 0;
  if (as_wide_number(left, &a)) return as_wide_number(right, &b) && a == b;
  if (const std::string* s = left.text()) return right.is_string() && *s == *right.text();
  if (left.is_none()) return right.is_none();
  if (left.is_undefined()) return right.is_undefined();
  if (const Dict* d = left.as_dict()) return right.as_dict() != nullptr && equal_dicts(*d, *right.as_dict());
  if (const Sequence* s = left.as_sequence()) {
    const Sequence* t = right.as_sequence();
    if (s == t) return true;
    return t != nullptr && s->kind == t->kind && s->kind != SequenceKind::kGenerator &&
           std::equal(s->items.begin(), s->items.end(), t->items.begin(), t->items.end(), equal);
  }
  if (left.as_namespace() != nullptr) return left.as_namespace() == right.as_namespace();
  if (left.as_loop() != nullptr) return left.as_loop() == right.as_loop();
  return left.as_callable() == right.as_callable();
}

Result<int> order(const Value& left, const Value& right) {
  CAIRN_RETURN_IF_ERROR(check_defined(left));
  CAIRN_RETURN_IF_ERROR(check_defined(right));
  long double a = 0;
  long double b = 0;
  if (as_wide_number(left, &a) && as_wide_number(right, &b)) return a < b ? -1 : a > b ? 1 : a == b ? 0 : 2;
  if (left.is_string() && right.is_string()) {
    // UTF-8 bytes sort in the order of their code points.
    const int c = left.text()->compare(*right.text());
    return c < 0 ? -1 : c > 0 ? 1 : 0;
  }
  const Sequence* s = left.as_sequence();
  const Sequence* t = right.as_sequence();
  if (s != nullptr && t != nullptr && s->kind == t->kind &&
      (s->kind == SequenceKind::kList || s->kind == SequenceKind::kTuple)) {
    const std::size_t common = std::min(s->items.size(), t->items.size());
    for (std::size_t i = 0; i < common; ++i) {
      if (!equal(s->items[i], t->items[i])) return order(s->items[i], t->items[i]);
    }
    return s->items.size() < t->items.size() ? -1 : s->items.size() > t->items.size() ? 1 : 0;
  }
  return invalid_data(std::string("a value of type ") + left.type_name() + " and one of type " +
                      right.type_name() + " cannot be ordered");
}

Result<bool> compare(Budget& budget, std::string_view op, const Value& left, const Value& right) {
  if (op == "in") return contains(budget, right, left);
  if (op == "not in") {
    CAIRN_ASSIGN_OR_RETURN(const bool found, contains(budget, right, left));
    return !found;
  }
  CAIRN_RETURN_IF_ERROR(budget.spend(std::min(left.weight(), right.weight())));
  if (op == "==") return equal(left, right);
  if (op == "!=") return !equal(left, right);
  CAIRN_ASSIGN_OR_RETURN(const int sign, order(left, right));
  if (sign == 2) return false;
  if (op == "<") return sign < 0;
  if (op == "<=") return sign <= 0;
  if (op == ">") return sign > 0;
  return sign >= 0;
}

}  // namespace cairn::jinja
