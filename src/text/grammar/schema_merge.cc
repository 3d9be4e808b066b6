#include "text/grammar/schema_merge.h"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <string>
#include <utility>
#include <vector>

#include "text/grammar/limits.h"

namespace cairn::grammar {
namespace {

using boost::json::array;
using boost::json::object;
using boost::json::value;

constexpr std::array<std::string_view, 15> kAnnotations = {
    "$schema",  "$id",         "$comment",        "$defs",    "definitions",
    "title",    "description", "default",         "examples", "deprecated",
    "readOnly", "writeOnly",   "contentEncoding", "format",   "contentMediaType"};

Status contradiction(std::string_view keyword) {
  return invalid_argument("two values of \"" + std::string(keyword) +
                          "\" apply at once, and nothing fits both");
}

bool is_among(const value& item, const array& list) { return std::ranges::find(list, item) != list.end(); }

// Pairs that one merge may look at, a value counted by its size.
constexpr size_t kPairsMax = 2'000'000;

// Where each of `first` is compared with, or gets a copy of, all of `second`.
Status check_pairs(std::string_view keyword, size_t first, const value& second, size_t most) {
  const size_t other = second.is_array() ? second.get_array().size() : 1;
  if (first > most || other > most) {
    return invalid_argument("\"" + std::string(keyword) + "\" has more than " + std::to_string(most) +
                            " values, too many to merge");
  }
  if (first * value_count(second) <= kPairsMax) return {};
  return invalid_argument("two values of \"" + std::string(keyword) + "\" are too large to merge");
}

array list_of(const value& one_or_more) {
  if (const array* list = one_or_more.if_array()) return *list;
  return array{one_or_more};
}

Status merge_types(value& first, const value& second) {
  const array one = list_of(first), other = list_of(second);
  CAIRN_RETURN_IF_ERROR(check_pairs("type", one.size(), second, kBranchesMax));
  array both;
  for (const value& type : one) {
    if (is_among(type, other)) {
      both.push_back(type);
    } else if ((type == "integer" && is_among("number", other)) ||
               (type == "number" && is_among("integer", other))) {
      both.push_back("integer");
    }
  }
  if (both.empty()) return contradiction("type");
  first = std::move(both);
  return {};
}

Status merge_lists_of_values(value& first, const value& second) {
  if (!first.is_array() || !second.is_array()) return contradiction("enum");
  CAIRN_RETURN_IF_ERROR(check_pairs("enum", first.get_array().size(), second, kEnumMax));
  array both;
  for (const value& item : first.get_array()) {
    if (is_among(item, second.get_array())) both.push_back(item);
  }
  if (both.empty()) return contradiction("enum");
  first = std::move(both);
  return {};
}

constexpr size_t kBytesOfOneValue = 32;  // of a text: copying that many costs about as much as a value

enum class Keep { kSmaller, kLarger };

Status merge_numbers(std::string_view keyword, value& first, const value& second, Keep keep) {
  if (!first.is_number() || !second.is_number()) return contradiction(keyword);
  const bool is_smaller = second.to_number<double>() < first.to_number<double>();
  if (is_smaller == (keep == Keep::kSmaller)) first = second;
  return {};
}

void both_apply(value& first, const value& second) {
  array both{std::move(first), second};
  first = object{{"allOf", std::move(both)}};
}

Status merge_properties(value& first, const value& second) {
  if (!first.is_object() || !second.is_object()) return contradiction("properties");
  for (const auto& [name, schema] : second.get_object()) {
    const auto [entry, is_new] = first.get_object().emplace(name, schema);
    if (!is_new && entry->value() != schema) both_apply(entry->value(), schema);
  }
  return {};
}

Status merge_required(value& first, const value& second) {
  if (!first.is_array() || !second.is_array()) return contradiction("required");
  CAIRN_RETURN_IF_ERROR(check_pairs("required", first.get_array().size(), second, kPropertiesMax));
  for (const value& name : second.get_array()) {
    if (!is_among(name, first.get_array())) first.get_array().push_back(name);
  }
  return {};
}

void merge_additional(value& first, const value& second) {
  if (first == value(false) || second == value(true)) return;
  if (second == value(false) || first == value(true)) {
    first = second;
  } else {
    both_apply(first, second);
  }
}

// Each of the first's branches goes with the second's choice.
Status merge_branches(std::string_view keyword, value& first, const value& second) {
  if (!first.is_array()) return contradiction(keyword);
  CAIRN_RETURN_IF_ERROR(check_pairs(keyword, first.get_array().size(), second, kBranchesMax));
  for (value& branch : first.get_array()) {
    value choice = object{{keyword, second}};
    both_apply(branch, choice);
  }
  return {};
}

Status merge_keyword(std::string_view keyword, value& first, const value& second) {
  if (first == second || is_annotation(keyword)) return {};
  if (keyword == "type") return merge_types(first, second);
  if (keyword == "enum") return merge_lists_of_values(first, second);
  if (keyword == "properties") return merge_properties(first, second);
  if (keyword == "required") return merge_required(first, second);
  if (keyword == "anyOf" || keyword == "oneOf") return merge_branches(keyword, first, second);
  for (const std::string_view larger : {"minimum", "exclusiveMinimum", "minLength", "minItems"}) {
    if (keyword == larger) return merge_numbers(keyword, first, second, Keep::kLarger);
  }
  for (const std::string_view smaller : {"maximum", "exclusiveMaximum", "maxLength", "maxItems"}) {
    if (keyword == smaller) return merge_numbers(keyword, first, second, Keep::kSmaller);
  }
  if (keyword == "additionalProperties") {
    merge_additional(first, second);
    return {};
  }
  if (keyword == "items") {
    both_apply(first, second);
    return {};
  }
  if (keyword == "nullable") {
    first = value(false);
    return {};
  }
  return contradiction(keyword);
}

// A schema that forbids further fields forbids those that only the other names.
void drop_forbidden(object& schema, const object& other) {
  const value* additional = schema.if_contains("additionalProperties");
  const value* own = schema.if_contains("properties");
  if (additional == nullptr || *additional != value(false)) return;
  if (own != nullptr && !own->is_object()) return;
  const value* others = other.if_contains("properties");
  if (others == nullptr || !others->is_object()) return;
  object forbidden;
  for (const auto& [name, unused] : others->get_object()) {
    if (own == nullptr || !own->get_object().contains(name)) forbidden[name] = false;
  }
  if (forbidden.empty()) return;
  if (own == nullptr) schema["properties"] = object{};
  for (auto& [name, never] : forbidden) schema["properties"].get_object()[name] = never;
}

}  // namespace

bool is_annotation(std::string_view keyword) {
  return std::ranges::find(kAnnotations, keyword) != kAnnotations.end();
}

size_t value_count(const value& of) {
  // With a list of what is left rather than by recursion: a schema may be nested as deep as its parser allows.
  std::vector<const value*> left{&of};
  size_t count = 0;
  while (!left.empty()) {
    const value& one = *left.back();
    left.pop_back();
    ++count;
    if (const auto* text = one.if_string()) count += text->size() / kBytesOfOneValue;
    if (const object* fields = one.if_object()) {
      for (const auto& field : *fields) left.push_back(&field.value());
    } else if (const array* items = one.if_array()) {
      for (const value& item : *items) left.push_back(&item);
    }
  }
  return count;
}

Result<object> merge_schemas(const object& first, const object& second) {
  object merged = first, added = second;
  drop_forbidden(merged, second);
  drop_forbidden(added, first);
  for (const auto& [keyword, other] : added) {
    const std::string_view name(keyword.data(), keyword.size());
    const auto [entry, is_new] = merged.emplace(keyword, other);
    if (is_new) continue;
    if (name == "allOf" && entry->value().is_array() && other.is_array()) {
      for (const value& one : other.get_array()) entry->value().get_array().push_back(one);
    } else if (name == "$ref" && entry->value() != other) {
      value& all = merged["allOf"];
      if (!all.is_array()) all = array{};
      all.get_array().push_back(object{{"$ref", other}});
    } else {
      CAIRN_RETURN_IF_ERROR(merge_keyword(name, entry->value(), other));
    }
  }
  return merged;
}

}  // namespace cairn::grammar
