#include "text/grammar/schema_compiler.h"

#include <algorithm>
#include <array>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <utility>

#include "text/grammar/limits.h"
#include "text/grammar/object_schemas.h"
#include "text/grammar/schema_merge.h"

namespace cairn::grammar {
namespace {

// They would be broken if they were ignored.
constexpr std::array<std::string_view, 19> kRefused = {"not",
                                                       "if",
                                                       "then",
                                                       "else",
                                                       "dependentRequired",
                                                       "dependentSchemas",
                                                       "dependencies",
                                                       "contains",
                                                       "minContains",
                                                       "maxContains",
                                                       "patternProperties",
                                                       "propertyNames",
                                                       "minProperties",
                                                       "maxProperties",
                                                       "$dynamicRef",
                                                       "$recursiveRef",
                                                       "unevaluatedItems",
                                                       "unevaluatedProperties",
                                                       "uniqueItems"};
constexpr size_t kCopiedMax = 2'000'000;  // values, by merging

std::string_view view(const boost::json::string& text) { return {text.data(), text.size()}; }
std::string_view view(boost::json::string_view text) { return {text.data(), text.size()}; }

// Whether it forbids nothing, so that it may be ignored.
bool is_harmless(std::string_view keyword, const boost::json::value& value) {
  if (keyword == "minProperties") return value == boost::json::value(0);
  if (keyword == "uniqueItems") return value == boost::json::value(false);
  // What a schema does not name is not written anyway.
  return keyword == "unevaluatedProperties" && value.is_bool();
}

bool says_more_than(const boost::json::object& schema, std::string_view keyword) {
  return std::ranges::any_of(schema, [&](const auto& field) {
    return view(field.key()) != keyword && (!is_annotation(view(field.key())) || field.key() == "format");
  });
}

bool is_object_only(const boost::json::object& schema) {
  const boost::json::value* type = schema.if_contains("type");
  return type != nullptr &&
         (*type == boost::json::value("object") || *type == boost::json::value(boost::json::array{"object"}));
}

boost::json::object without(const boost::json::object& schema, std::string_view keyword) {
  boost::json::object rest;  // erase() would change the order
  for (const auto& field : schema) {
    if (view(field.key()) != keyword) rest.emplace(field.key(), field.value());
  }
  return rest;
}

}  // namespace

Status SchemaCompiler::at(const Place& place, const Status& status) {
  return {status.code(), "the schema at #" + place.path + ": " + status.message()};
}

Status SchemaCompiler::refuse(const Place& place, std::string message) {
  return at(place, invalid_argument(std::move(message)));
}

Status SchemaCompiler::add(const Value& schema, State from, State to) {
  const Rule before = graph_.current_rule();
  CAIRN_RETURN_IF_ERROR(add_schema(schema, {}, from, to));
  while (!pending_.empty()) {
    const Pending next = std::move(pending_.back());
    pending_.pop_back();
    graph_.go_on_with(next.rule);
    CAIRN_RETURN_IF_ERROR(
        add_schema(*next.schema, {next.path, 0}, graph_.begin(next.rule), graph_.end(next.rule)));
  }
  graph_.go_on_with(before);
  return check_size({});
}

Status SchemaCompiler::add_object_of(const Value& schema, State from, State to) {
  if (!may_be_object(schema, root_)) {
    return refuse({}, "it allows no object, which arguments are: give it \"type\": \"object\"");
  }
  CAIRN_ASSIGN_OR_RETURN(const Object narrowed,
                         merged(Object{{"type", "object"}, {"nullable", false}}, schema, {}));
  return add(narrowed, from, to);
}

Status SchemaCompiler::check_size(const Place& place) const {
  if (!graph_.is_full()) return {};
  return refuse(place,
                "the schema is too large: its automaton needs more than " + std::to_string(kStatesMax) +
                    " states; shorten its enums and patterns, or lower what it counts (maxLength, maxItems)");
}

Status SchemaCompiler::add_schema(const Value& schema, const Place& place, State from, State to) {
  if (++state_.schemas > kSchemasMax) {
    return refuse(place, "the schema is too large: it leads to more than " + std::to_string(kSchemasMax) +
                             " schemas in each other");
  }
  if (place.nesting > kNestingMax) {
    return refuse(place, "schemas are nested more than " + std::to_string(kNestingMax) + " deep");
  }
  CAIRN_RETURN_IF_ERROR(check_size(place));
  if (schema == Value(true)) {
    text_.add_value(from, to);
    return {};
  }
  if (schema == Value(false)) return refuse(place, "false allows no value");
  const Object* object = schema.if_object();
  if (object == nullptr) return refuse(place, "a schema must be an object, true or false");
  return add_object_schema(*object, place, from, to);
}

Status SchemaCompiler::add_object_schema(const Object& schema, const Place& place, State from, State to) {
  CAIRN_RETURN_IF_ERROR(check_keywords(schema, place));
  const Value* nullable = schema.if_contains("nullable");
  // Beside a type, false is kept: it forbids null in what the schema is merged with too.
  if (nullable != nullptr && !(*nullable == Value(false) && schema.contains("type"))) {
    if (*nullable == Value(true)) graph_.add_text(from, "null", to);
    return add_object_schema(without(schema, "nullable"), place, from, to);
  }
  if (schema.contains("$ref")) return add_reference(schema, place, from, to);
  if (schema.contains("allOf")) return add_all_of(schema, place, from, to);
  if (schema.contains("anyOf")) return add_branches(schema, "anyOf", place, from, to);
  if (schema.contains("oneOf")) return add_branches(schema, "oneOf", place, from, to);
  if (schema.contains("enum") || schema.contains("const")) return add_fixed(schema, place, from, to);
  return add_types(schema, place, from, to);
}

Status SchemaCompiler::check_keywords(const Object& schema, const Place& place) const {
  for (const auto& field : schema) {
    const std::string_view keyword = view(field.key());
    if (std::ranges::find(kRefused, keyword) == kRefused.end() || is_harmless(keyword, field.value()))
      continue;
    return refuse(place, "the keyword \"" + std::string(keyword) +
                             "\" is not supported; leave it out, or say the same in another way");
  }
  return {};
}

Result<const SchemaCompiler::Value*> SchemaCompiler::resolve(std::string_view reference,
                                                             const Place& place) const {
  if (!reference.starts_with('#')) {
    return refuse(place, "\"$ref\" leads out of the schema; only \"#\" and \"#/...\" are supported");
  }
  boost::system::error_code error;
  const Value* found = root_.find_pointer({reference.data() + 1, reference.size() - 1}, error);
  if (found == nullptr) {
    return refuse(place, "\"$ref\" leads to \"" + std::string(reference) + "\", which is not there");
  }
  return found;
}

Status SchemaCompiler::add_reference(const Object& schema, const Place& place, State from, State to) {
  const auto* text = schema.at("$ref").if_string();
  if (text == nullptr) return refuse(place, "\"$ref\" must be a string");
  const std::string reference(*text);
  CAIRN_ASSIGN_OR_RETURN(const Value* target, resolve(reference, place));
  if (says_more_than(schema, "$ref")) {
    CAIRN_ASSIGN_OR_RETURN(const Object both, merged(without(schema, "$ref"), *target, place));
    return add_schema(both, place.in("$ref"), from, to);
  }
  const auto known = references_.find(reference);
  if (known != references_.end()) {
    graph_.add_call(from, known->second, to);
    return {};
  }
  const Rule before = graph_.current_rule();
  const Rule rule = graph_.add_rule();
  graph_.go_on_with(before);
  references_.emplace(reference, rule);
  pending_.push_back({target, rule, reference.substr(1)});
  graph_.add_call(from, rule, to);
  return {};
}

Result<SchemaCompiler::Object> SchemaCompiler::merged(const Object& first, const Value& second,
                                                      const Place& place) {
  if (second == Value(true)) return first;
  if (!second.is_object())
    return refuse(place, "a schema that is merged with others must be an object or true");
  state_.copied += value_count(first) + value_count(second);
  if (state_.copied > kCopiedMax) return refuse(place, "the schema is too large: merging it takes too long");
  const Result<Object> both = merge_schemas(first, second.get_object());
  return both.ok() ? *both : Result<Object>(at(place, both.status()));
}

Status SchemaCompiler::add_all_of(const Object& schema, const Place& place, State from, State to) {
  const auto* parts = schema.at("allOf").if_array();
  if (parts == nullptr || parts->empty())
    return refuse(place, "\"allOf\" must be a list of at least one schema");
  Object all = without(schema, "allOf");
  for (const Value& part : *parts) {
    CAIRN_ASSIGN_OR_RETURN(all, merged(all, part, place));
  }
  return add_schema(all, place.in("allOf"), from, to);
}

Status SchemaCompiler::add_branches(const Object& schema, std::string_view keyword, const Place& place,
                                    State from, State to) {
  const auto* branches = schema.at(keyword).if_array();
  if (branches == nullptr || branches->empty()) {
    return refuse(place, "\"" + std::string(keyword) + "\" must be a list of at least one schema");
  }
  if (branches->size() > kBranchesMax) {
    return refuse(
        place, "\"" + std::string(keyword) + "\" has more than " + std::to_string(kBranchesMax) + " schemas");
  }
  const Object rest = without(schema, keyword);
  const bool is_alone = !says_more_than(schema, keyword);
  const bool wants_object = is_object_only(rest);
  for (size_t i = 0; i < branches->size(); ++i) {
    const Place inside = place.in(std::string(keyword) + "/" + std::to_string(i));
    const Value& branch = (*branches)[i];
    if (branch == Value(false) || (wants_object && !may_be_object(branch, root_))) continue;
    if (is_alone) {
      CAIRN_RETURN_IF_ERROR(add_schema(branch, inside, from, to));
    } else {
      CAIRN_ASSIGN_OR_RETURN(const Object both, merged(rest, branch, inside));
      CAIRN_RETURN_IF_ERROR(add_schema(both, inside, from, to));
    }
  }
  return {};
}

Status SchemaCompiler::add_types(const Object& schema, const Place& place, State from, State to) {
  if (const Value* type = schema.if_contains("type")) {
    if (type->is_string()) return add_type(view(type->get_string()), schema, place, from, to);
    const auto* list = type->if_array();
    if (list == nullptr || list->empty() || list->size() > kBranchesMax) {
      return refuse(place, "\"type\" must be a string or a list of strings");
    }
    const bool has_number = std::ranges::find(*list, Value("number")) != list->end();
    for (const Value& one : *list) {
      if (!one.is_string()) return refuse(place, "\"type\" must be a string or a list of strings");
      if (has_number && one == Value("integer")) continue;
      CAIRN_RETURN_IF_ERROR(add_type(view(one.get_string()), schema, place, from, to));
    }
    return {};
  }
  // Without a type all others would be allowed too; what is meant is the type that the keywords are about.
  constexpr std::pair<std::string_view, std::string_view> kKinds[] = {
      {"properties", "object"}, {"required", "object"},         {"additionalProperties", "object"},
      {"items", "array"},       {"prefixItems", "array"},       {"minItems", "array"},
      {"maxItems", "array"},    {"pattern", "string"},          {"minLength", "string"},
      {"maxLength", "string"},  {"format", "string"},           {"minimum", "number"},
      {"maximum", "number"},    {"exclusiveMinimum", "number"}, {"exclusiveMaximum", "number"},
      {"multipleOf", "number"}};
  for (const auto& [keyword, type] : kKinds) {
    if (schema.contains(keyword)) return add_type(type, schema, place, from, to);
  }
  text_.add_value(from, to);
  return {};
}

Status SchemaCompiler::add_type(std::string_view type, const Object& schema, const Place& place, State from,
                                State to) {
  if (type == "object") return add_object(schema, place, from, to);
  if (type == "array") return add_array(schema, place, from, to);
  if (type == "string") return add_string(schema, place, from, to);
  if (type == "number" || type == "integer") return add_number(type, schema, place, from, to);
  if (type == "boolean") {
    graph_.add_text(from, "true", to);
    graph_.add_text(from, "false", to);
    return {};
  }
  if (type == "null") {
    graph_.add_text(from, "null", to);
    return {};
  }
  return refuse(place, "\"type\" has the unknown value \"" + std::string(type) +
                           "\"; it must be object, array, string, number, integer, boolean or null");
}

}  // namespace cairn::grammar
