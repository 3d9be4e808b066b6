// SchemaCompiler's part for each type: strings, numbers, arrays, objects.
#include <algorithm>
#include <array>
#include <boost/json/string.hpp>
#include <map>
#include <utility>

#include "text/grammar/limits.h"
#include "text/grammar/pattern.h"
#include "text/grammar/schema_compiler.h"

namespace cairn::grammar {
namespace {

constexpr int64_t kBeyondAnyReply = int64_t{1} << 24;  // characters or items: such a limit is none
const boost::json::value kAnything(true);

// UTF-8 by the bytes that may follow: what a byte means depends on those before it.
enum Utf8 : uint8_t {
  kWhole,
  kOneMore,
  kTwoMore,
  kThreeMore,
  kAfterE0,
  kAfterEd,
  kAfterF0,
  kAfterF4,
  kUtf8Count
};

// Where `byte` leads; nullopt: not valid there. At kWhole, only characters that a string holds as themselves.
std::optional<Utf8> utf8_next(Utf8 at, uint8_t byte) {
  const auto follows = [byte](uint8_t low, uint8_t high, Utf8 to) {
    return byte >= low && byte <= high ? std::optional(to) : std::nullopt;
  };
  switch (at) {
    case kOneMore: return follows(0x80, 0xBF, kWhole);
    case kTwoMore: return follows(0x80, 0xBF, kOneMore);
    case kThreeMore: return follows(0x80, 0xBF, kTwoMore);
    case kAfterE0: return follows(0xA0, 0xBF, kOneMore);
    case kAfterEd: return follows(0x80, 0x9F, kOneMore);
    case kAfterF0: return follows(0x90, 0xBF, kTwoMore);
    case kAfterF4: return follows(0x80, 0x8F, kTwoMore);
    default: break;
  }
  if (byte < 0x20 || byte == '"' || byte == '\\') return std::nullopt;
  if (byte < 0x80) return kWhole;
  if (byte < 0xC2 || byte > 0xF4) return std::nullopt;
  if (byte < 0xE0) return kOneMore;
  if (byte == 0xE0) return kAfterE0;
  if (byte == 0xED) return kAfterEd;
  if (byte < 0xF0) return kTwoMore;
  if (byte == 0xF0) return kAfterF0;
  return byte == 0xF4 ? kAfterF4 : kThreeMore;
}

std::string key_text(std::string_view name) { return json_string(name) + ":"; }

}  // namespace

Result<std::optional<int64_t>> SchemaCompiler::count_of(const Object& schema, std::string_view keyword,
                                                        const Place& place) const {
  const Value* value = schema.if_contains(keyword);
  if (value == nullptr) return std::optional<int64_t>();
  const double number = value->is_number() ? value->to_number<double>() : -1;
  if (!(number >= 0) || number != static_cast<double>(static_cast<int64_t>(std::min(number, 1e15)))) {
    if (!(number > 1e15))
      return refuse(place, "\"" + std::string(keyword) + "\" must be a whole number, at least 0");
  }
  return std::optional<int64_t>(static_cast<int64_t>(std::min(number, 1e15)));
}

Status SchemaCompiler::add_string(const Object& schema, const Place& place, State from, State to) {
  CAIRN_ASSIGN_OR_RETURN(const auto least, count_of(schema, "minLength", place));
  CAIRN_ASSIGN_OR_RETURN(auto most, count_of(schema, "maxLength", place));
  if (most.has_value() && *most >= kBeyondAnyReply) most.reset();
  const Value* pattern = schema.if_contains("pattern");
  if (pattern != nullptr) {
    if (!pattern->is_string()) return refuse(place, "\"pattern\" must be a string");
    if (least.value_or(0) > 0 || most.has_value()) {
      return refuse(
          place,
          "\"pattern\" together with \"minLength\" or \"maxLength\" is not supported; say the length in "
          "the pattern");
    }
    const Status added =
        add_pattern(graph_, text_, from, {pattern->get_string().data(), pattern->get_string().size()}, to);
    return added.ok() ? check_size(place) : at(place, added);
  }
  if (least.value_or(0) > kLengthMax) {
    return refuse(place, "\"minLength\" is more than " + std::to_string(kLengthMax));
  }
  if (most.has_value() && *most < least.value_or(0))
    return refuse(place, "\"maxLength\" is less than \"minLength\"");
  if (least.value_or(0) > 0 || most.has_value()) {
    if (most.has_value()) most = std::min(*most, kLengthMax);
    text_.add_counted_string(from, least.value_or(0), most, to);
    return check_size(place);
  }
  const Value* format = schema.if_contains("format");
  const std::string_view written =
      format != nullptr && format->is_string()
          ? pattern_of_format({format->get_string().data(), format->get_string().size()})
          : std::string_view();
  if (!written.empty()) return add_pattern(graph_, text_, from, written, to);
  text_.add_string(from, to);
  return {};
}

// `exclusive` is a number, or (in older drafts) true beside the bound.
Result<std::optional<Bound>> SchemaCompiler::bound_of(const Object& schema, std::string_view keyword,
                                                      std::string_view exclusive, const Place& place) const {
  std::optional<Bound> bound;
  for (const std::string_view name : {keyword, exclusive}) {
    const Value* value = schema.if_contains(name);
    if (value == nullptr) continue;
    if (name == exclusive && value->is_bool()) {
      if (bound.has_value()) bound->is_excluded = value->get_bool();
      continue;
    }
    if (!value->is_number()) return refuse(place, "\"" + std::string(name) + "\" must be a number");
    const Bound here{Decimal::of(*value), name == exclusive};
    const bool is_low = keyword == "minimum";
    const int order = bound.has_value() ? here.value.compare(bound->value) : 0;
    // The narrower one; where they are equal, the one that excludes it.
    if (!bound.has_value() || order == 0 || (order > 0) == is_low) bound = here;
  }
  return bound;
}

Status SchemaCompiler::add_number(std::string_view type, const Object& schema, const Place& place, State from,
                                  State to) {
  bool is_integer = type == "integer";
  if (const Value* multiple = schema.if_contains("multipleOf")) {
    if (*multiple != Value(1) && *multiple != Value(1.0)) {
      return refuse(place, "\"multipleOf\" is supported for 1 only");
    }
    is_integer = true;
  }
  NumberRange range;
  CAIRN_ASSIGN_OR_RETURN(range.low, bound_of(schema, "minimum", "exclusiveMinimum", place));
  CAIRN_ASSIGN_OR_RETURN(range.high, bound_of(schema, "maximum", "exclusiveMaximum", place));
  const Status added =
      is_integer ? add_integers(graph_, text_, from, range, to) : add_numbers(graph_, text_, from, range, to);
  return added.ok() ? check_size(place) : at(place, added);
}

// Null: any value.
Status SchemaCompiler::add_item(const Value* schema, const Place& place, State from, State to) {
  if (schema != nullptr) return add_schema(*schema, place, from, to);
  text_.add_value(from, to);
  return {};
}

// `named`: how many items have a schema of their own; `items`: that of all others (null: none is given).
Result<SchemaCompiler::ItemCounts> SchemaCompiler::item_counts_of(const Object& schema, int64_t named,
                                                                  const Value* items,
                                                                  const Place& place) const {
  CAIRN_ASSIGN_OR_RETURN(const auto least_given, count_of(schema, "minItems", place));
  CAIRN_ASSIGN_OR_RETURN(auto most, count_of(schema, "maxItems", place));
  const int64_t least = least_given.value_or(std::min(named, most.value_or(named)));
  if (least > kItemsMax || named > kItemsMax) {
    return refuse(
        place, "\"minItems\" or \"prefixItems\" asks for more than " + std::to_string(kItemsMax) + " items");
  }
  const bool has_end = (items != nullptr && *items == Value(false)) || (items == nullptr && named > 0);
  if (has_end) most = std::min(most.value_or(named), named);
  if (most.has_value() && *most >= kBeyondAnyReply) most.reset();
  if (most.has_value()) most = std::min(*most, kItemsMax);
  if (most.has_value() && *most < least) return refuse(place, "fewer items are allowed than are asked for");
  return ItemCounts{least, most, most.value_or(std::max({least, named, int64_t{1}}))};
}

Status SchemaCompiler::add_array(const Object& schema, const Place& place, State from, State to) {
  std::vector<const Value*> first;
  const Value* items = schema.if_contains("items");
  const Value* prefix = schema.if_contains("prefixItems");
  if (items != nullptr && items->is_array()) {  // as older drafts have it
    prefix = items;
    items = schema.if_contains("additionalItems");
  }
  if (prefix != nullptr) {
    if (!prefix->is_array()) return refuse(place, "\"prefixItems\" must be a list of schemas");
    for (const Value& item : prefix->get_array()) first.push_back(&item);
  }
  const auto named = static_cast<int64_t>(first.size());
  CAIRN_ASSIGN_OR_RETURN(const ItemCounts counts, item_counts_of(schema, named, items, place));
  const Place inside = place.in("items");
  std::optional<Rule> item_rule;  // where there are many, each is one call
  if (counts.counted > named + 1) {
    const Rule before = graph_.current_rule();
    item_rule = graph_.add_rule();
    CAIRN_RETURN_IF_ERROR(add_item(items, inside, graph_.begin(*item_rule), graph_.end(*item_rule)));
    graph_.go_on_with(before);
  }
  const State open = graph_.add_state(), closing = graph_.add_state(), close = graph_.add_state();
  graph_.add_byte(from, '[', open);
  if (counts.least == 0) graph_.add_byte(open, ']', to);
  text_.add_space(closing, close);
  graph_.add_byte(close, ']', to);
  State before_item = graph_.add_state();
  text_.add_space(open, before_item);
  for (int64_t i = 0; i < counts.counted; ++i) {
    CAIRN_RETURN_IF_ERROR(check_size(place));
    const State behind = graph_.add_state();
    if (i < named) {
      CAIRN_RETURN_IF_ERROR(add_schema(*first[static_cast<size_t>(i)],
                                       place.in("prefixItems/" + std::to_string(i)), before_item, behind));
    } else if (item_rule.has_value()) {
      graph_.add_call(before_item, *item_rule, behind);
    } else {
      CAIRN_RETURN_IF_ERROR(add_item(items, inside, before_item, behind));
    }
    if (i + 1 >= counts.least) graph_.add_empty(behind, closing);
    const bool is_last = i + 1 == counts.counted;
    if (is_last && counts.most.has_value()) break;
    const State comma = graph_.add_state();
    graph_.add_byte(behind, ',', comma);
    // Without a most, the last counted item comes again and again; but a named one is not repeated.
    State next = before_item;
    if (!is_last || i < named) next = graph_.add_state();
    text_.add_space(comma, next);
    before_item = next;
    if (is_last && i < named) {
      const State again = graph_.add_state();
      CAIRN_RETURN_IF_ERROR(add_item(items, inside, next, again));
      graph_.add_empty(again, behind);
    }
  }
  return {};
}

Result<std::vector<SchemaCompiler::Property>> SchemaCompiler::properties_of(const Object& schema,
                                                                            const Value* additional,
                                                                            const Place& place) const {
  std::vector<Property> properties;
  std::map<std::string, size_t, std::less<>> places;
  if (const Value* named = schema.if_contains("properties")) {
    if (!named->is_object()) return refuse(place, "\"properties\" must be an object");
    for (const auto& field : named->get_object()) {
      places.emplace(std::string(field.key()), properties.size());
      properties.push_back({std::string(field.key()), &field.value(), false});
    }
  }
  if (const Value* required = schema.if_contains("required")) {
    if (!required->is_array()) return refuse(place, "\"required\" must be a list of strings");
    for (const Value& name : required->get_array()) {
      if (!name.is_string()) return refuse(place, "\"required\" must be a list of strings");
      const std::string text(name.get_string());
      const auto [found, is_new] = places.emplace(text, properties.size());
      if (is_new) properties.push_back({text, additional, true});
      properties[found->second].is_required = true;
    }
  }
  // A field that nothing fits is one that is not written.
  for (const Property& property : properties) {
    const bool is_never = property.schema != nullptr && *property.schema == Value(false);
    if (is_never && property.is_required) {
      return refuse(place, "\"" + property.name + "\" is required, but no value is allowed for it");
    }
  }
  if (properties.size() > kPropertiesMax) {
    return refuse(place, "an object has more than " + std::to_string(kPropertiesMax) + " properties");
  }
  return properties;
}

Status SchemaCompiler::add_object(const Object& schema, const Place& place, State from, State to) {
  const Value* given = schema.if_contains("additionalProperties");
  // Where fields are named and nothing is said of others, none are written: models fill in what was asked for.
  const bool is_open = given == nullptr && !schema.contains("properties");
  const bool may_add = is_open || (given != nullptr && *given != Value(false));
  CAIRN_ASSIGN_OR_RETURN(const auto properties, properties_of(schema, given, place));
  if (properties.empty() && may_add && (given == nullptr || *given == Value(true))) {
    text_.add_object(from, to);
    return {};
  }
  const bool only_required = is_open && !properties.empty();
  return add_fields(properties, may_add && !only_required ? (given == nullptr ? &kAnything : given) : nullptr,
                    place, from, to);
}

// before[i]: a field is to come, the first that may be is the i-th. behind[i]: a value has ended, likewise.
Status SchemaCompiler::add_fields(const std::vector<Property>& properties, const Value* additional,
                                  const Place& place, State from, State to) {
  const size_t count = properties.size();
  std::vector<State> before(count + 1), behind(count + 1);
  for (State& state : before) state = graph_.add_state();
  for (State& state : behind) state = graph_.add_state();
  const State open = graph_.add_state(), closing = graph_.add_state(), close = graph_.add_state();
  graph_.add_byte(from, '{', open);
  text_.add_space(open, before[0]);
  text_.add_space(closing, close);
  graph_.add_byte(close, '}', to);
  const auto add_comma = [&](size_t i) {
    const State comma = graph_.add_state();
    graph_.add_byte(behind[i], ',', comma);
    text_.add_space(comma, before[i]);
  };
  const auto add_colon = [&](State colon) {
    const State value = graph_.add_state();
    text_.add_colon_space(colon, value);
    return value;
  };
  bool rest_is_optional = true;
  for (size_t i = count; i-- > 0;) rest_is_optional = rest_is_optional && !properties[i].is_required;
  if (rest_is_optional) graph_.add_byte(open, '}', to);
  rest_is_optional = true;
  for (size_t i = count; i-- > 0;) {
    const Property& property = properties[i];
    if (rest_is_optional) graph_.add_empty(behind[i + 1], closing);
    rest_is_optional = rest_is_optional && !property.is_required;
    if (i + 1 < count || additional != nullptr) add_comma(i + 1);
    if (!property.is_required) graph_.add_empty(before[i], before[i + 1]);
    if (property.schema != nullptr && *property.schema == Value(false)) continue;
    const State colon = graph_.add_state();
    graph_.add_text(before[i], key_text(property.name), colon);
    const State value = add_colon(colon);
    CAIRN_RETURN_IF_ERROR(
        add_item(property.schema, place.in("properties/" + property.name), value, behind[i + 1]));
  }
  if (additional == nullptr) return check_size(place);
  if (count == 0) {
    graph_.add_empty(behind[0], closing);
    add_comma(0);
  }
  const State colon = graph_.add_state(), key = graph_.add_state();
  add_free_key(properties, before[count], key);
  graph_.add_byte(key, ':', colon);
  return add_item(additional, place.in("additionalProperties"), add_colon(colon), behind[count]);
}

// A key that is none of the named ones: as soon as its bytes differ from all of them, anything goes. It is written without
// escapes, so that no named key hides behind one.
void SchemaCompiler::add_free_key(const std::vector<Property>& named, State from, State to) {
  const State root = graph_.add_state();
  graph_.add_byte(from, '"', root);
  std::array<State, kUtf8Count> free{};
  for (State& state : free) state = graph_.add_state();
  struct Node {
    State state = 0;
    Utf8 utf8 = kWhole;
    bool is_name = false;
    std::map<uint8_t, size_t> children;
  };
  std::vector<Node> nodes{{root, kWhole, false, {}}};
  for (const Property& property : named) {
    size_t at = 0;
    bool can_be_written = true;
    for (const char c : property.name) {
      const auto byte = static_cast<uint8_t>(c);
      const auto next = utf8_next(nodes[at].utf8, byte);
      can_be_written = next.has_value();
      if (!can_be_written || graph_.is_full()) break;
      const auto [child, is_new] = nodes[at].children.try_emplace(byte, nodes.size());
      const size_t index = child->second;
      if (is_new) nodes.push_back({graph_.add_state(), *next, false, {}});
      at = index;
    }
    nodes[at].is_name = nodes[at].is_name || can_be_written;
  }
  for (size_t i = 0; i < kUtf8Count; ++i) nodes.push_back({free[i], static_cast<Utf8>(i), false, {}});
  for (const Node& node : nodes) {
    if (node.utf8 == kWhole && !node.is_name) graph_.add_byte(node.state, '"', to);
    for (unsigned first = 0; first < 256;) {
      const auto target = [&](unsigned byte) -> std::optional<State> {
        const auto next = utf8_next(node.utf8, static_cast<uint8_t>(byte));
        if (!next.has_value()) return std::nullopt;
        const auto child = node.children.find(static_cast<uint8_t>(byte));
        return child != node.children.end() ? nodes[child->second].state : free[*next];
      };
      const auto to_state = target(first);
      unsigned end = first + 1;
      while (end < 256 && target(end) == to_state) ++end;
      if (to_state.has_value()) {
        graph_.add_bytes(node.state, static_cast<uint8_t>(first), static_cast<uint8_t>(end - 1), *to_state);
      }
      first = end;
    }
  }
}

}  // namespace cairn::grammar
