// The values of a template: Python's plain data types, as far as chat templates use them.
//
// Always true: lists, tuples and dicts are immutable and hold plain data only (no macro, namespace or
// loop), so no cycle can form; their depth is bounded, so recursion over one is safe; and `weight()`,
// the cost of visiting all of one, is known without visiting it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "cairn/status.h"

namespace cairn::jinja {

struct Callable;
struct Dict;
struct LoopState;
struct Namespace;
struct Sequence;
class Value;

using Items = std::vector<Value>;
using StringPtr = std::shared_ptr<const std::string>;

enum class SequenceKind {
  kList,
  kTuple,
  kRange,
  kView,       // dict.items(), keys(), values(): has a length, no index
  kGenerator,  // what select, map and the like return: always true, no length, iterated once
};

class Value {
 public:
  static constexpr int kMaxDepth = 64;

  struct Undefined {
    StringPtr why;  // the message for when it is used as if it were defined
  };
  struct None {};
  using Data =
      std::variant<Undefined, None, bool, int64_t, double, StringPtr, std::shared_ptr<const Sequence>,
                   std::shared_ptr<const Dict>, std::shared_ptr<Namespace>, std::shared_ptr<LoopState>,
                   std::shared_ptr<const Callable>>;

  Value() = default;  // undefined
  explicit Value(Data data) : data_(std::move(data)) {}

  static Value undefined(std::string why);
  static Value none() { return Value(Data(None{})); }
  static Value boolean(bool b) { return Value(Data(b)); }
  static Value integer(int64_t i) { return Value(Data(i)); }
  static Value real(double d) { return Value(Data(d)); }
  static Value string(std::string s);
  // These fail if an item is not plain data or nested too deeply. `name` is how a range or view is printed.
  static Result<Value> sequence(SequenceKind kind, Items items, std::string name = {});
  static Result<Value> dict(std::vector<std::pair<Value, Value>> entries);

  template <typename T>
  [[nodiscard]] const T* get_if() const {
    return std::get_if<T>(&data_);
  }

  [[nodiscard]] bool is_undefined() const { return get_if<Undefined>() != nullptr; }
  [[nodiscard]] bool is_none() const { return get_if<None>() != nullptr; }
  [[nodiscard]] bool is_bool() const { return get_if<bool>() != nullptr; }
  [[nodiscard]] bool is_float() const { return get_if<double>() != nullptr; }
  [[nodiscard]] bool is_string() const { return get_if<StringPtr>() != nullptr; }
  [[nodiscard]] bool is_plain() const;

  [[nodiscard]] const std::string* text() const;      // of a string, else null
  [[nodiscard]] const Sequence* as_sequence() const;  // else null
  [[nodiscard]] const Dict* as_dict() const;
  [[nodiscard]] Namespace* as_namespace() const;
  [[nodiscard]] LoopState* as_loop() const;
  [[nodiscard]] const Callable* as_callable() const;
  // An int, or a bool as Python counts it.
  [[nodiscard]] bool as_integer(int64_t* out) const;
  [[nodiscard]] bool as_number(double* out) const;

  [[nodiscard]] bool truth() const;
  [[nodiscard]] const char* type_name() const;  // Python's word
  [[nodiscard]] int depth() const;
  [[nodiscard]] uint64_t weight() const;

 private:
  Data data_;
};

struct Sequence {
  SequenceKind kind = SequenceKind::kList;
  Items items;
  std::string name;
  int depth = 1;
  uint64_t weight = 1;
  mutable bool consumed = false;  // a generator that has been iterated
};

struct Dict {
  std::vector<std::pair<Value, Value>> entries;        // in order of insertion
  std::unordered_map<std::string, std::size_t> index;  // key_of(key) -> entry
  int depth = 1;
  uint64_t weight = 1;

  [[nodiscard]] const Value* find(const Value& key) const;
  [[nodiscard]] const Value* find(std::string_view key) const;
};

// The one thing that a template can change in place: `namespace(found=false)`, `set ns.found = true`.
struct Namespace {
  std::vector<std::pair<Value, Value>> entries;
  std::unordered_map<std::string, std::size_t> index;

  [[nodiscard]] const Value* find(std::string_view name) const;
  Status set(std::string_view name, Value value);
};

struct For;
struct Scope;

struct LoopState {
  Items items;
  const For* recursive = nullptr;  // of a recursive loop: in the syntax tree
  Scope* scope = nullptr;          // around a recursive loop; outlives every value that can name the loop
  int depth = 1;
  std::size_t index = 0;
  Items last_changed;
  bool changed_before = false;
};

struct Macro;

struct Callable {
  enum class Kind { kGlobal, kMethod, kMacro };
  Kind kind = Kind::kGlobal;
  std::string name;
  Value self;                    // of a method
  const Macro* macro = nullptr;  // of a macro: in the syntax tree, which outlives the values
  Scope* scope = nullptr;        // where the macro was defined; outlives every value that can name it
};

// Equal for two values if and only if they are the same key of a dict (1, 1.0 and True are). Fails for a
// value that cannot be a key.
Result<std::string> key_of(const Value& value);

}  // namespace cairn::jinja
