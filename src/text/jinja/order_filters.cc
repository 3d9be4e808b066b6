#include <algorithm>
#include <optional>

#include "text/jinja/filters.h"
#include "text/jinja/operators.h"
#include "text/jinja/subscript.h"

namespace cairn::jinja {

namespace {

struct Keyed {
  Value key;
  Value item;
};

enum class Direction : uint8_t { kAscending, kDescending };

// Whether `later`, which stands behind `earlier`, must come before it.
Result<bool> must_swap(Budget& budget, const Value& earlier, const Value& later, Direction direction) {
  CAIRN_RETURN_IF_ERROR(budget.spend(1 + std::min(earlier.weight(), later.weight())));
  const bool ascends = direction == Direction::kAscending;
  CAIRN_ASSIGN_OR_RETURN(const int sign, ascends ? order(later, earlier) : order(earlier, later));
  return sign == -1;
}

// Equal keys keep their order. Merging: a comparison may fail, which the library's sorts do not allow for.
Result<std::vector<Keyed>> sorted(Budget& budget, std::vector<Keyed> from, Direction direction) {
  std::vector<Keyed> to;
  for (std::size_t width = 1; width < from.size(); width *= 2) {
    to.clear();
    for (std::size_t begin = 0; begin < from.size(); begin += 2 * width) {
      const std::size_t middle = std::min(begin + width, from.size());
      const std::size_t end = std::min(begin + 2 * width, from.size());
      std::size_t left = begin;
      std::size_t right = middle;
      while (left < middle && right < end) {
        CAIRN_ASSIGN_OR_RETURN(const bool swaps,
                               must_swap(budget, from[left].key, from[right].key, direction));
        to.push_back(std::move(from[swaps ? right++ : left++]));
      }
      while (left < middle) to.push_back(std::move(from[left++]));
      while (right < end) to.push_back(std::move(from[right++]));
    }
    std::swap(from, to);
  }
  return from;
}

Result<Value> without_case(Budget& budget, const Value& value) {
  return value.is_string() ? apply_filter(budget, "lower", value, {}) : Result<Value>(value);
}

// What an item is compared by: itself, or one of its attributes.
Result<Value> key_of_item(Budget& budget, const Value& item, const Value& attribute, bool has_case) {
  Value key = item;
  if (const std::string* path = attribute.text()) {
    CAIRN_ASSIGN_OR_RETURN(key, get_path(budget, item, *path));
  } else if (!attribute.is_none() && !attribute.is_undefined()) {
    CAIRN_ASSIGN_OR_RETURN(key, get_item(budget, item, attribute));
  }
  return has_case ? Result<Value>(key) : without_case(budget, key);
}

// sort's attribute may name several, separated by commas.
Result<Value> sort_key(Budget& budget, const Value& item, const Value& attribute, bool has_case) {
  const std::string* paths = attribute.text();
  Items keys;
  for (std::size_t from = 0; paths != nullptr && from <= paths->size();) {
    const std::size_t comma = std::min(paths->find(',', from), paths->size());
    const Value path = Value::string(paths->substr(from, comma - from));
    CAIRN_ASSIGN_OR_RETURN(Value key, key_of_item(budget, item, path, has_case));
    keys.push_back(std::move(key));
    from = comma + 1;
  }
  if (paths == nullptr) {
    CAIRN_ASSIGN_OR_RETURN(Value key, key_of_item(budget, item, attribute, has_case));
    keys.push_back(std::move(key));
  }
  CAIRN_RETURN_IF_ERROR(budget.allocate(keys.size() * sizeof(Value)));
  return Value::sequence(SequenceKind::kList, std::move(keys));
}

Result<Value> list_of_items(std::vector<Keyed> keyed) {
  Items items;
  for (Keyed& each : keyed) items.push_back(std::move(each.item));
  return Value::sequence(SequenceKind::kList, std::move(items));
}

Direction direction_of(bool reverse) { return reverse ? Direction::kDescending : Direction::kAscending; }

Result<Value> sort(Budget& budget, const Value& subject, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind("the filter 'sort'", arguments,
                                                        {"reverse", "case_sensitive", "attribute"}));
  CAIRN_ASSIGN_OR_RETURN(Items items, iterate(budget, subject));
  std::vector<Keyed> keyed;
  for (Value& item : items) {
    CAIRN_ASSIGN_OR_RETURN(Value key, sort_key(budget, item, bound[2], bound.truth(1)));
    keyed.push_back({std::move(key), std::move(item)});
  }
  CAIRN_ASSIGN_OR_RETURN(keyed, sorted(budget, std::move(keyed), direction_of(bound.truth(0))));
  return list_of_items(std::move(keyed));
}

Result<Value> dict_sort(Budget& budget, const Value& subject, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind("the filter 'dictsort'", arguments,
                                                        {"case_sensitive", "by", "reverse"}));
  CAIRN_RETURN_IF_ERROR(check_defined(subject));
  CAIRN_ASSIGN_OR_RETURN(const std::string by, bound.text(1, "key"));
  if (by != "key" && by != "value") return invalid_data("the filter 'dictsort' sorts by 'key' or 'value'");
  CAIRN_ASSIGN_OR_RETURN(const Value pairs, apply_filter(budget, "items", subject, {}));
  std::vector<Keyed> keyed;
  for (const Value& pair : pairs.as_sequence()->items) {
    const Value place = Value::integer(by == "key" ? 0 : 1);
    CAIRN_ASSIGN_OR_RETURN(Value key, key_of_item(budget, pair, place, bound.truth(0)));
    keyed.push_back({std::move(key), pair});
  }
  CAIRN_ASSIGN_OR_RETURN(keyed, sorted(budget, std::move(keyed), direction_of(bound.truth(2))));
  return list_of_items(std::move(keyed));
}

// The first of those that nothing surpasses.
template <Direction direction>
Result<Value> extreme(Budget& budget, const Value& subject, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind("the filters 'min' and 'max'", arguments,
                                                        {"case_sensitive", "attribute"}));
  CAIRN_ASSIGN_OR_RETURN(const Items items, iterate(budget, subject));
  if (items.empty()) return Value::undefined("there is no smallest or largest item, the sequence is empty");
  std::optional<Keyed> best;
  for (const Value& item : items) {
    CAIRN_ASSIGN_OR_RETURN(Value key, key_of_item(budget, item, bound[1], bound.truth(0)));
    bool is_better = true;
    if (best.has_value()) {
      CAIRN_ASSIGN_OR_RETURN(is_better, must_swap(budget, best->key, key, direction));
    }
    if (is_better) best = Keyed{std::move(key), item};
  }
  return best->item;
}

Result<Value> sum(Budget& budget, const Value& subject, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::bind("the filter 'sum'", arguments, {"attribute", "start"}));
  CAIRN_ASSIGN_OR_RETURN(const Items items, iterate(budget, subject));
  Value total = bound[1].is_undefined() ? Value::integer(0) : bound[1];
  if (total.is_string()) return invalid_data("the filter 'sum' adds no strings; 'join' does");
  for (const Value& item : items) {
    CAIRN_ASSIGN_OR_RETURN(const Value part, key_of_item(budget, item, bound[0], true));
    CAIRN_ASSIGN_OR_RETURN(total, binary(budget, "+", total, part));
  }
  return total;
}

constexpr NamedFilter kFilters[] = {
    {"dictsort", dict_sort},
    {"max", extreme<Direction::kDescending>},
    {"min", extreme<Direction::kAscending>},
    {"sort", sort},
    {"sum", sum},
};

}  // namespace

Filter find_order_filter(std::string_view name) {
  const auto at = std::find_if(std::begin(kFilters), std::end(kFilters),
                               [&](const NamedFilter& filter) { return filter.name == name; });
  return at == std::end(kFilters) ? nullptr : at->apply;
}

}  // namespace cairn::jinja
