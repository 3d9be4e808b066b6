#include <algorithm>

#include "text/jinja/filters.h"
#include "text/jinja/methods.h"
#include "text/jinja/operators.h"
#include "text/jinja/subscript.h"

namespace cairn::jinja {

namespace {

Result<Value> list_of(Items items) { return Value::sequence(SequenceKind::kList, std::move(items)); }
Result<Value> generator_of(Items items) {
  return Value::sequence(SequenceKind::kGenerator, std::move(items));
}

Result<Value> default_value(Budget&, const Value& subject, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::bind("the filter 'default'", arguments, {"default_value", "boolean"}));
  if (!subject.is_undefined() && !(bound.truth(1) && !subject.truth())) return subject;
  const bool has_default = !arguments.positional.empty() || !arguments.named.empty();
  return has_default ? bound[0] : Value::string("");
}

Result<Value> length_of(Budget& budget, const Value& subject, const Arguments& arguments) {
  CAIRN_RETURN_IF_ERROR(Bound::bind("the filter 'length'", arguments, {}).status());
  CAIRN_ASSIGN_OR_RETURN(const int64_t count, length(budget, subject));
  return Value::integer(count);
}

Result<Value> to_list(Budget& budget, const Value& subject, const Arguments& arguments) {
  CAIRN_RETURN_IF_ERROR(Bound::bind("the filter 'list'", arguments, {}).status());
  CAIRN_ASSIGN_OR_RETURN(Items items, iterate(budget, subject));
  return list_of(std::move(items));
}

Result<Value> first(Budget& budget, const Value& subject, const Arguments& arguments) {
  CAIRN_RETURN_IF_ERROR(Bound::bind("the filter 'first'", arguments, {}).status());
  CAIRN_ASSIGN_OR_RETURN(const Items items, iterate(budget, subject));
  return items.empty() ? Value::undefined("there is no first item, the sequence is empty") : items.front();
}

Result<Value> last(Budget& budget, const Value& subject, const Arguments& arguments) {
  CAIRN_RETURN_IF_ERROR(Bound::bind("the filter 'last'", arguments, {}).status());
  CAIRN_ASSIGN_OR_RETURN(const Items items, iterate(budget, subject));
  return items.empty() ? Value::undefined("there is no last item, the sequence is empty") : items.back();
}

Result<Value> reverse(Budget& budget, const Value& subject, const Arguments& arguments) {
  CAIRN_RETURN_IF_ERROR(Bound::bind("the filter 'reverse'", arguments, {}).status());
  CAIRN_ASSIGN_OR_RETURN(Items items, iterate(budget, subject));
  std::reverse(items.begin(), items.end());
  return subject.is_string() ? join_texts(budget, "", items) : generator_of(std::move(items));
}

Result<Value> join(Budget& budget, const Value& subject, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind("the filter 'join'", arguments, {"d", "attribute"}));
  CAIRN_ASSIGN_OR_RETURN(Items items, iterate(budget, subject));
  if (bound.has(1)) {
    CAIRN_ASSIGN_OR_RETURN(const std::string path, bound.text(1, ""));
    for (Value& item : items) {
      CAIRN_ASSIGN_OR_RETURN(item, get_path(budget, item, path));
    }
  }
  CAIRN_ASSIGN_OR_RETURN(const std::string between, bound.text(0, ""));
  return join_texts(budget, between, items);
}

Result<Value> items_of(Budget& budget, const Value& subject, const Arguments& arguments) {
  if (subject.is_undefined()) return generator_of({});
  if (subject.as_dict() == nullptr) return invalid_data("the filter 'items' needs a dict");
  CAIRN_ASSIGN_OR_RETURN(const Value view, call_method(budget, subject, "items", arguments));
  return generator_of(view.as_sequence()->items);
}

Result<Value> unique(Budget& budget, const Value& subject, const Arguments& arguments) {
  CAIRN_RETURN_IF_ERROR(Bound::bind("the filter 'unique'", arguments, {}).status());
  CAIRN_RETURN_IF_ERROR(budget.spend(subject.weight()));
  CAIRN_ASSIGN_OR_RETURN(const Items items, iterate(budget, subject));
  std::unordered_map<std::string, bool> seen;
  Items kept;
  for (const Value& item : items) {
    const Value* key = &item;
    Value lower;
    if (item.is_string()) {
      CAIRN_ASSIGN_OR_RETURN(lower, apply_filter(budget, "lower", item, {}));
      key = &lower;
    }
    CAIRN_ASSIGN_OR_RETURN(std::string id, key_of(*key));
    if (seen.emplace(std::move(id), true).second) kept.push_back(item);
  }
  return generator_of(std::move(kept));
}

// The arguments from `from` on, for the filter or test that they are meant for.
Arguments tail(const Arguments& arguments, std::size_t from) {
  Arguments rest;
  rest.positional.assign(arguments.positional.begin() + static_cast<std::ptrdiff_t>(from),
                         arguments.positional.end());
  rest.named = arguments.named;
  return rest;
}

Result<Value> map(Budget& budget, const Value& subject, const Arguments& arguments) {
  if (!subject.truth()) return generator_of({});  // Jinja looks no further, even into None
  CAIRN_ASSIGN_OR_RETURN(Items items, iterate(budget, subject));
  if (arguments.positional.empty()) {
    CAIRN_ASSIGN_OR_RETURN(const Bound bound,
                           Bound::bind("the filter 'map'", arguments, {"attribute", "default"}, 1));
    int64_t index = 0;
    for (Value& item : items) {
      if (bound[0].as_integer(&index)) {
        CAIRN_ASSIGN_OR_RETURN(item, get_item(budget, item, bound[0]));
      } else {
        CAIRN_ASSIGN_OR_RETURN(const std::string path, bound.text(0, ""));
        CAIRN_ASSIGN_OR_RETURN(item, get_path(budget, item, path));
      }
      if (item.is_undefined() && bound.has(1)) item = bound[1];
    }
    return generator_of(std::move(items));
  }
  const std::string* name = arguments.positional[0].text();
  if (name == nullptr) return invalid_data("the filter 'map' needs the name of a filter");
  const Arguments rest = tail(arguments, 1);
  for (Value& item : items) {
    CAIRN_ASSIGN_OR_RETURN(item, apply_filter(budget, *name, item, rest));
  }
  return generator_of(std::move(items));
}

enum class Keep { kMatching, kOthers };

template <Keep keep>
Result<Value> select(Budget& budget, const Value& subject, const Arguments& arguments) {
  if (!subject.truth()) return generator_of({});
  CAIRN_ASSIGN_OR_RETURN(const Items items, iterate(budget, subject));
  const std::string* name = arguments.positional.empty() ? nullptr : arguments.positional[0].text();
  if (!arguments.positional.empty() && name == nullptr)
    return invalid_data("select needs the name of a test");
  const Arguments rest = name == nullptr ? Arguments{} : tail(arguments, 1);
  Items kept;
  for (const Value& item : items) {
    bool matches = item.truth();
    if (name != nullptr) {
      CAIRN_ASSIGN_OR_RETURN(matches, apply_test(budget, *name, item, rest));
    }
    if (matches == (keep == Keep::kMatching)) kept.push_back(item);
  }
  return generator_of(std::move(kept));
}

template <Keep keep>
Result<Value> select_by_attribute(Budget& budget, const Value& subject, const Arguments& arguments) {
  if (!subject.truth()) return generator_of({});
  CAIRN_ASSIGN_OR_RETURN(const Items items, iterate(budget, subject));
  const std::string* path = arguments.positional.empty() ? nullptr : arguments.positional[0].text();
  if (path == nullptr) return invalid_data("selectattr and rejectattr need the name of an attribute");
  const std::string* name = arguments.positional.size() < 2 ? nullptr : arguments.positional[1].text();
  if (arguments.positional.size() >= 2 && name == nullptr)
    return invalid_data("selectattr needs the name of a test");
  const Arguments rest = name == nullptr ? Arguments{} : tail(arguments, 2);
  Items kept;
  for (const Value& item : items) {
    CAIRN_ASSIGN_OR_RETURN(const Value attribute, get_path(budget, item, *path));
    bool matches = attribute.truth();
    if (name != nullptr) {
      CAIRN_ASSIGN_OR_RETURN(matches, apply_test(budget, *name, attribute, rest));
    }
    if (matches == (keep == Keep::kMatching)) kept.push_back(item);
  }
  return generator_of(std::move(kept));
}

constexpr int64_t kListsMax = 100000;  // as range()

// Lists of `count` items each; the last one is filled up where there is something to fill it with.
Result<Value> batch(Budget& budget, const Value& subject, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::bind("the filter 'batch'", arguments, {"linecount", "fill_with"}, 1));
  CAIRN_ASSIGN_OR_RETURN(const int64_t count, bound.integer(0, 0));
  CAIRN_ASSIGN_OR_RETURN(const Items items, iterate(budget, subject));
  if (count < 1 || count > kListsMax)
    return invalid_data("the filter 'batch' needs a count from 1 to 100000");
  Items lists;
  for (std::size_t at = 0; at < items.size();) {
    const std::size_t end = at + std::min(static_cast<std::size_t>(count), items.size() - at);
    Items part(items.begin() + static_cast<std::ptrdiff_t>(at),
               items.begin() + static_cast<std::ptrdiff_t>(end));
    if (bound.has(1)) {
      CAIRN_RETURN_IF_ERROR(budget.allocate(static_cast<uint64_t>(count) * sizeof(Value)));
      part.resize(static_cast<std::size_t>(count), bound[1]);
    }
    CAIRN_ASSIGN_OR_RETURN(Value list, list_of(std::move(part)));
    lists.push_back(std::move(list));
    at = end;
  }
  return generator_of(std::move(lists));
}

// So many lists, the first ones longer by one where it does not divide.
Result<Value> slice(Budget& budget, const Value& subject, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(const Bound bound,
                         Bound::bind("the filter 'slice'", arguments, {"slices", "fill_with"}, 1));
  CAIRN_ASSIGN_OR_RETURN(const int64_t count, bound.integer(0, 0));
  CAIRN_ASSIGN_OR_RETURN(const Items items, iterate(budget, subject));
  if (count < 1 || count > kListsMax)
    return invalid_data("the filter 'slice' needs a count from 1 to 100000");
  CAIRN_RETURN_IF_ERROR(budget.allocate(static_cast<uint64_t>(count) * 2 * sizeof(Value)));
  const std::size_t each = items.size() / static_cast<std::size_t>(count);
  const std::size_t longer = items.size() % static_cast<std::size_t>(count);
  Items lists;
  auto from = items.begin();
  for (std::size_t i = 0; i < static_cast<std::size_t>(count); ++i) {
    const auto to = from + static_cast<std::ptrdiff_t>(each + (i < longer ? 1 : 0));
    Items part(from, to);
    if (bound.has(1) && longer > 0 && i >= longer) part.push_back(bound[1]);
    CAIRN_ASSIGN_OR_RETURN(Value list, list_of(std::move(part)));
    lists.push_back(std::move(list));
    from = to;
  }
  return generator_of(std::move(lists));
}

constexpr NamedFilter kFilters[] = {
    {"batch", batch},
    {"count", length_of},
    {"d", default_value},
    {"default", default_value},
    {"first", first},
    {"items", items_of},
    {"join", join},
    {"last", last},
    {"length", length_of},
    {"list", to_list},
    {"map", map},
    {"reject", select<Keep::kOthers>},
    {"rejectattr", select_by_attribute<Keep::kOthers>},
    {"reverse", reverse},
    {"select", select<Keep::kMatching>},
    {"selectattr", select_by_attribute<Keep::kMatching>},
    {"slice", slice},
    {"unique", unique},
};

}  // namespace

Filter find_sequence_filter(std::string_view name) {
  const auto at = std::find_if(std::begin(kFilters), std::end(kFilters),
                               [&](const NamedFilter& filter) { return filter.name == name; });
  return at == std::end(kFilters) ? nullptr : at->apply;
}

}  // namespace cairn::jinja
