// SchemaCompiler's part for values that a schema lists: those of "enum" and "const" that fit what stands beside them.
#include <algorithm>
#include <boost/json/string.hpp>
#include <utility>

#include "text/grammar/limits.h"
#include "text/grammar/literals.h"
#include "text/grammar/schema_compiler.h"

namespace cairn::grammar {
namespace {

std::string_view view(const boost::json::string& text) { return {text.data(), text.size()}; }

bool has_type(const boost::json::value& value, std::string_view type) {
  if (type == "string") return value.is_string();
  if (type == "integer") {
    return value.is_int64() || value.is_uint64() ||
           (value.is_double() && Decimal::of(value).fraction.empty());
  }
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_bool();
  if (type == "null") return value.is_null();
  return type == "array" ? value.is_array() : type == "object" && value.is_object();
}

bool has_a_type_of(const boost::json::value& value, const boost::json::object& schema) {
  const boost::json::value* type = schema.if_contains("type");
  if (type == nullptr) return true;
  if (type->is_string()) return has_type(value, view(type->get_string()));
  return type->is_array() && std::ranges::any_of(type->get_array(), [&](const boost::json::value& one) {
           return one.is_string() && has_type(value, view(one.get_string()));
         });
}

bool is_within(const NumberRange& range, const boost::json::value& number) {
  const Decimal decimal = Decimal::of(number);
  const int over = range.low.has_value() ? decimal.compare(range.low->value) : 1;
  const int under = range.high.has_value() ? range.high->value.compare(decimal) : 1;
  return over >= 0 && !(over == 0 && range.low->is_excluded) && under >= 0 &&
         !(under == 0 && range.high->is_excluded);
}

bool is_between(int64_t count, const std::optional<int64_t>& least, const std::optional<int64_t>& most) {
  return count >= least.value_or(0) && (!most.has_value() || count <= *most);
}

int64_t character_count(std::string_view text) {
  return std::ranges::count_if(text, [](char byte) { return (static_cast<uint8_t>(byte) & 0xC0) != 0x80; });
}

bool has_required(const boost::json::object& value, const boost::json::value* required) {
  if (required == nullptr || !required->is_array()) return true;
  return std::ranges::all_of(required->get_array(), [&](const boost::json::value& name) {
    return !name.is_string() || value.contains(name.get_string());
  });
}

}  // namespace

Result<SchemaCompiler::ValueLimits> SchemaCompiler::value_limits_of(const Object& schema,
                                                                    const Place& place) const {
  ValueLimits limits;
  CAIRN_ASSIGN_OR_RETURN(limits.number.low, bound_of(schema, "minimum", "exclusiveMinimum", place));
  CAIRN_ASSIGN_OR_RETURN(limits.number.high, bound_of(schema, "maximum", "exclusiveMaximum", place));
  CAIRN_ASSIGN_OR_RETURN(limits.length_least, count_of(schema, "minLength", place));
  CAIRN_ASSIGN_OR_RETURN(limits.length_most, count_of(schema, "maxLength", place));
  CAIRN_ASSIGN_OR_RETURN(limits.items_least, count_of(schema, "minItems", place));
  CAIRN_ASSIGN_OR_RETURN(limits.items_most, count_of(schema, "maxItems", place));
  return limits;
}

bool SchemaCompiler::fits(const Value& value, const Object& schema, const ValueLimits& limits) {
  if (!has_a_type_of(value, schema)) return false;
  if (value.is_number()) {
    const bool is_multiple = !schema.contains("multipleOf") || has_type(value, "integer");
    return is_multiple && is_within(limits.number, value);
  }
  if (const auto* text = value.if_string())
    return is_between(character_count(view(*text)), limits.length_least, limits.length_most);
  if (const auto* items = value.if_array())
    return is_between(static_cast<int64_t>(items->size()), limits.items_least, limits.items_most);
  return !value.is_object() || has_required(value.get_object(), schema.if_contains("required"));
}

Status SchemaCompiler::add_fixed(const Object& schema, const Place& place, State from, State to) {
  boost::json::array values;
  if (const Value* one = schema.if_contains("const")) {
    values.push_back(*one);
  } else if (const auto* list = schema.at("enum").if_array()) {
    values = *list;
  } else {
    return refuse(place, "\"enum\" must be a list");
  }
  if (values.size() > kEnumMax) {
    return refuse(place, "\"enum\" has more than " + std::to_string(kEnumMax) + " values");
  }
  const Value* multiple = schema.if_contains("multipleOf");
  if (multiple != nullptr && *multiple != Value(1) && *multiple != Value(1.0)) {
    return refuse(place, "\"multipleOf\" is supported for 1 only");
  }
  CAIRN_ASSIGN_OR_RETURN(const ValueLimits limits, value_limits_of(schema, place));
  const Value* listed = schema.contains("const") ? schema.if_contains("enum") : nullptr;
  std::vector<std::string> texts;
  for (const Value& value : values) {
    if (listed != nullptr && listed->is_array() &&
        std::ranges::find(listed->get_array(), value) == listed->get_array().end()) {
      continue;
    }
    if (!fits(value, schema, limits)) continue;
    Result<std::string> text = compact_json(value);
    if (!text.ok()) return at(place, text.status());
    texts.push_back(*std::move(text));
  }
  if (texts.empty()) return refuse(place, "no value of \"enum\" or \"const\" fits the rest of its schema");
  add_literals(graph_, from, std::move(texts), to);
  return check_size(place);
}

}  // namespace cairn::grammar
