#include "text/jinja/value.h"

#include <algorithm>
#include <cmath>

namespace cairn::jinja {

namespace {

Status check_plain(const Value& item, int* depth, uint64_t* weight) {
  if (!item.is_plain()) {
    return invalid_data(std::string("only plain data can be stored in a list, dict or namespace, not a ") +
                        item.type_name());
  }
  *depth = std::max(*depth, item.depth() + 1);
  if (*depth > Value::kMaxDepth) {
    return resource_exhausted("lists and dicts are nested more than " + std::to_string(Value::kMaxDepth) +
                              " deep");
  }
  *weight += std::min<uint64_t>(item.weight(), UINT64_MAX / 2 - *weight);
  return {};
}

std::string text_key(std::string_view text) {
  std::string key = "s";
  key += text;
  return key;
}

}  // namespace

Value Value::undefined(std::string why) {
  return Value(Data(Undefined{std::make_shared<const std::string>(std::move(why))}));
}

Value Value::string(std::string s) { return Value(Data(std::make_shared<const std::string>(std::move(s)))); }

Result<Value> Value::sequence(SequenceKind kind, Items items, std::string name) {
  auto made = std::make_shared<Sequence>();
  made->kind = kind;
  made->name = std::move(name);
  for (const Value& item : items) {
    CAIRN_RETURN_IF_ERROR(check_plain(item, &made->depth, &made->weight));
  }
  made->items = std::move(items);
  return Value(Data(std::shared_ptr<const Sequence>(std::move(made))));
}

Result<Value> Value::dict(std::vector<std::pair<Value, Value>> entries) {
  auto made = std::make_shared<Dict>();
  for (auto& [key, value] : entries) {
    CAIRN_RETURN_IF_ERROR(check_plain(key, &made->depth, &made->weight));
    CAIRN_RETURN_IF_ERROR(check_plain(value, &made->depth, &made->weight));
    CAIRN_ASSIGN_OR_RETURN(std::string id, key_of(key));
    const auto [at, is_new] = made->index.try_emplace(std::move(id), made->entries.size());
    if (is_new) {
      made->entries.emplace_back(std::move(key), std::move(value));
    } else {
      made->entries[at->second].second = std::move(value);  // the first key keeps its place
    }
  }
  return Value(Data(std::shared_ptr<const Dict>(std::move(made))));
}

bool Value::is_plain() const {
  return as_namespace() == nullptr && as_loop() == nullptr && as_callable() == nullptr;
}

const std::string* Value::text() const {
  const auto* s = get_if<StringPtr>();
  return s == nullptr ? nullptr : s->get();
}

const Sequence* Value::as_sequence() const {
  const auto* s = get_if<std::shared_ptr<const Sequence>>();
  return s == nullptr ? nullptr : s->get();
}

const Dict* Value::as_dict() const {
  const auto* d = get_if<std::shared_ptr<const Dict>>();
  return d == nullptr ? nullptr : d->get();
}

Namespace* Value::as_namespace() const {
  const auto* n = get_if<std::shared_ptr<Namespace>>();
  return n == nullptr ? nullptr : n->get();
}

LoopState* Value::as_loop() const {
  const auto* l = get_if<std::shared_ptr<LoopState>>();
  return l == nullptr ? nullptr : l->get();
}

const Callable* Value::as_callable() const {
  const auto* c = get_if<std::shared_ptr<const Callable>>();
  return c == nullptr ? nullptr : c->get();
}

bool Value::as_integer(int64_t* out) const {
  if (const auto* i = get_if<int64_t>()) {
    *out = *i;
    return true;
  }
  if (const auto* b = get_if<bool>()) {
    *out = *b ? 1 : 0;
    return true;
  }
  return false;
}

bool Value::as_number(double* out) const {
  if (const auto* d = get_if<double>()) {
    *out = *d;
    return true;
  }
  int64_t i = 0;
  if (!as_integer(&i)) return false;
  *out = static_cast<double>(i);
  return true;
}

bool Value::truth() const {
  if (is_undefined() || is_none()) return false;
  if (const std::string* s = text()) return !s->empty();
  if (const Sequence* s = as_sequence()) return s->kind == SequenceKind::kGenerator || !s->items.empty();
  if (const Dict* d = as_dict()) return !d->entries.empty();
  double number = 1;
  if (as_number(&number)) return number != 0;
  return true;
}

const char* Value::type_name() const {
  if (is_undefined()) return "undefined";
  if (is_none()) return "None";
  if (is_bool()) return "bool";
  if (is_float()) return "float";
  if (is_string()) return "str";
  if (get_if<int64_t>() != nullptr) return "int";
  if (as_dict() != nullptr) return "dict";
  if (as_namespace() != nullptr) return "namespace";
  if (as_loop() != nullptr) return "loop";
  if (as_callable() != nullptr) return "function";
  switch (as_sequence()->kind) {
    case SequenceKind::kList: return "list";
    case SequenceKind::kTuple: return "tuple";
    case SequenceKind::kRange: return "range";
    case SequenceKind::kView: return "dict view";
    case SequenceKind::kGenerator: return "generator";
  }
  return "value";
}

int Value::depth() const {
  if (const Sequence* s = as_sequence()) return s->depth;
  if (const Dict* d = as_dict()) return d->depth;
  return 0;
}

uint64_t Value::weight() const {
  if (const std::string* s = text()) return 1 + s->size() / 16;
  if (const Sequence* s = as_sequence()) return s->weight;
  if (const Dict* d = as_dict()) return d->weight;
  return 1;
}

const Value* Dict::find(const Value& key) const {
  const Result<std::string> id = key_of(key);
  if (!id.ok()) return nullptr;
  const auto at = index.find(*id);
  return at == index.end() ? nullptr : &entries[at->second].second;
}

const Value* Dict::find(std::string_view key) const {
  const auto at = index.find(text_key(key));
  return at == index.end() ? nullptr : &entries[at->second].second;
}

const Value* Namespace::find(std::string_view name) const {
  const auto at = index.find(std::string(name));
  return at == index.end() ? nullptr : &entries[at->second].second;
}

Status Namespace::set(std::string_view name, Value value) {
  int depth = 0;
  uint64_t weight = 0;
  CAIRN_RETURN_IF_ERROR(check_plain(value, &depth, &weight));
  const auto [at, is_new] = index.try_emplace(std::string(name), entries.size());
  if (is_new) {
    entries.emplace_back(Value::string(std::string(name)), std::move(value));
  } else {
    entries[at->second].second = std::move(value);
  }
  return {};
}

Result<std::string> key_of(const Value& value) {
  if (const std::string* s = value.text()) return text_key(*s);
  if (value.is_none()) return std::string("n");
  if (value.is_undefined()) return std::string("u");
  int64_t i = 0;
  if (value.as_integer(&i)) return "i" + std::to_string(i);
  double d = 0;
  if (value.as_number(&d)) {
    // A float that is a whole number is the same key as the int.
    if (d == std::floor(d) && std::abs(d) < 9e18) return "i" + std::to_string(static_cast<int64_t>(d));
    return "f" + std::string(reinterpret_cast<const char*>(&d), sizeof d);
  }
  const Sequence* s = value.as_sequence();
  if (s != nullptr && s->kind == SequenceKind::kTuple) {
    std::string key = "t";
    for (const Value& item : s->items) {
      CAIRN_ASSIGN_OR_RETURN(const std::string part, key_of(item));
      key += std::to_string(part.size()) + ":" + part;
    }
    return key;
  }
  return invalid_data(std::string("a ") + value.type_name() + " cannot be the key of a dict");
}

}  // namespace cairn::jinja
