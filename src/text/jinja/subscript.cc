#include "text/jinja/subscript.h"

#include <algorithm>

#include "text/jinja/methods.h"
#include "text/jinja/operators.h"
#include "text/jinja/text.h"

namespace cairn::jinja {

namespace {

Value method(const Value& self, std::string_view name) {
  auto made = std::make_shared<Callable>();
  made->kind = Callable::Kind::kMethod;
  made->name = name;
  made->self = self;
  return Value(Value::Data(std::shared_ptr<const Callable>(std::move(made))));
}

Value missing(const Value& subject, std::string_view what) {
  return Value::undefined(std::string("a value of type ") + subject.type_name() + " has no '" +
                          std::string(what) + "'");
}

Result<Value> loop_attribute(const Value& subject, std::string_view name) {
  const LoopState& loop = *subject.as_loop();
  const auto index = static_cast<int64_t>(loop.index);
  const auto count = static_cast<int64_t>(loop.items.size());
  if (name == "index") return Value::integer(index + 1);
  if (name == "index0") return Value::integer(index);
  if (name == "revindex") return Value::integer(count - index);
  if (name == "revindex0") return Value::integer(count - index - 1);
  if (name == "first") return Value::boolean(index == 0);
  if (name == "last") return Value::boolean(index + 1 == count);
  if (name == "length") return Value::integer(count);
  if (name == "depth") return Value::integer(loop.depth);
  if (name == "depth0") return Value::integer(loop.depth - 1);
  if (name == "previtem") {
    return index == 0 ? Value::undefined("there is no previous item") : loop.items[loop.index - 1];
  }
  if (name == "nextitem") {
    return index + 1 == count ? Value::undefined("there is no next item") : loop.items[loop.index + 1];
  }
  if (name == "cycle" || name == "changed") return method(subject, name);
  return missing(subject, name);
}

// Python's reading of a slice's bounds.
struct Slice {
  int64_t start = 0;
  int64_t step = 1;
  int64_t count = 0;
};

Result<Slice> resolve(int64_t size, const Value& start, const Value& stop, const Value& step) {
  Slice slice;
  const auto read = [](const Value& value, int64_t fallback, int64_t* out) -> Status {
    *out = fallback;
    if (value.is_none() || value.as_integer(out)) return {};
    CAIRN_RETURN_IF_ERROR(check_defined(value));
    return invalid_data(std::string("a slice needs integers, not a value of type ") + value.type_name());
  };
  CAIRN_RETURN_IF_ERROR(read(step, 1, &slice.step));
  if (slice.step == 0) return invalid_data("the step of a slice cannot be zero");
  const bool forward = slice.step > 0;
  const int64_t low = forward ? 0 : -1;
  const int64_t high = forward ? size : size - 1;
  const auto clamp = [&](int64_t at) {
    if (at < 0) at = at < -size ? -1 : at + size;
    return at < low ? low : at > high ? high : at;
  };
  int64_t from = 0;
  int64_t to = 0;
  CAIRN_RETURN_IF_ERROR(read(start, 0, &from));
  CAIRN_RETURN_IF_ERROR(read(stop, 0, &to));
  from = start.is_none() ? (forward ? low : high) : clamp(from);
  to = stop.is_none() ? (forward ? high : low) : clamp(to);
  slice.start = from;
  const int64_t distance = forward ? to - from : from - to;
  if (distance <= 0) return slice;
  const uint64_t stride = forward ? static_cast<uint64_t>(slice.step) : 0 - static_cast<uint64_t>(slice.step);
  slice.count = static_cast<int64_t>((static_cast<uint64_t>(distance) - 1) / stride) + 1;
  return slice;
}

}  // namespace

Result<Value> get_attribute(const Value& subject, std::string_view name) {
  CAIRN_RETURN_IF_ERROR(check_defined(subject));
  if (subject.as_loop() != nullptr) return loop_attribute(subject, name);
  if (has_method(subject, name)) return method(subject, name);
  const Value* found = nullptr;
  if (const Dict* dict = subject.as_dict()) found = dict->find(name);
  if (const Namespace* names = subject.as_namespace()) found = names->find(name);
  if (found != nullptr) return *found;
  if (const Callable* callable = subject.as_callable(); callable != nullptr && name == "name") {
    return Value::string(callable->name);
  }
  return missing(subject, name);
}

Result<Value> get_item(Budget& budget, const Value& subject, const Value& key) {
  CAIRN_RETURN_IF_ERROR(check_defined(subject));
  if (const Dict* dict = subject.as_dict()) {
    CAIRN_RETURN_IF_ERROR(budget.spend(key.weight()));
    if (const Value* found = dict->find(key)) return *found;
  }
  if (const std::string* name = key.text()) return get_attribute(subject, *name);
  int64_t index = 0;
  if (key.as_integer(&index)) {
    const std::string spelling = std::to_string(index);
    if (const Sequence* sequence = subject.as_sequence()) {
      const auto size = static_cast<int64_t>(sequence->items.size());
      const bool indexable =
          sequence->kind != SequenceKind::kGenerator && sequence->kind != SequenceKind::kView;
      if (index < 0) index = index < -size ? -1 : index + size;
      if (!indexable || index < 0 || index >= size) return missing(subject, spelling);
      return sequence->items[static_cast<std::size_t>(index)];
    }
    if (const std::string* text = subject.text()) {
      CAIRN_RETURN_IF_ERROR(budget.allocate(text->size() * sizeof(std::string_view)));
      const auto characters = characters_of(*text);
      const auto size = static_cast<int64_t>(characters.size());
      if (index < 0) index = index < -size ? -1 : index + size;
      if (index < 0 || index >= size) return missing(subject, spelling);
      return Value::string(std::string(characters[static_cast<std::size_t>(index)]));
    }
    return missing(subject, spelling);
  }
  return missing(subject, key.type_name());
}

Result<Value> get_path(Budget& budget, Value value, const std::string& path) {
  for (std::size_t from = 0; from <= path.size();) {
    const std::size_t dot = std::min(path.find('.', from), path.size());
    const std::string part = path.substr(from, dot - from);
    from = dot + 1;
    CAIRN_RETURN_IF_ERROR(budget.spend(1));
    const bool is_index =
        !part.empty() && part.size() < 10 && part.find_first_not_of("0123456789") == std::string::npos;
    CAIRN_ASSIGN_OR_RETURN(
        value, get_item(budget, value, is_index ? Value::integer(std::stoll(part)) : Value::string(part)));
  }
  return value;
}

Result<Value> get_slice(Budget& budget, const Value& subject, const Value& start, const Value& stop,
                        const Value& step) {
  CAIRN_RETURN_IF_ERROR(check_defined(subject));
  if (const std::string* text = subject.text()) {
    CAIRN_RETURN_IF_ERROR(budget.allocate(text->size() * sizeof(std::string_view)));
    const auto characters = characters_of(*text);
    CAIRN_ASSIGN_OR_RETURN(const Slice slice,
                           resolve(static_cast<int64_t>(characters.size()), start, stop, step));
    std::string out;
    int64_t at = slice.start;
    for (int64_t i = 0; i < slice.count; ++i) {
      if (i > 0) at += slice.step;
      out += characters[static_cast<std::size_t>(at)];
    }
    return Value::string(std::move(out));
  }
  const Sequence* sequence = subject.as_sequence();
  if (sequence == nullptr || sequence->kind == SequenceKind::kGenerator ||
      sequence->kind == SequenceKind::kView) {
    return invalid_data(std::string("a value of type ") + subject.type_name() + " cannot be sliced");
  }
  CAIRN_RETURN_IF_ERROR(budget.allocate(sequence->items.size() * sizeof(Value)));
  CAIRN_ASSIGN_OR_RETURN(const Slice slice,
                         resolve(static_cast<int64_t>(sequence->items.size()), start, stop, step));
  Items items;
  int64_t at = slice.start;
  for (int64_t i = 0; i < slice.count; ++i) {
    if (i > 0) at += slice.step;
    items.push_back(sequence->items[static_cast<std::size_t>(at)]);
  }
  const bool is_tuple = sequence->kind == SequenceKind::kTuple;
  return Value::sequence(is_tuple ? SequenceKind::kTuple : SequenceKind::kList, std::move(items));
}

bool is_iterable(const Value& value) {
  return value.is_undefined() || value.is_string() || value.as_sequence() != nullptr ||
         value.as_dict() != nullptr;
}

Result<Items> iterate(Budget& budget, const Value& value) {
  Items items;
  if (value.is_undefined()) return items;
  if (const std::string* text = value.text()) {
    CAIRN_RETURN_IF_ERROR(budget.allocate(text->size() * (sizeof(Value) + sizeof(std::string) + 32)));
    for (const std::string_view character : characters_of(*text)) {
      items.push_back(Value::string(std::string(character)));
    }
    return items;
  }
  if (const Sequence* sequence = value.as_sequence()) {
    if (sequence->consumed) return items;
    if (sequence->kind == SequenceKind::kGenerator) sequence->consumed = true;
    CAIRN_RETURN_IF_ERROR(budget.allocate(sequence->items.size() * sizeof(Value)));
    return sequence->items;
  }
  if (const Dict* dict = value.as_dict()) {
    CAIRN_RETURN_IF_ERROR(budget.allocate(dict->entries.size() * sizeof(Value)));
    for (const auto& [key, unused] : dict->entries) items.push_back(key);
    return items;
  }
  return invalid_data(std::string("a value of type ") + value.type_name() + " cannot be iterated");
}

Result<int64_t> length(Budget& budget, const Value& value) {
  if (value.is_undefined()) return int64_t{0};
  if (const std::string* text = value.text()) {
    CAIRN_RETURN_IF_ERROR(budget.spend(value.weight()));
    return static_cast<int64_t>(count_characters(*text));
  }
  const Sequence* sequence = value.as_sequence();
  if (sequence != nullptr && sequence->kind != SequenceKind::kGenerator) {
    return static_cast<int64_t>(sequence->items.size());
  }
  if (const Dict* dict = value.as_dict()) return static_cast<int64_t>(dict->entries.size());
  if (const LoopState* loop = value.as_loop()) return static_cast<int64_t>(loop->items.size());
  return invalid_data(std::string("a value of type ") + value.type_name() + " has no length");
}

}  // namespace cairn::jinja
