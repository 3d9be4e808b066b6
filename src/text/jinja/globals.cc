#include "text/jinja/globals.h"

#include <algorithm>
#include <cstdlib>

#include "text/jinja/operators.h"

namespace cairn::jinja {

namespace {

constexpr std::string_view kNames[] = {"range", "namespace", "dict", "raise_exception"};

Result<Value> range(Budget& budget, const Arguments& arguments) {
  constexpr uint64_t kMaxItems = 100000;  // the limit of Jinja's own sandbox
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind("range()", arguments, {"start", "stop", "step"}, 1));
  CAIRN_ASSIGN_OR_RETURN(int64_t start, bound.integer(0, 0));
  CAIRN_ASSIGN_OR_RETURN(int64_t stop, bound.integer(1, 0));
  CAIRN_ASSIGN_OR_RETURN(const int64_t step, bound.integer(2, 1));
  CAIRN_RETURN_IF_ERROR(check_defined(bound[0]));
  if (arguments.positional.size() == 1) {
    stop = start;
    start = 0;
  }
  if (step == 0) return invalid_data("range() cannot have a step of zero");
  const bool runs = step > 0 ? start < stop : start > stop;
  const uint64_t distance = step > 0 ? static_cast<uint64_t>(stop) - static_cast<uint64_t>(start)
                                     : static_cast<uint64_t>(start) - static_cast<uint64_t>(stop);
  const uint64_t stride = step > 0 ? static_cast<uint64_t>(step) : 0 - static_cast<uint64_t>(step);
  const uint64_t count = runs ? (distance - 1) / stride + 1 : 0;
  if (count > kMaxItems) return resource_exhausted("range() has more than 100000 numbers");
  CAIRN_RETURN_IF_ERROR(budget.allocate(count * sizeof(Value)));
  Items items;
  for (uint64_t i = 0; i < count; ++i) {
    items.push_back(
        Value::integer(static_cast<int64_t>(static_cast<uint64_t>(start) + i * static_cast<uint64_t>(step))));
  }
  std::string name = "range(" + std::to_string(start) + ", " + std::to_string(stop);
  if (step != 1) name += ", " + std::to_string(step);
  return Value::sequence(SequenceKind::kRange, std::move(items), name + ")");
}

// dict(...) and namespace(...): a dict, then named entries.
Result<std::vector<std::pair<Value, Value>>> entries_of(Budget& budget, std::string_view name,
                                                        const Arguments& arguments) {
  std::vector<std::pair<Value, Value>> entries;
  if (arguments.positional.size() > 1)
    return invalid_data(std::string(name) + "() takes one dict and named values");
  if (arguments.positional.size() == 1) {
    const Dict* dict = arguments.positional[0].as_dict();
    if (dict == nullptr) return unsupported(std::string(name) + "() takes a dict and named values only");
    CAIRN_RETURN_IF_ERROR(budget.allocate(dict->entries.size() * 4 * sizeof(Value)));
    entries = dict->entries;
  }
  for (const auto& [key, value] : arguments.named) entries.emplace_back(Value::string(key), value);
  return entries;
}

Result<Value> make_namespace(Budget& budget, const Arguments& arguments) {
  CAIRN_ASSIGN_OR_RETURN(auto entries, entries_of(budget, "namespace", arguments));
  auto made = std::make_shared<Namespace>();
  for (auto& [key, value] : entries) {
    if (!key.is_string()) return invalid_data("the names in a namespace are strings");
    CAIRN_RETURN_IF_ERROR(made->set(*key.text(), std::move(value)));
  }
  return Value(Value::Data(std::move(made)));
}

}  // namespace

bool is_unsupported_global(std::string_view name) {
  static constexpr std::string_view kUnsupported[] = {"cycler", "joiner", "lipsum", "self", "super"};
  return std::find(std::begin(kUnsupported), std::end(kUnsupported), name) != std::end(kUnsupported);
}

Value find_global(std::string_view name, const std::optional<CivilTime>& now) {
  const bool known = std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames) ||
                     (name == "strftime_now" && now.has_value());
  if (!known) return Value::undefined("'" + std::string(name) + "' is undefined");
  auto made = std::make_shared<Callable>();
  made->kind = Callable::Kind::kGlobal;
  made->name = name;
  return Value(Value::Data(std::shared_ptr<const Callable>(std::move(made))));
}

Result<Value> call_global(Budget& budget, std::string_view name, const Arguments& arguments,
                          const std::optional<CivilTime>& now) {
  if (name == "range") return range(budget, arguments);
  if (name == "namespace") return make_namespace(budget, arguments);
  if (name == "dict") {
    CAIRN_ASSIGN_OR_RETURN(auto entries, entries_of(budget, name, arguments));
    return Value::dict(std::move(entries));
  }
  if (name == "raise_exception") {
    CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind("raise_exception()", arguments, {"message"}, 1));
    CAIRN_ASSIGN_OR_RETURN(const std::string message, bound.text(0, ""));
    return invalid_argument("the chat template refuses this conversation: " + message);
  }
  CAIRN_ASSIGN_OR_RETURN(const Bound bound, Bound::bind("strftime_now()", arguments, {"format"}, 1));
  CAIRN_ASSIGN_OR_RETURN(const std::string format, bound.text(0, ""));
  CAIRN_RETURN_IF_ERROR(budget.allocate(format.size() * 8));
  CAIRN_ASSIGN_OR_RETURN(std::string text, format_time(now.value_or(CivilTime{}), format));
  return Value::string(std::move(text));
}

}  // namespace cairn::jinja
