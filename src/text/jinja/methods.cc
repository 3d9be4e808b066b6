#include "text/jinja/methods.h"

#include <algorithm>

#include "text/jinja/operators.h"
#include "text/jinja/subscript.h"

namespace cairn::jinja {

namespace {

constexpr std::string_view kStringMethods[] = {
    "strip",   "lstrip",  "rstrip",     "split",        "rsplit",       "startswith", "endswith", "upper",
    "lower",   "title",   "capitalize", "replace",      "find",         "rfind",      "count",    "join",
    "isdigit", "isspace", "splitlines", "removeprefix", "removesuffix", "index",      "isupper",  "islower",
    "zfill",   "center",  "ljust",      "rjust",        "partition",    "rpartition", "rindex",   "format"};
// Python has these, and a template that asks for one is refused.
constexpr std::string_view kUnsupportedStringMethods[] = {
    "casefold", "encode",      "expandtabs", "format_map", "isalnum",
    "isalpha",  "isascii",     "isdecimal",  "isnumeric",  "isidentifier",
    "istitle",  "isprintable", "maketrans",  "swapcase",   "translate"};
constexpr std::string_view kDictMethods[] = {"items", "keys", "values", "get", "copy", "fromkeys"};
constexpr std::string_view kListMethods[] = {"index", "count"};
// Python has these, but a template may not change its input.
constexpr std::string_view kChangingMethods[] = {"append",     "extend", "insert", "pop",
                                                 "remove",     "clear",  "sort",   "reverse",
                                                 "setdefault", "update", "popitem"};

template <std::size_t N>
bool lists(const std::string_view (&names)[N], std::string_view name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

Result<Value> dict_view(Budget& budget, const Dict& dict, std::string_view name) {
  CAIRN_RETURN_IF_ERROR(budget.allocate(dict.entries.size() * 4 * sizeof(Value)));
  Items items;
  for (const auto& [key, value] : dict.entries) {
    if (name == "items") {
      CAIRN_ASSIGN_OR_RETURN(Value pair, Value::sequence(SequenceKind::kTuple, {key, value}));
      items.push_back(std::move(pair));
    } else {
      items.push_back(name == "keys" ? key : value);
    }
  }
  return Value::sequence(SequenceKind::kView, std::move(items), "dict_" + std::string(name));
}

Result<Value> call_dict_method(Budget& budget, const Dict& self, std::string_view name,
                               const Arguments& arguments) {
  if (name == "copy" || name == "fromkeys") {
    return unsupported("the method '" + std::string(name) + "' of a dict is not supported");
  }
  if (name != "get") {
    CAIRN_RETURN_IF_ERROR(Bound::bind(std::string(name) + "()", arguments, {}).status());
    return dict_view(budget, self, name);
  }
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind("get()", arguments, {"key", "default"}, 1));
  CAIRN_RETURN_IF_ERROR(budget.spend(bound[0].weight()));
  if (const Value* found = self.find(bound[0])) return *found;
  const bool has_default = arguments.positional.size() + arguments.named.size() == 2;
  return has_default ? bound[1] : Value::none();
}

Result<Value> call_list_method(Budget& budget, const Sequence& self, std::string_view name,
                               const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind(std::string(name) + "()", arguments, {"value"}, 1));
  CAIRN_RETURN_IF_ERROR(budget.spend(self.weight + self.items.size() * bound[0].weight()));
  const auto matches = [&](const Value& item) { return equal(item, bound[0]); };
  if (name == "count") {
    return Value::integer(std::count_if(self.items.begin(), self.items.end(), matches));
  }
  const auto at = std::find_if(self.items.begin(), self.items.end(), matches);
  if (at == self.items.end()) return invalid_data("index() does not find the value in the list");
  return Value::integer(at - self.items.begin());
}

Result<Value> call_loop_method(LoopState& loop, std::string_view name, const Arguments& arguments) {
  if (!arguments.named.empty())
    return invalid_data("loop." + std::string(name) + "() takes no named arguments");
  if (name == "cycle") {
    if (arguments.positional.empty()) return invalid_data("loop.cycle() needs something to cycle through");
    return arguments.positional[loop.index % arguments.positional.size()];
  }
  const Items& now = arguments.positional;
  const bool same = loop.changed_before && std::equal(now.begin(), now.end(), loop.last_changed.begin(),
                                                      loop.last_changed.end(), equal);
  for (const Value& value : now) {  // what a loop holds must not hold a loop
    if (!value.is_plain()) return invalid_data("loop.changed() compares plain data only");
  }
  loop.changed_before = true;
  loop.last_changed = now;
  return Value::boolean(!same);
}

}  // namespace

bool has_method(const Value& self, std::string_view name) {
  if (self.is_string()) return lists(kStringMethods, name) || lists(kUnsupportedStringMethods, name);
  if (self.as_dict() != nullptr) return lists(kDictMethods, name) || lists(kChangingMethods, name);
  const Sequence* sequence = self.as_sequence();
  if (sequence == nullptr || sequence->kind == SequenceKind::kGenerator ||
      sequence->kind == SequenceKind::kView) {
    return false;
  }
  return lists(kListMethods, name) ||
         (sequence->kind == SequenceKind::kList && lists(kChangingMethods, name));
}

Result<Value> call_method(Budget& budget, const Value& self, std::string_view name,
                          const Arguments& arguments) {
  if (self.is_string() && lists(kUnsupportedStringMethods, name)) {
    return unsupported("the method '" + std::string(name) + "' of a string is not supported");
  }
  if (self.is_string()) return call_string_method(budget, *self.text(), name, arguments);
  if (LoopState* loop = self.as_loop()) return call_loop_method(*loop, name, arguments);
  if (lists(kChangingMethods, name)) {
    return invalid_data("." + std::string(name) +
                        "() would change a list or dict, which a chat template may not do");
  }
  if (const Dict* dict = self.as_dict()) return call_dict_method(budget, *dict, name, arguments);
  return call_list_method(budget, *self.as_sequence(), name, arguments);
}

}  // namespace cairn::jinja
