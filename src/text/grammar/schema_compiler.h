// SchemaCompiler: from a JSON Schema to the part of a graph that reads the values it allows. docs/constrained.md lists what
// is supported, and how what is not is treated.
//
// Always true: every text that the graph reads is JSON that fits the schema (but `oneOf` is read as `anyOf`, and beside
// `enum` and `const` only keywords that bound a value are looked at); not every such text is read. Bounded by limits.h.
// compile.cc calls it, once for each schema of a reply.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cairn/status.h"
#include "text/grammar/graph.h"
#include "text/grammar/json_text.h"
#include "text/grammar/number_range.h"

namespace cairn::grammar {

// What all schemas of one guide add to, and how much work they made.
struct CompileState {
  Graph graph;
  JsonText text{graph};
  size_t schemas = 0;  // read
  size_t copied = 0;   // values, while merging
};

class SchemaCompiler {
 public:
  // `root` is what $ref points into; it outlives the compiler.
  SchemaCompiler(CompileState& state, const boost::json::value& root)
      : state_(state), graph_(state.graph), text_(state.text), root_(root) {}

  // A value of `schema` (the root, or made of it) from one state to another of the current rule.
  Status add(const boost::json::value& schema, State from, State to);
  // The same of those values that are objects; kInvalidArgument: there are none.
  Status add_object_of(const boost::json::value& schema, State from, State to);

 private:
  using Value = boost::json::value;
  using Object = boost::json::object;
  struct Pending {
    const Value* schema = nullptr;
    Rule rule = 0;
    std::string path;
  };
  struct Place {  // where in the schema we are, for messages and limits
    std::string path;
    int nesting = 0;
    [[nodiscard]] Place in(std::string_view part) const {
      return {path + "/" + std::string(part), nesting + 1};
    }
  };
  struct ItemCounts {
    int64_t least = 0;
    std::optional<int64_t> most;
    int64_t counted = 0;  // those with a state of their own; without a most, the last comes again and again
  };
  struct ValueLimits {  // of values that are listed
    NumberRange number;
    std::optional<int64_t> length_least, length_most, items_least, items_most;
  };
  struct Property {
    std::string name;
    const Value* schema = nullptr;  // null: any value
    bool is_required = false;
  };

  // schema_compiler.cc
  Status add_schema(const Value& schema, const Place& place, State from, State to);
  Status add_object_schema(const Object& schema, const Place& place, State from, State to);
  Status add_reference(const Object& schema, const Place& place, State from, State to);
  Status add_all_of(const Object& schema, const Place& place, State from, State to);
  Status add_branches(const Object& schema, std::string_view keyword, const Place& place, State from,
                      State to);
  Status add_types(const Object& schema, const Place& place, State from, State to);
  Status add_type(std::string_view type, const Object& schema, const Place& place, State from, State to);
  Result<const Value*> resolve(std::string_view reference, const Place& place) const;
  Result<Object> merged(const Object& first, const Value& second, const Place& place);
  Status check_keywords(const Object& schema, const Place& place) const;
  Status check_size(const Place& place) const;

  // schema_fixed.cc
  Status add_fixed(const Object& schema, const Place& place, State from, State to);
  Result<ValueLimits> value_limits_of(const Object& schema, const Place& place) const;
  static bool fits(const Value& value, const Object& schema, const ValueLimits& limits);

  // schema_values.cc
  Status add_string(const Object& schema, const Place& place, State from, State to);
  Status add_number(std::string_view type, const Object& schema, const Place& place, State from, State to);
  Status add_array(const Object& schema, const Place& place, State from, State to);
  Result<ItemCounts> item_counts_of(const Object& schema, int64_t named, const Value* items,
                                    const Place& place) const;
  Status add_item(const Value* schema, const Place& place, State from, State to);
  Status add_object(const Object& schema, const Place& place, State from, State to);
  Result<std::vector<Property>> properties_of(const Object& schema, const Value* additional,
                                              const Place& place) const;
  Status add_fields(const std::vector<Property>& properties, const Value* additional, const Place& place,
                    State from, State to);
  void add_free_key(const std::vector<Property>& named, State from, State to);
  Result<std::optional<int64_t>> count_of(const Object& schema, std::string_view keyword,
                                          const Place& place) const;
  Result<std::optional<Bound>> bound_of(const Object& schema, std::string_view keyword,
                                        std::string_view exclusive, const Place& place) const;

  static Status at(const Place& place, const Status& status);
  static Status refuse(const Place& place, std::string message);

  CompileState& state_;
  Graph& graph_;
  JsonText& text_;
  const Value& root_;
  std::map<std::string, Rule, std::less<>> references_;  // by what $ref says
  std::vector<Pending> pending_;
};

}  // namespace cairn::grammar
